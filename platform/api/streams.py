"""The event streams that are open: how many may be, and whether who reads one still may."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from domain.accounts.user import Caller
from domain.errors import Forbidden, Limited, Unauthenticated, Unavailable
from runtime.settings import Settings

_ASKED_AGAIN_SECONDS: Final = 20.0
_RETRY_SECONDS: Final = 5.0

AskAgain = Callable[[], Awaitable[Caller]]
"""Finds anew who calls; raises `Unauthenticated` where nobody does any more."""


class TooManyStreams(Limited):
    """One key, one tenant, or all together, hold as many event streams open as may be."""

    code = "too_many_streams"
    title = "Too many event streams are open"


class Streams:
    """Counts streams by key and tenant: each costs a little for as long as it is open."""

    def __init__(self, settings: Settings) -> None:
        self._bounds = {
            "key": settings.most_streams_per_key,
            "tenant": settings.most_streams_per_tenant,
            "process": settings.most_streams,
        }
        self._open: Counter[tuple[str, str]] = Counter()

    @property
    def count(self) -> int:
        """How many are open."""
        return self._open["process", ""]

    def check(self, caller: Caller) -> None:
        """Go on only if one more may be opened.

        Raises:
            TooManyStreams: it may not.
        """
        for place in _places(caller):
            most = self._bounds[place[0]]
            if self._open[place] >= most:
                raise TooManyStreams(
                    f"At most {most} streams of one {place[0]} may be open. Close some: one stream of GET /v1/events "
                    "tells of every job of the tenant.",
                    retry_after_seconds=_RETRY_SECONDS,
                )

    @contextmanager
    def one(self, caller: Caller) -> Iterator[None]:
        """Count a stream for as long as the block lasts."""
        places = _places(caller)
        self._open.update(places)
        try:
            yield
        finally:
            for place in places:
                self._open[place] -= 1
                if not self._open[place]:
                    del self._open[place]


class Leave:
    """Whether who opened a stream may go on reading it: asked anew every 20 s, for keys are revoked."""

    def __init__(self, caller: Caller, ask_again: AskAgain, permission: str) -> None:
        self._caller = caller
        self._ask_again = ask_again
        self._permission = permission
        self._next_at = time.monotonic() + _ASKED_AGAIN_SECONDS

    async def is_withdrawn(self) -> bool:
        """True once the caller is nobody any more, or may not read. While Postgres is away nothing is withdrawn."""
        if time.monotonic() < self._next_at:
            return False
        self._next_at = time.monotonic() + _ASKED_AGAIN_SECONDS
        try:
            caller = await self._ask_again()
        except Unavailable:
            return False
        except (Unauthenticated, Forbidden):
            return True
        return caller.tenant_id != self._caller.tenant_id or not caller.may(self._permission)


def _places(caller: Caller) -> tuple[tuple[str, str], ...]:
    return ("key", caller.key_id or caller.user_id), ("tenant", caller.tenant_id), ("process", "")
