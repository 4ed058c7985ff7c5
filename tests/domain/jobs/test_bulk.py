"""How fast a bulk action goes, computed without a clock."""

import random

import pytest

from domain.jobs.bulk import MOVES_FROM, BulkVerb, pause_after, turn_size
from domain.jobs.state import MOVES, State


@pytest.mark.parametrize(("rate", "size"), [(1, 1), (3, 1), (4, 1), (50, 12), (1000, 250)])
def test_a_turn_is_a_quarter_of_a_second_of_jobs(rate: int, size: int) -> None:
    assert turn_size(rate) == size


def test_jobs_that_did_not_move_cost_no_time() -> None:
    assert pause_after(0, 50, late_seconds=0) == 0


def test_being_long_late_is_not_made_up_for_all_at_once() -> None:
    assert pause_after(12, 12, late_seconds=3600) == 0.75


@pytest.mark.parametrize("rate", [1, 7, 50, 1000])
def test_however_late_the_turns_come_the_rate_is_kept_over_any_stretch_of_time(rate: int) -> None:
    chance = random.Random(rate)  # noqa: S311 - a seed, so that it repeats
    now, may_begin = 0.0, 0.0
    turns: list[tuple[float, int]] = []
    for _ in range(300):
        now = max(now, may_begin) + chance.choice([0, 0, 0.01, 0.1, 0.5, 2])
        moved = chance.randint(0, turn_size(rate))
        turns.append((now, moved))
        may_begin = now + pause_after(moved, rate, late_seconds=now - may_begin)
    for first in range(len(turns)):
        total = 0
        for at, moved in turns[first:]:
            total += moved
            assert total <= rate * (at - turns[first][0]) + 2 * max(turn_size(rate), rate * 0.25) + 1e-6


def test_turns_that_come_a_little_late_reach_the_rate() -> None:
    rate, now, may_begin, moved = 50, 0.0, 0.0, 0
    while now < 60:
        now = max(now, may_begin) + 0.1
        moved += turn_size(rate)
        may_begin = now + pause_after(turn_size(rate), rate, late_seconds=now - may_begin)
    assert moved >= rate * 60 * 0.99


@pytest.mark.parametrize(("action", "to"), [(BulkVerb.RETRY, State.QUEUED), (BulkVerb.CANCEL, State.CANCELLED)])
def test_an_action_moves_jobs_only_where_they_may_go(action: BulkVerb, to: State) -> None:
    assert all(to in MOVES[state] for state in MOVES_FROM[action])
