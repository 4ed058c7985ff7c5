"""Bounded queues: how many jobs may be accepted and not yet claimed, of one tenant and in all.

Each process counts the outbox now and then, and adds what it accepted itself since. Between two counts it does not see
what was claimed, nor what others accepted.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from domain.errors import Limited, Unavailable
from storage.backlog import count_backlog
from storage.database import Database

_LEAST_PAUSE_SECONDS: Final = 1.0
_PAUSE_FOR_COUNT: Final = 19.0
"""Of the time, at most a twentieth is spent counting."""

_ROOM_SHARE: Final = 0.01
_UNKNOWN_SECONDS: Final = 30.0
_LONGEST_SECONDS: Final = 60.0
_LOG: Final = structlog.stdlib.get_logger(__name__)


class BacklogFull(Limited):
    """As many jobs of the tenant wait to be run as may."""

    code = "backlog_full"
    title = "Too many jobs wait"


class QueuesFull(Unavailable):
    """As many jobs wait to be run as may, of all tenants together."""

    code = "queues_full"
    title = "The queues are full"


Full = BacklogFull | QueuesFull


class Backlog:
    """What one process knows of the jobs that wait, and whether more may come."""

    def __init__(self, *, most_of_one: int, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_of_one = most_of_one
        self._most = most
        self._clock = clock
        self._counted: Counter[str] = Counter()
        self._total = 0
        self._since: Counter[str] = Counter()  # written here since the count began
        self._under_way: Counter[str] = Counter()  # being written here
        self._more = 0  # both, of all tenants
        self._began = clock()
        self._next_at = self._began
        self._drained = 0.0  # jobs a second, of late

    def full(self, tenant_id: str, jobs: int = 1) -> Full | None:
        """Why so many more jobs of the tenant may not come; None if they may."""
        if self._total + self._more + jobs > self._most:
            return QueuesFull(
                f"{self._most} jobs wait to be run, which is as many as may.",
                retry_after_seconds=self._room_in(self._most),
            )
        if self._of(tenant_id) + jobs > self._most_of_one:
            return BacklogFull(
                f"{self._most_of_one} jobs of the tenant wait to be run, which is as many as may.",
                retry_after_seconds=self._room_in(self._most_of_one),
            )
        return None

    @contextmanager
    def taking(self, tenant_id: str) -> Iterator[Callable[[int], None]]:
        """Around a transaction that may write jobs of the tenant, which says how many before it does.

        Saying so raises:
            BacklogFull, QueuesFull: they may not come.
        """
        taken = 0

        def take(jobs: int) -> None:
            nonlocal taken
            full = self.full(tenant_id, jobs)
            if full is not None:
                raise full
            self.enter(tenant_id, jobs)
            taken += jobs

        is_written = False
        try:
            yield take
            is_written = True
        finally:
            self.leave(tenant_id, taken, is_written=is_written)

    def enter(self, tenant_id: str, jobs: int = 1) -> None:
        """Count jobs about to be written, so that those under way do not overrun the bound together."""
        self._under_way[tenant_id] += jobs
        self._more += jobs

    def leave(self, tenant_id: str, jobs: int = 1, *, is_written: bool) -> None:
        """They were committed, or were not."""
        self._under_way[tenant_id] -= jobs
        if not self._under_way[tenant_id]:
            del self._under_way[tenant_id]
        if is_written:
            self._since[tenant_id] += jobs
        else:
            self._more -= jobs

    async def watch(self, database: Database) -> None:
        """Count now and then. Ends by cancellation."""
        while True:
            began = self._clock()
            try:
                await self.count(database)
            except Unavailable:
                _LOG.warning("backlog.uncounted")
            except Exception as error:  # noqa: BLE001 - whatever it is, it must be counted again
                # uncounted for ever, it would only grow
                _LOG.exception("backlog.uncounted", error=type(error).__name__)
            pause = max(_LEAST_PAUSE_SECONDS, _PAUSE_FOR_COUNT * (self._clock() - began))
            self._next_at = self._clock() + pause
            await asyncio.sleep(pause)

    async def count(self, database: Database) -> None:
        """Count what waits.

        Raises:
            DatabaseDown: it could not be counted; what was known before stands.
        """
        began, before = self._clock(), self._since.copy()
        async with database.read() as tx:
            counted = Counter(await count_backlog(tx))
        total, known = counted.total(), self._total + before.total()
        self._drained = (known - total) / max(began - self._began, 1e-3)
        self._began = began
        self._counted, self._total = counted, total
        # committed before the count began, it is in it; what was committed since may be in both, better than in neither
        self._since -= before
        self._more = self._since.total() + self._under_way.total()

    def _of(self, tenant_id: str) -> int:
        return self._counted[tenant_id] + self._since[tenant_id] + self._under_way[tenant_id]

    def _room_in(self, most: int) -> float:
        """In how many seconds a hundredth of the bound has been claimed, as things went of late."""
        until_counted = self._next_at - self._clock()
        drained_in = max(1.0, most * _ROOM_SHARE) / self._drained if self._drained > 0 else _UNKNOWN_SECONDS
        return min(_LONGEST_SECONDS, max(1.0, math.ceil(until_counted), drained_in))
