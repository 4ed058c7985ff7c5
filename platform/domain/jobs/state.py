"""The states of a job and the moves between them."""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a job stands. Each comment says who moves a job out of it."""

    SCHEDULED = "scheduled"  # waits for its time, a retry too; the relay queues it when the time has come
    QUEUED = "queued"  # may run; a worker claims it, or a caller cancels it
    RUNNING = "running"  # a worker holds its lease; that worker settles it, or rescue takes it back
    SUCCEEDED = "succeeded"  # nobody: it has its result
    FAILED = "failed"  # an operator, by retry or redrive
    CANCELLED = "cancelled"  # an operator, by retry
    EXPIRED = "expired"  # an operator, by retry: its time to start had passed


TERMINAL: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED})
LIVE: Final = frozenset(State) - TERMINAL

MOVES: Final[dict[State, frozenset[State]]] = {
    State.SCHEDULED: frozenset({State.QUEUED, State.CANCELLED, State.EXPIRED}),
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED, State.EXPIRED}),
    State.RUNNING: frozenset(
        {State.SUCCEEDED, State.FAILED, State.CANCELLED, State.SCHEDULED, State.QUEUED},
    ),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset({State.QUEUED}),
    State.CANCELLED: frozenset({State.QUEUED}),
    State.EXPIRED: frozenset({State.QUEUED}),
}


def may_move(source: State, target: State) -> bool:
    """Whether a job may go from `source` to `target`."""
    return target in MOVES[source]
