"""The window finds its size: large for fast jobs, small for slow ones."""

from workers.window import LEAST, MOST, Window


def fill(window: Window, unclaimed: int) -> int:
    room = window.room(unclaimed)
    window.sent(room, room)
    return room


def test_it_doubles_while_the_workers_empty_it_between_two_looks() -> None:
    window = Window()
    rooms = [fill(window, 0) for _ in range(8)]
    assert rooms[:3] == [LEAST, LEAST * 2, LEAST * 4]
    assert rooms[-1] == MOST


def test_it_shrinks_while_much_stays_unclaimed() -> None:
    window = Window()
    window.size = MOST
    fill(window, 0)
    for _ in range(30):
        fill(window, window.size - 1)
    assert window.size == LEAST


def test_it_is_refilled_in_handfuls() -> None:
    window = Window()
    assert window.room(LEAST - LEAST // 4 + 1) == 0
    assert window.room(LEAST - LEAST // 4) == LEAST // 4


def test_a_window_that_was_not_filled_does_not_grow() -> None:
    window = Window()
    room = window.room(0)
    window.sent(room - 1, room)
    window.room(0)
    assert window.size == LEAST
