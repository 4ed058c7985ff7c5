"""When a failed attempt is tried again: exponential backoff with jitter."""

from datetime import timedelta
from typing import Final

from msgspec import Struct

_LARGEST_DOUBLING: Final = 30  # 2**30 s is 34 years: past any ceiling, and far from overflow


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """The delay before attempt n + 1 is `base` doubled n - 1 times, at most `ceiling`, times a spread."""

    base: timedelta = timedelta(seconds=2)
    ceiling: timedelta = timedelta(minutes=15)


def backoff(policy: RetryPolicy, attempt: int, spread: float) -> timedelta:
    """The wait after failed attempt number `attempt` (from 1).

    `spread` in [0, 1) is the caller's randomness and maps to 0.5..1.5 of the doubled delay: a thousand jobs failed by
    one outage must not all come back in the same second.
    """
    doubled = policy.base * (1 << min(attempt - 1, _LARGEST_DOUBLING))
    return min(doubled, policy.ceiling) * (0.5 + spread)
