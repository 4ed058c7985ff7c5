"""How many requests a caller may make: a leaky bucket (GCRA) for each, in Redis for all processes, or else in this one.

A process draws requests from Redis ahead, a hundred milliseconds' worth at a time, so that where a limit is high most
requests ask nobody. What is drawn and not used within a second is lost to the caller: at most a six-hundredth of the
limit for each process. More than the limit is never let through, but while Redis does not answer: then each process
counts for itself.
"""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from domain.errors import Limited
from runtime.quotas import Quotas, Wanted

WINDOW_SECONDS: Final = 60.0
_MOST_CALLERS: Final = 100_000
_DRAWS_PER_WINDOW: Final = 600
_DRAWN_GOOD_SECONDS: Final = 1.0
_AHEAD_FROM: Final = 10  # drawn at a time: fewer are not worth asking for before they are needed


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
    """Counts by name, in this process. A whole minute's requests may come at once; they grow back one by one."""

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
        return standing(self._policy, per_minute, empty_at - now), max(0.0, wait)

    def look(self, name: str, per_minute: int) -> Standing:
        """The standing, with nothing counted."""
        now = self._clock()
        return standing(self._policy, per_minute, max(self._empty_at.get(name, now) - now, 0.0))

    def _keep(self, name: str, empty_at: float, now: float) -> None:
        if name not in self._empty_at and len(self._empty_at) >= _MOST_CALLERS:
            self._empty_at = {other: at for other, at in self._empty_at.items() if at > now}
        self._empty_at[name] = empty_at


class _Share:
    """What this process has drawn of a caller's requests, and knows of its bucket."""

    __slots__ = ("barred_until", "drawing", "drawn", "filled_until", "good_until", "waiting")

    def __init__(self) -> None:
        self.drawn = 0
        self.good_until = 0.0
        self.filled_until = 0.0
        self.barred_until = 0.0
        self.waiting = 0
        self.drawing: asyncio.Task[bool] | None = None


class SharedLimiter:
    """Counts as `Limiter` does, for all processes together; for this one while `quotas` are away, or without any."""

    def __init__(self, policy: str, quotas: Quotas | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._quotas = quotas
        self._clock = clock
        self._alone = Limiter(policy, clock)
        self._shares: dict[str, _Share] = {}

    async def take(self, name: str, per_minute: int) -> tuple[Standing, float]:
        """Count one request; answers with the standing, and the seconds until the next may come: 0 if this one may."""
        if self._quotas is None or self._quotas.is_away:
            return self._alone.take(name, per_minute)
        share = self._share(name)
        share.waiting += 1
        try:
            while True:
                now = self._clock()
                if share.drawn and now < share.good_until:
                    share.drawn -= 1
                    self._alone.take(name, per_minute)  # what it counts is right when it is all there is
                    self._draw_ahead(share, name, per_minute)
                    return self._standing(share, per_minute, now), 0.0
                if now < share.barred_until:
                    return self._standing(share, per_minute, now), share.barred_until - now
                drawing = share.drawing or self._draw(share, name, per_minute)
                if not await asyncio.shield(drawing):
                    return self._alone.take(name, per_minute)
        finally:
            share.waiting -= 1

    def look(self, name: str, per_minute: int) -> Standing:
        """The standing, with nothing counted, as far as this process knows it."""
        share = self._shares.get(name)
        if share is None or self._quotas is None or self._quotas.is_away:
            return self._alone.look(name, per_minute)
        return self._standing(share, per_minute, self._clock())

    def _share(self, name: str) -> _Share:
        share = self._shares.get(name)
        if share is None:
            if len(self._shares) >= _MOST_CALLERS:
                now = self._clock()
                self._shares = {
                    other: kept for other, kept in self._shares.items() if kept.waiting or kept.filled_until > now
                }
            share = self._shares[name] = _Share()
        return share

    def _standing(self, share: _Share, per_minute: int, now: float) -> Standing:
        drawn = share.drawn if now < share.good_until else 0
        filled = max(0.0, share.filled_until - now - drawn * WINDOW_SECONDS / per_minute)
        return standing(self._policy, per_minute, filled)

    def _draw_ahead(self, share: _Share, name: str, per_minute: int) -> None:
        at_once = per_minute // _DRAWS_PER_WINDOW
        if at_once >= _AHEAD_FROM and share.drawn <= at_once // 2 and share.drawing is None:
            self._draw(share, name, per_minute)  # type: ignore[unused-awaitable] # nobody waits for it

    def _draw(self, share: _Share, name: str, per_minute: int) -> asyncio.Task[bool]:
        most = max(per_minute // _DRAWS_PER_WINDOW, share.waiting, 1)
        wanted = Wanted(f"{self._policy}:{name}", per_minute, WINDOW_SECONDS, most)
        share.drawing = asyncio.get_running_loop().create_task(self._drawn(share, wanted), name="limits-draw")
        return share.drawing

    async def _drawn(self, share: _Share, wanted: Wanted) -> bool:
        """Whether it is known by now how many requests there are."""
        assert self._quotas is not None  # noqa: S101 - who draws has some
        try:
            drawn = await self._quotas.draw(wanted)
        finally:
            share.drawing = None
        if drawn is None:
            return False
        now = self._clock()
        share.drawn = (share.drawn if now < share.good_until else 0) + drawn.count
        share.filled_until = now + drawn.filled_seconds
        if drawn.count:
            share.good_until = now + _DRAWN_GOOD_SECONDS
        else:
            share.barred_until = now + drawn.wait_seconds
        return True


def standing(policy: str, per_minute: int, filled_seconds: float) -> Standing:
    """The standing of a bucket that will have leaked empty in so many seconds."""
    # the small addend keeps what floating point shaves off a whole request from counting as one
    remaining = int((WINDOW_SECONDS - filled_seconds) * per_minute / WINDOW_SECONDS + 1e-6)
    return Standing(policy, per_minute, max(0, remaining), math.ceil(filled_seconds))


def stop(wait_seconds: float, *, of: str = "requests") -> None:
    """Go on only if there is nothing to wait for; what is used up is `of` this.

    Raises:
        RateLimited: there is.
    """
    if wait_seconds > 0:
        raise RateLimited(f"This minute's {of} are used up.", retry_after_seconds=wait_seconds)
