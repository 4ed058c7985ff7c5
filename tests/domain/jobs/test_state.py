"""The table of moves, walked whole."""

from itertools import product

from domain.jobs.events import LAST, OF_STATE, EventType
from domain.jobs.state import LIVE, MOVES, TERMINAL, State, may_move

LEGAL = {
    ("scheduled", "queued"),
    ("scheduled", "cancelled"),
    ("scheduled", "expired"),
    ("queued", "running"),
    ("queued", "cancelled"),
    ("queued", "expired"),
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("running", "scheduled"),
    ("running", "queued"),
    ("failed", "queued"),
    ("cancelled", "queued"),
    ("expired", "queued"),
}


def test_exactly_the_moves_of_the_contract_are_legal() -> None:
    assert {(one.value, other.value) for one, other in product(State, State) if may_move(one, other)} == LEGAL


def test_a_state_is_live_or_terminal_and_never_both() -> None:
    assert set(State) == LIVE | TERMINAL
    assert not LIVE & TERMINAL
    assert not MOVES[State.SUCCEEDED]


def test_every_state_has_its_event_and_terminal_ones_end_a_stream() -> None:
    assert set(OF_STATE) == set(State)
    assert {OF_STATE[state] for state in TERMINAL} == LAST
    assert EventType.RETRYING not in LAST
