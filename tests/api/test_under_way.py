"""The limit on what is under way follows how long answers take, on a clock made for the test."""

from hypothesis import given, settings
from hypothesis import strategies as st

from api.under_way import Ticket, UnderWay

TARGET = 0.1
LEAST, FIRST, MOST = 32, 128, 2_000


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make() -> UnderWay:
    return UnderWay(target_seconds=TARGET, least=LEAST, first=FIRST, most=MOST)


def serve(under_way: UnderWay, clock: Clock, *, rate: float, seconds: float, work: float) -> tuple[int, list[float]]:
    """A single server: arrivals at a steady rate, each worked on for so long; how many were refused, and the waits."""
    refused, waits, waiting = 0, list[float](), list[float]()
    free_at = next_at = clock.now
    end = clock.now + seconds
    while next_at < end:
        done_at = free_at + work if waiting else float("inf")
        if waiting and max(done_at, waiting[0] + work) <= next_at:
            arrived = waiting.pop(0)
            free_at = clock.now = max(free_at, arrived) + work
            under_way.leave(arrived, clock.now)
            waits.append(clock.now - arrived)
            continue
        clock.now = next_at
        next_at += 1 / rate
        if under_way.is_full():
            refused += 1
        else:
            under_way.enter()
            waiting.append(clock.now)
            free_at = max(free_at, clock.now) if len(waiting) == 1 else free_at
    for arrived in waiting:
        under_way.leave(arrived, clock.now)
    return refused, waits


def test_below_capacity_nobody_is_refused() -> None:
    refused, waits = serve(make(), Clock(), rate=500, seconds=10, work=0.001)
    assert refused == 0
    assert max(waits) < TARGET


def test_twice_the_capacity_is_taken_at_capacity_and_in_time() -> None:
    under_way, clock = make(), Clock()
    serve(under_way, clock, rate=2_000, seconds=5, work=0.001)  # until it has settled
    refused, waits = serve(under_way, clock, rate=2_000, seconds=10, work=0.001)
    assert len(waits) > 0.99 * 10 / 0.001
    assert refused > 0
    assert sorted(waits)[int(len(waits) * 0.99)] < 2 * TARGET


def test_a_server_ten_times_as_slow_lets_fewer_in_and_one_back_to_speed_as_many_as_before() -> None:
    under_way, clock = make(), Clock()
    serve(under_way, clock, rate=2_000, seconds=10, work=0.001)
    fast = under_way.limit
    serve(under_way, clock, rate=2_000, seconds=10, work=0.01)
    assert under_way.limit < fast / 2
    serve(under_way, clock, rate=2_000, seconds=20, work=0.001)
    assert under_way.limit > fast * 0.8


def test_after_the_load_the_limit_comes_back_by_itself() -> None:
    under_way, clock = make(), Clock()
    serve(under_way, clock, rate=2_000, seconds=20, work=0.02)
    assert under_way.limit == LEAST
    refused, _ = serve(under_way, clock, rate=10, seconds=60, work=0.001)
    assert (refused, under_way.limit >= FIRST) == (0, True)


def test_one_late_answer_among_few_lowers_nothing() -> None:
    under_way = make()
    for second in range(100):
        under_way.enter()
        under_way.leave(second, second + 10 * TARGET)
    assert under_way.limit == FIRST


def test_a_late_event_loop_counts_as_time_taken() -> None:
    under_way = make()
    under_way.lagged(2 * TARGET)
    for number in range(100):
        under_way.enter()
        under_way.leave(number, number + 0.001)
        under_way.enter()
        under_way.leave(number, number + 0.001)
        under_way.enter()
        under_way.leave(number, number + 0.001)
    assert under_way.limit < FIRST


def test_what_hangs_keeps_the_rest_out() -> None:
    under_way = make()
    let_in = 0
    while not under_way.is_full():
        under_way.enter()
        let_in += 1
    assert let_in == FIRST
    assert under_way.is_full()


def test_a_ticket_counts_once_however_often_it_is_closed() -> None:
    under_way, clock = make(), Clock()
    tickets = [Ticket(under_way, clock) for _ in range(3)]
    assert under_way.count == 0  # nothing has arrived
    for ticket in (*tickets, *tickets):
        ticket.open()
    assert under_way.count == 3
    for ticket in (*tickets, *tickets):
        ticket.close()
    assert under_way.count == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 1), st.floats(0, 0.5)), max_size=60))
def test_the_limit_stays_within_its_bounds_and_the_count_is_what_came_less_what_went(
    rounds: list[tuple[int, float, float]],
) -> None:
    under_way, now = make(), 0.0
    for arrivals, took, pause in rounds:
        arrived = list[float]()
        while len(arrived) < arrivals and not under_way.is_full():
            under_way.enter()
            arrived.append(now)
        assert under_way.count == len(arrived) <= under_way.limit + 1
        now += took
        for at in arrived:
            under_way.leave(at, now)
        now += pause
        assert under_way.count == 0
        assert LEAST <= under_way.limit <= MOST
