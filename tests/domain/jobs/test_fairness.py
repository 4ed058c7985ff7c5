"""deal(): nobody waits for another's backlog."""

from hypothesis import given
from hypothesis import strategies as st

from domain.jobs.fairness import Turn, deal

TURNS = st.lists(st.integers(1, 20), min_size=1, max_size=30).map(
    lambda weights: [Turn(tenant_id=f"t{number}", weight=weight) for number, weight in enumerate(weights)]
)


@given(TURNS, st.integers(1, 3000), st.integers(0, 10_000))
def test_all_room_is_dealt_and_no_more(turns: list[Turn], room: int, first: int) -> None:
    assert sum(deal(turns, room, first=first).values()) == room


@given(TURNS, st.integers(1, 3000), st.integers(0, 10_000))
def test_no_tenant_is_a_whole_round_ahead_of_its_weight(turns: list[Turn], room: int, first: int) -> None:
    shares = deal(turns, room, first=first)
    total = sum(turn.weight for turn in turns)
    for turn in turns:
        fair = room * turn.weight / total
        assert abs(shares.get(turn.tenant_id, 0) - fair) <= turn.weight


@given(TURNS, st.integers(0, 10_000))
def test_with_less_room_than_tenants_each_has_its_turn_in_time(turns: list[Turn], first: int) -> None:
    served = {tenant for turn in range(len(turns)) for tenant in deal(turns, 1, first=first + turn)}
    assert served == {turn.tenant_id for turn in turns}


def test_no_room_and_nobody_are_nothing() -> None:
    assert deal([], 10, first=0) == {}
    assert deal([Turn(tenant_id="t")], 0, first=0) == {}
