"""Looks after the jobs that streams follow: wake-ups may be lost, so once a second one query asks for all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from domain.errors import Unavailable
from runtime.news import News
from runtime.wakeups import Wakeups
from storage.database import Database
from storage.events import event_counts

_LOOK_SECONDS: Final = 1.0
_MOST_IDS: Final = 1_000

_LOG: Final = structlog.stdlib.get_logger(__name__)


class Followed:
    """A job that a stream follows, and the number of its last event the stream has told."""

    def __init__(self, job_id: str, seq: int, news: News) -> None:
        self.job_id = job_id
        self.seq = seq
        self.news = news


class Lookout:
    """One for each process. What it costs does not grow with what happens, and little with how many are followed."""

    def __init__(self, database: Database, wakeups: Wakeups, draining: asyncio.Event) -> None:
        self._database = database
        self._wakeups = wakeups
        self._draining = draining
        self._followed: set[Followed] = set()

    @asynccontextmanager
    async def following(self, job_id: str, seq: int) -> AsyncIterator[Followed]:
        """News of the job inside the block: by wake-up, or a second later; and when the process is about to stop."""
        async with self._wakeups.listening(job_id) as news:
            followed = Followed(job_id, seq, news)
            self._followed.add(followed)
            try:
                yield followed
            finally:
                self._followed.discard(followed)

    async def watch(self) -> None:
        """Look once a second; tell everybody when the process is about to stop. Ends by cancellation."""
        while not self._draining.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._draining.wait(), _LOOK_SECONDS)
            try:
                await self._look()
            except Unavailable as error:
                _LOG.warning("events.unavailable", code=error.code)
            except Exception:  # noqa: BLE001 - as below
                _LOG.exception("events.unavailable")  # whatever it was, the next look may do
        for followed in self._followed:
            followed.news.tell()
        await asyncio.Event().wait()

    async def _look(self) -> None:
        ids = sorted({followed.job_id for followed in self._followed})
        for start in range(0, len(ids), _MOST_IDS):
            async with self._database.read() as tx:
                counts = await event_counts(tx, ids[start : start + _MOST_IDS])
            for followed in self._followed:
                if counts.get(followed.job_id, 0) > followed.seq:
                    followed.news.tell()
