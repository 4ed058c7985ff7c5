"""When a failed attempt is tried again: exponential backoff with jitter."""

from datetime import timedelta
from typing import Final

from msgspec import Struct

_LARGEST_DOUBLING: Final = 30  # 2**30 s is 34 years: past any ceiling, and far from overflow


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """The delay before attempt n + 1 is `base` doubled n - 1 times, at most `ceiling`, times a spread.

    Where there are `delays`, it is the n-th of them, or the last. `jitter` is the most by which it is spread, as a
    share of it, up or down.
    """

    base: timedelta = timedelta(seconds=2)
    ceiling: timedelta = timedelta(minutes=15)
    delays: tuple[timedelta, ...] = ()
    jitter: float = 0.5


def backoff(policy: RetryPolicy, attempt: int, spread: float) -> timedelta:
    """The wait after failed attempt number `attempt` (from 1).

    `spread` in [0, 1) is the caller's randomness and maps to the policy's jitter, 0.5..1.5 of the delay by default: a
    thousand jobs failed by one outage must not all come back in the same second.
    """
    if policy.delays:
        delay = policy.delays[min(attempt, len(policy.delays)) - 1]
    else:
        delay = min(policy.base * (1 << min(attempt - 1, _LARGEST_DOUBLING)), policy.ceiling)
    return delay * (1 - policy.jitter + 2 * policy.jitter * spread)
