"""How many jobs a worker process runs at once."""

import asyncio
from typing import Final

_SHARE: Final = 2


class Slots:
    """Room for `total` jobs. Taken in handfuls, so that a full worker claims a few at a time instead of one by one."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._turn = asyncio.Lock()
        self._given = asyncio.Event()

    @property
    def used(self) -> int:
        """How many are taken now."""
        return self.total - self._free

    async def take(self, wanted: int) -> int:
        """Wait for room, first come first served, and take up to `wanted` slots; answers how many, at least one."""
        enough = min(wanted, max(1, self.total // _SHARE))
        async with self._turn:
            while self._free < enough:
                self._given.clear()
                await self._given.wait()
            taken = min(wanted, self._free)
            self._free -= taken
            return taken

    def give(self, number: int) -> None:
        """Give slots back."""
        self._free += number
        self._given.set()
