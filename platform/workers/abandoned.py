"""Handlers that go on after they were cut off: nothing can end them but the end of their process."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

_SHARE: Final = 10  # of the slots: a tenth
_LEAST: Final = 3


def most_abandoned(slots: int) -> int:
    """How many abandoned handlers a worker with so many slots bears before it has to be started anew."""
    return max(_LEAST, slots // _SHARE)


class Abandoned:
    """What still runs though its attempt is over. It holds memory and connections, but neither slot nor lease."""

    def __init__(self, *, most: int | None = None, on_too_many: Callable[[int], None] | None = None) -> None:
        """Keep count; `on_too_many` is called with the number, once there are `most` at a time."""
        self._most = most
        self._on_too_many = on_too_many
        self._handlers: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        """How many there are now."""
        return len(self._handlers)

    def add(self, handler: "asyncio.Task[Any]") -> None:
        """Count a handler until it ends after all."""
        self._handlers.add(handler)
        handler.add_done_callback(self._forget)
        if self._most is not None and len(self) >= self._most and self._on_too_many is not None:
            self._on_too_many(len(self))

    def _forget(self, handler: "asyncio.Task[Any]") -> None:
        self._handlers.discard(handler)
        if not handler.cancelled():
            handler.exception()  # asked for, so that asyncio does not complain: nobody waits for it any more
