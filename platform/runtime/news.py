"""Whether something was heard since it was waited for last, and where."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

ANYWHERE: Final = "*"
"""Told in place of queues where there may be news of any."""


class News:
    """Whether something was heard since the last wait."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()

    def tell(self) -> None:
        """Let the present wait, or else the next one, return at once."""
        self._heard.set()

    async def wait(self, timeout_seconds: float) -> bool:
        """True as soon as there is news, also when it came before the call; False when the time has passed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._heard.wait()
        heard = self._heard.is_set()
        self._heard.clear()
        return heard


class QueueNews(News):
    """Where something was heard of since the last wait."""

    def __init__(self) -> None:
        super().__init__()
        self._queues: set[str] = set()
        self._is_anywhere = False

    def tell_of(self, queues: Iterable[str]) -> None:
        """Let the wait return, and know where there is news; none: anywhere."""
        told = set(queues)
        self._queues |= told
        self._is_anywhere = self._is_anywhere or not told or ANYWHERE in told
        self.tell()

    def queues(self) -> frozenset[str] | None:
        """Where there is news, asked for once; None where there may be some anywhere, or there was none."""
        told = None if self._is_anywhere or not self._queues else frozenset(self._queues)
        self._queues.clear()
        self._is_anywhere = False
        return told
