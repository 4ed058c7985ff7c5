"""The gate of a queue's limits: nothing gets past them, and nothing waits that need not."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from domain.jobs.limits import Gate, InFlight, Lane, Limit, QueueLimits, Rate, Scope, Started, Use

TENANTS = ("t1", "t2", "t3")
KINDS = ("a.one", "a.two")
LIMITS = st.builds(
    Limit,
    max_running=st.none() | st.integers(1, 12),
    rate=st.none() | st.builds(Rate, count=st.integers(1, 12), per_seconds=st.sampled_from([1.0, 10.0, 60.0])),
)
QUEUES = st.builds(
    QueueLimits,
    whole=LIMITS,
    per_tenant=LIMITS,
    per_kind=st.dictionaries(st.sampled_from(KINDS), LIMITS),
)
LANES = st.lists(
    st.builds(Lane, tenant_id=st.sampled_from(TENANTS), kind=st.sampled_from(KINDS)),
    unique_by=lambda lane: (lane.tenant_id, lane.kind),
)
USES = st.builds(
    Use,
    in_flight=st.lists(
        st.builds(
            InFlight,
            tenant_id=st.sampled_from(TENANTS),
            kind=st.sampled_from(KINDS),
            sent=st.integers(0, 4),
            running=st.integers(0, 4),
        ),
        max_size=6,
        unique_by=lambda lane: (lane.tenant_id, lane.kind),
    ),
    started=st.lists(
        st.builds(
            Started,
            tenant_id=st.sampled_from(TENANTS),
            kind=st.sampled_from(KINDS),
            age_seconds=st.floats(0, 70),
            count=st.integers(1, 4),
        ),
        max_size=6,
    ),
)
SCOPES = (Scope(), *(Scope(tenant_id=tenant) for tenant in TENANTS), *(Scope(kind=kind) for kind in KINDS))


@given(QUEUES, USES, LANES, st.integers(0, 40), st.integers(0, 100))
def test_what_is_taken_within_the_portions_keeps_every_limit(
    limits: QueueLimits, use: Use, lanes: list[Lane], room: int, first: int
) -> None:
    gate = Gate(limits, use)
    rooms = {scope: gate.room(scope) for scope in SCOPES}
    taken: Counter[Scope] = Counter()
    by_tenant: Counter[str] = Counter()
    for portion in gate.portions(lanes, room, first=first):
        got = min(portion.most, portion.share - by_tenant[portion.tenant_id])
        by_tenant[portion.tenant_id] += got
        for scope in (Scope(), Scope(tenant_id=portion.tenant_id), Scope(kind=portion.kind)):
            taken[scope] += got
    assert all(count <= rooms[scope] for scope, count in taken.items())
    assert taken[Scope()] <= room


@given(QUEUES, USES, LANES, st.integers(1, 40), st.integers(0, 100))
def test_while_a_lane_is_open_and_there_is_room_something_may_be_taken(
    limits: QueueLimits, use: Use, lanes: list[Lane], room: int, first: int
) -> None:
    gate = Gate(limits, use)
    assert bool(gate.portions(lanes, room, first=first)) == any(gate.is_open(lane) for lane in lanes)


@given(QUEUES, USES, LANES)
def test_a_closed_lane_opens_when_it_is_said_to_and_not_before(
    limits: QueueLimits, use: Use, lanes: list[Lane]
) -> None:
    wait = Gate(limits, use).opens_in(lanes)
    closed = [lane for lane in lanes if not Gate(limits, use).is_open(lane)]
    if wait is None:
        later = Gate(limits, _aged(use, 1000))
        assert not any(later.is_open(lane) for lane in closed)
        return
    after = Gate(limits, _aged(use, wait + 1e-6))
    assert any(after.is_open(lane) for lane in closed)
    if wait > 1e-3:
        before = Gate(limits, _aged(use, wait - 1e-4))
        assert not any(before.is_open(lane) for lane in closed)


@given(
    st.builds(Rate, count=st.integers(1, 8), per_seconds=st.just(10.0)),
    st.lists(st.tuples(st.floats(0.01, 4), st.integers(0, 6)), max_size=60),
)
def test_no_window_of_a_period_holds_more_starts_than_its_rate(rate: Rate, story: list[tuple[float, int]]) -> None:
    """Time goes on, the relay sends all it may, and so many of what is sent is claimed, late or soon."""
    now, unclaimed = 0.0, 0
    starts: list[float] = []
    for passed, claimed in story:
        now += passed
        started = [Started(tenant_id="t1", kind="a.one", age_seconds=now - at, count=1) for at in starts]
        use = Use(in_flight=[InFlight(tenant_id="t1", kind="a.one", sent=unclaimed, running=0)], started=started)
        unclaimed += int(Gate(QueueLimits(whole=Limit(rate=rate)), use).room(Scope()))
        now += passed
        starts += [now] * min(claimed, unclaimed)
        unclaimed -= min(claimed, unclaimed)
    assert all(_within(starts, begin, rate.per_seconds) <= rate.count for begin in starts)


def test_tenants_that_share_one_place_have_it_in_turns() -> None:
    lanes = [Lane(tenant_id=tenant, kind="a.one") for tenant in TENANTS]
    limits = QueueLimits(per_kind={"a.one": Limit(max_running=1)})
    served = [
        [portion.tenant_id for portion in Gate(limits, Use()).portions(lanes, 100, first=first)] for first in range(3)
    ]
    assert sorted(tenant for [tenant] in served) == list(TENANTS)


def test_without_limits_the_room_is_all_there_is() -> None:
    lanes = [Lane(tenant_id="t1", kind=kind) for kind in KINDS]
    assert [(one.most, one.share) for one in Gate().portions(lanes, 10, first=0)] == [(10, 10), (10, 10)]
    assert Gate().opens_in(lanes) is None


def _aged(use: Use, seconds: float) -> Use:
    started = [
        Started(tenant_id=start.tenant_id, kind=start.kind, age_seconds=start.age_seconds + seconds, count=start.count)
        for start in use.started
    ]
    return Use(in_flight=use.in_flight, started=started)


def _within(starts: Sequence[float], begin: float, period: float) -> int:
    return sum(begin <= at < begin + period for at in starts)
