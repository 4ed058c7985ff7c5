"""How many jobs a worker process runs at once."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from workers.pace import Pace

_SHARE: Final = 2  # of all slots: a handful
_HANDFUL_SECONDS: Final = 0.02


class Slots:
    """Room for `total` jobs, the last `kept` of them for jobs of the front line.

    Taken in handfuls, so that a full worker claims a few at a time instead of one by one.
    """

    def __init__(self, total: int, *, kept: int = 0) -> None:
        self.total = total
        self._kept = kept
        self._pace = Pace(total - kept, time.monotonic)
        self._free = total
        self._waiting = 0
        self._waiting_in_front = 0
        self.asked = 0
        """How often room was asked for: what asks was brought by a message."""
        self.on_room: Callable[[], None] | None = None
        """Called, on the loop, when there is room again."""
        self._turn = asyncio.Lock()
        self._turn_in_front = asyncio.Lock()
        self._given = asyncio.Event()

    @property
    def used(self) -> int:
        """How many are taken now."""
        return self.total - self._free

    @property
    def has_room(self) -> bool:
        """Whether a job that came now could begin: a slot is free, and nobody waits for one. Safe in any thread."""
        return self._waiting == 0 and self._free_behind > 0

    @property
    def has_room_in_front(self) -> bool:
        """Whether a job of the front line that came now could begin. Safe in any thread."""
        return self._free > 0 and self._waiting_in_front == 0

    async def take(self, wanted: int, *, in_front: bool = False) -> int:
        """Wait for room, first come first served, and take up to `wanted` slots; answers how many, at least one.

        Where a handful is wanted, and slots become free fast, it waits 20 ms for that: one claim costs as much as ten.
        Who is `in_front` waits for nobody behind, and may take what is kept.
        """
        self.asked += 1
        if in_front:
            return await self._take_in_front(wanted)
        self._waiting += 1
        try:
            async with self._turn:
                await self._look_at_the_pace()
                taken = 0
                while taken <= 0:  # while a handful was waited for, the front may have taken the first
                    await self._until(lambda: self._free_behind >= 1)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_HANDFUL_SECONDS):
                            await self._until(lambda: self._free_behind >= min(wanted, self._handful))
                    taken = min(wanted, self._free_behind)
                self._free -= taken
                return taken
        finally:
            self._waiting -= 1

    def give(self, number: int) -> None:
        """Give slots back."""
        self._free += number
        self._given.set()
        if self.on_room is not None and (self.has_room or self.has_room_in_front):
            self.on_room()

    async def _take_in_front(self, wanted: int) -> int:
        self._pace.give_way()
        self._waiting_in_front += 1
        try:
            async with self._turn_in_front:
                await self._until(lambda: self._free >= 1)
                taken = min(wanted, self._free)
                self._free -= taken
                return taken
        finally:
            self._waiting_in_front -= 1

    @property
    def _free_behind(self) -> int:
        """How many slots a job of the back line may take now."""
        return min(self._free - self._kept, self._pace.size - self.used)

    @property
    def _handful(self) -> int:
        return max(1, self._pace.size // _SHARE)

    async def _look_at_the_pace(self) -> None:
        began = time.monotonic()
        await asyncio.sleep(0)
        self._pace.note_round(time.monotonic() - began)
        await asyncio.sleep(self._pace.rest_seconds)

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._given.clear()
            await self._given.wait()
