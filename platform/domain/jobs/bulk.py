"""Acting on many jobs at once: what may be done to which, and how fast."""

from enum import StrEnum
from typing import Final

from domain.errors import Limited, NotFound
from domain.jobs.state import LIVE, State

MOST_PER_SECOND: Final = 1000

MOST_UNFINISHED: Final = 100
"""How many of one tenant's actions may be unfinished."""

_TURN_SECONDS: Final = 0.25


class BulkActionsFull(Limited):
    """As many of the tenant's bulk actions are unfinished as may be."""

    code = "bulk_actions_full"
    title = "Too many bulk actions are unfinished"


class BulkVerb(StrEnum):
    """What is done to each of the jobs."""

    RETRY = "retry"
    CANCEL = "cancel"


class BulkState(StrEnum):
    """Where a bulk action stands. Each comment says who moves it on."""

    PENDING = "pending"  # a relay begins with it, or a caller aborts it
    RUNNING = "running"  # the relays take turns at it to its end, or a caller aborts it
    DONE = "done"  # nobody
    ABORTED = "aborted"  # nobody: what it had done stays done


MOVES_FROM: Final[dict[BulkVerb, frozenset[State]]] = {
    BulkVerb.RETRY: frozenset({State.FAILED, State.CANCELLED, State.EXPIRED}),
    BulkVerb.CANCEL: LIVE,
}


class BulkActionNotFound(NotFound):
    """There is no such bulk action, or it is another tenant's."""

    code = "bulk_action_not_found"
    title = "No such bulk action"


def turn_size(rate_per_second: int) -> int:
    """How many jobs one turn may move: a quarter of a second's worth, and at least one."""
    return max(1, int(rate_per_second * _TURN_SECONDS))


def pause_after(moved: int, rate_per_second: int, *, late_seconds: float) -> float:
    """How long the next turn has to wait after one that moved so many, and began `late_seconds` after it might have.

    What was lost by being late is made up for, up to a quarter of a second: in any stretch of time no more jobs are
    moved than the rate allows, and two turns.
    """
    made_up = min(max(0.0, late_seconds), _TURN_SECONDS)
    return max(0.0, moved / rate_per_second - made_up)
