"""The pace of the back line: slower while somebody in front may come and rounds of the loop are slow."""

from workers.pace import LEAST, REST_SECONDS, Pace


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_slow_rounds_slow_nobody_down_where_nobody_is_in_front() -> None:
    pace = Pace(100, Clock())
    for _ in range(100):
        pace.note_round(0.1)
    assert pace.size == 100


def test_it_gives_way_until_rounds_are_quick_or_nobody_has_come_for_five_seconds() -> None:
    clock = Clock()
    pace = Pace(100, clock)
    pace.give_way()
    for _ in range(100):
        pace.note_round(0.1)
    assert pace.size == LEAST
    clock.seconds = 4.9
    assert pace.size == LEAST
    pace.note_round(0.003)
    assert pace.size == LEAST
    pace.note_round(0.001)
    assert pace.size > LEAST
    clock.seconds = 5.1
    assert pace.size == 100


def test_quick_rounds_bring_it_back_to_all_there_is() -> None:
    pace = Pace(100, Clock())
    pace.give_way()
    for _ in range(100):
        pace.note_round(0.1)
    for _ in range(100):
        pace.note_round(0.001)
    assert pace.size == 100


def test_a_small_worker_stays_as_small_as_it_is() -> None:
    pace = Pace(2, Clock())
    pace.give_way()
    pace.note_round(0.1)
    assert pace.size == 2


def test_the_back_line_rests_while_somebody_is_in_front_and_only_then() -> None:
    clock = Clock()
    pace = Pace(100, clock)
    assert pace.rest_seconds == 0
    pace.give_way()
    assert pace.rest_seconds == REST_SECONDS
    clock.seconds = 5.1
    assert pace.rest_seconds == 0
