"""How many jobs a worker process runs at once."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

_SHARE: Final = 2  # of all slots: a handful
_HANDFUL_SECONDS: Final = 0.02


class Slots:
    """Room for `total` jobs. Taken in handfuls, so that a full worker claims a few at a time instead of one by one."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._waiting = 0
        self.asked = 0
        """How often room was asked for: what asks was brought by a message."""
        self.on_room: Callable[[], None] | None = None
        """Called, on the loop, when there is room again."""
        self._turn = asyncio.Lock()
        self._given = asyncio.Event()

    @property
    def used(self) -> int:
        """How many are taken now."""
        return self.total - self._free

    @property
    def has_room(self) -> bool:
        """Whether a job that came now could begin: a slot is free, and nobody waits for one. Safe in any thread."""
        return self._free > 0 and self._waiting == 0

    async def take(self, wanted: int) -> int:
        """Wait for room, first come first served, and take up to `wanted` slots; answers how many, at least one.

        Where a handful is wanted, and slots become free fast, it waits 20 ms for that: one claim costs as much as ten.
        """
        self.asked += 1
        self._waiting += 1
        try:
            async with self._turn:
                await self._until(1)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_HANDFUL_SECONDS):
                        await self._until(min(wanted, max(1, self.total // _SHARE)))
                taken = min(wanted, self._free)
                self._free -= taken
                return taken
        finally:
            self._waiting -= 1

    def give(self, number: int) -> None:
        """Give slots back."""
        self._free += number
        self._given.set()
        if self.on_room is not None and self.has_room:
            self.on_room()

    async def _until(self, free: int) -> None:
        while self._free < free:
            self._given.clear()
            await self._given.wait()
