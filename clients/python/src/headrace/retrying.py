"""When to try again, decided without sleeping: what failed, how often, and how long to pause before the next try."""

import random
import time
from typing import Final

from headrace.errors import ApiError, HeadraceError, RateLimited, Unreachable, WaitTimedOut
from headrace.requests import Request

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 8.0
LONGEST_RETRY_AFTER_SECONDS: Final = 60.0
"""Who is told to come again later than this is told so at once, and not kept waiting."""

RIDE_OUT_SECONDS: Final = 60.0
"""Waiting and following go on through failures for this long: an API that is started again is back sooner."""


def pause_before_retry(request: Request, failure: HeadraceError, tried: int) -> float | None:
    """The seconds to pause before `request` is sent once more, after `tried` tries; None where that is of no use.

    What the API asks for is obeyed. Without, the pause is drawn evenly from 0 to a bound that doubles with each try
    (full jitter: many clients that failed together do not come back together).
    """
    if not _may_repeat(request, failure):
        return None
    after = failure.retry_after if isinstance(failure, ApiError) else None
    if after is not None:
        # A little past it, each client by its own bit, for all were told the same second.
        return after + random.uniform(0, 0.1) if after <= LONGEST_RETRY_AFTER_SECONDS else None  # noqa: S311 - no secret
    return backoff(tried)


def backoff(tried: int) -> float:
    """A pause by full jitter."""
    return random.uniform(0, min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(tried, 10)))  # noqa: S311 - no secret


def _may_repeat(request: Request, failure: HeadraceError) -> bool:
    if not failure.retryable:
        return False
    if request.is_repeatable:
        return True
    # What must not be done twice is sent again only when it cannot have been done once.
    return isinstance(failure, RateLimited) or (isinstance(failure, Unreachable) and failure.is_unsent)


class Waiting:
    """A wait for something that takes its time, with an end to it if `timeout` seconds are given.

    Failures are ridden out: what is waited for goes on without us.
    """

    def __init__(self, timeout: float | None, what: str) -> None:
        self._what = what
        self._timeout = timeout
        self._ends = None if timeout is None else time.monotonic() + timeout
        self._failures = 0
        self._failing_since: float | None = None

    def left(self, at_most: float) -> float:
        """The seconds that may still be waited, `at_most` at a time; 0 when the time is up."""
        return at_most if self._ends is None else max(0.0, min(at_most, self._ends - time.monotonic()))

    def check(self) -> None:
        """Go on only if there is time left.

        Raises:
            WaitTimedOut: there is none.
        """
        if self._ends is not None and time.monotonic() >= self._ends:
            raise WaitTimedOut(f"{self._what} is not finished after {self._timeout:g} s; it goes on.")

    def heard(self) -> None:
        """All is well again."""
        self._failures, self._failing_since = 0, None

    def pause_after(self, failure: HeadraceError) -> float:
        """The seconds to pause after a failure before looking again.

        Raises:
            HeadraceError: the failure, when it is of a sort that stays, or has lasted too long.
        """
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        if not failure.retryable or now - self._failing_since > RIDE_OUT_SECONDS:
            raise failure
        self._failures += 1
        after = failure.retry_after if isinstance(failure, ApiError) else None
        return self.left(backoff(self._failures) if after is None else after)
