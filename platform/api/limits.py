"""How many requests a caller may make: a leaky bucket (GCRA) for each, in this process."""

import math
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from domain.errors import Limited

WINDOW_SECONDS: Final = 60.0
_MOST_CALLERS: Final = 100_000


class RateLimited(Limited):
    """The caller's requests for this minute are used up."""

    code = "rate_limited"
    title = "Too many requests"


class Standing(Struct, frozen=True):
    """What a caller has left: `remaining` of `quota` requests; all of them again after `reset_seconds`."""

    policy: str
    quota: int
    remaining: int
    reset_seconds: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """As the IETF draft spells it (draft-ietf-httpapi-ratelimit-headers)."""
        policy = f'"{self.policy}";q={self.quota};w={WINDOW_SECONDS:.0f}'
        return [
            (b"ratelimit-policy", policy.encode()),
            (b"ratelimit", f'"{self.policy}";r={self.remaining};t={self.reset_seconds}'.encode()),
        ]


class Limiter:
    """Counts by name. A whole minute's requests may come at once; they grow back one by one."""

    def __init__(self, policy: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._empty_at: dict[str, float] = {}  # when each caller's bucket will have leaked empty

    def take(self, name: str, per_minute: int) -> tuple[Standing, float]:
        """Count one request; answers with the standing, and the seconds until the next may come: 0 if this one may."""
        now = self._clock()
        interval = WINDOW_SECONDS / per_minute
        empty_at = max(self._empty_at.get(name, now), now)
        wait = empty_at + interval - now - WINDOW_SECONDS
        if wait <= 0:
            empty_at += interval
            self._keep(name, empty_at, now)
        return self._standing(empty_at - now, per_minute, interval), max(0.0, wait)

    def look(self, name: str, per_minute: int) -> Standing:
        """The standing, with nothing counted."""
        now = self._clock()
        return self._standing(max(self._empty_at.get(name, now) - now, 0.0), per_minute, WINDOW_SECONDS / per_minute)

    def _standing(self, filled: float, per_minute: int, interval: float) -> Standing:
        # the small addend keeps what floating point shaves off a whole request from counting as one
        remaining = int((WINDOW_SECONDS - filled) / interval + 1e-6)
        return Standing(self._policy, per_minute, max(0, remaining), math.ceil(filled))

    def _keep(self, name: str, empty_at: float, now: float) -> None:
        if name not in self._empty_at and len(self._empty_at) >= _MOST_CALLERS:
            self._empty_at = {other: at for other, at in self._empty_at.items() if at > now}
        self._empty_at[name] = empty_at


def stop(wait_seconds: float) -> None:
    """Go on only if there is nothing to wait for.

    Raises:
        RateLimited: there is.
    """
    if wait_seconds > 0:
        raise RateLimited("This minute's requests are used up.", retry_after_seconds=wait_seconds)
