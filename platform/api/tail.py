"""Reads what happens to the jobs of tenants: once for all their streams, in order, with nothing passed over.

What has just happened is kept in memory, a little of each tenant. A stream that is further behind, for its client is
slow or was away, reads the store for itself at its client's pace; it holds up nobody, and needs no memory of its own.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog

from api.sse import facts, frame
from domain.errors import Unavailable
from domain.jobs.events import STATE_AFTER, EventFilter, NumberedEvent
from runtime.news import News
from runtime.wakeups import Wakeups
from storage.database import Database, Tx
from storage.events import event_writers, last_number, newest_numbers, tenant_events

KEPT_BYTES: Final = 256 * 1024
"""Of each tenant with open streams."""

_AT_ONCE: Final = 500
_POLL_SECONDS: Final = 1.0
_LEAST_PAUSE_SECONDS: Final = 0.05
_SETTLE_SECONDS: Final = 1.0
_SETTLE_PAUSE_SECONDS: Final = 0.005
_SLOWEST_PAUSE_SECONDS: Final = 0.05
_BACK: Final = 300
_BACK_AT_ONCE: Final = 100

_LOG: Final = structlog.stdlib.get_logger(__name__)


class Told:
    """An event as it is written to every stream that wants it."""

    __slots__ = ("frame", "numbered")

    def __init__(self, numbered: NumberedEvent) -> None:
        event = numbered.event
        more = ("kind", numbered.kind), ("state", STATE_AFTER[event.type].value)
        self.numbered = numbered
        self.frame = frame(event.type, facts(event, *more), numbered.number)


class _Channel:
    """The newest events of one tenant, and who waits for more."""

    def __init__(self) -> None:
        self.position: int | None = None
        """The number of the newest event that was read; None: none was looked for yet."""
        self.kept_after = 0
        """All events past this number are kept here."""
        self.waiting: set[News] = set()
        self._kept: deque[Told] = deque()
        self._bytes = 0

    def start_after(self, number: int) -> None:
        self.position = self.kept_after = number

    def add(self, events: Sequence[NumberedEvent]) -> None:
        for told in map(Told, events):
            self._kept.append(told)
            self._bytes += len(told.frame)
            self.position = told.numbered.number
        while self._bytes > KEPT_BYTES:
            gone = self._kept.popleft()
            self._bytes -= len(gone.frame)
            self.kept_after = gone.numbered.number

    def after(self, number: int) -> list[Told]:
        newer = itertools.takewhile(lambda told: told.numbered.number > number, reversed(self._kept))
        return list(newer)[::-1]

    def tell(self) -> None:
        for news in self.waiting:
            news.tell()


class Following:
    """One stream's place in its tenant's events."""

    def __init__(
        self, tail: "Tail", tenant_id: str, channel: _Channel, news: News, ready: asyncio.Future[None]
    ) -> None:
        self._tail = tail
        self._tenant_id = tenant_id
        self._channel = channel
        self._ready = ready
        self.news = news

    @property
    def newest(self) -> int | None:
        """The number of the tenant's newest event, when all that was there at the beginning was read; None before."""
        return self._channel.position if self._ready.done() else None

    def place(self, seen: int | None) -> int:
        """Where the stream begins, once `newest` is known, for a client that has seen the events up to `seen`.

        None: with what is to come. So, too, for a number that was never given: it must hide nothing.
        """
        return self.newest or 0 if seen is None or seen > self._tail.settled else seen

    async def after(self, number: int, wanted: Sequence[EventFilter]) -> tuple[list[bytes], int]:
        """The next events past `number` that are wanted, and up to which number there are no others; may be none.

        Raises:
            Unavailable: they could not be read; the same call may be made again.
        """
        position = self.newest
        if position is None or number >= position:
            return [], number
        if number >= self._channel.kept_after:
            found = self._channel.after(number)
        else:
            found = await self._tail.read_back(self._tenant_id, number, position)
        reached = found[-1].numbered.number if found else position
        return [told.frame for told in found if all(one.wants(told.numbered) for one in wanted)], reached


class Tail:
    """One for each process, over connections that requests do not share. It rests while there are no streams."""

    def __init__(self, database: Database, wakeups: Wakeups, draining: asyncio.Event) -> None:
        self._database = database
        self._wakeups = wakeups
        self._draining = draining
        self._news = News()
        self._channels: dict[str, _Channel] = {}
        self._joining: list[asyncio.Future[None]] = []
        self._reading_back = asyncio.Semaphore(1)
        self._is_down = False
        self.settled = 0
        """Up to this number every event there will ever be was there at the last look."""

    @asynccontextmanager
    async def following(self, tenant_id: str) -> AsyncIterator[Following]:
        """The tenant's events, inside the block."""
        channel = self._channels.setdefault(tenant_id, _Channel())
        news, ready = News(), asyncio.get_running_loop().create_future()
        ready.add_done_callback(lambda _: news.tell())
        channel.waiting.add(news)
        # what a client has seen may have come from another process that had read more: this one must look anew
        self._joining.append(ready)
        self._news.tell()
        try:
            yield Following(self, tenant_id, channel, news, ready)
        finally:
            channel.waiting.discard(news)
            if not channel.waiting and self._channels.get(tenant_id) is channel:
                del self._channels[tenant_id]
            ready.cancel()

    async def read_back(self, tenant_id: str, number: int, settled: int) -> list[Told]:
        """A page of the tenant's events past `number`, from the store.

        Of all streams that ask, one is served at a time, with a rest as long as that took: it is never most of what
        the process does.

        Raises:
            Unavailable: it does not answer.
        """
        async with self._reading_back:
            began = time.monotonic()
            async with self._database.read() as tx:
                found = await tenant_events(tx, {tenant_id: number}, settled=settled, limit=_BACK_AT_ONCE)
            told = [Told(one) for one in found[tenant_id]]
            await asyncio.sleep(time.monotonic() - began)
        return told

    async def watch(self) -> None:
        """Read while there are streams; tell them when the process is about to stop. Ends by cancellation."""
        stop = asyncio.create_task(self._tell_of_the_end())
        try:
            while True:
                await self._news.wait(_POLL_SECONDS)
                if self._channels:
                    with self._wakeups.hearing_all(self._news):
                        await self._read_on()
        finally:
            stop.cancel()

    async def _read_on(self) -> None:
        while self._channels:
            began = time.monotonic()
            try:
                await self._look()
            except Unavailable as error:
                if not self._is_down:
                    _LOG.warning("events.unavailable", code=error.code)
                self._is_down = True
            except Exception:  # noqa: BLE001 - as below
                _LOG.exception("events.unavailable")  # whatever it was, the next look may do
            else:
                self._is_down = False
            await asyncio.sleep(max(0.0, began + _LEAST_PAUSE_SECONDS - time.monotonic()))
            await self._news.wait(_POLL_SECONDS)

    async def _look(self) -> None:
        joining, self._joining = self._joining, []
        try:
            async with self._database.read() as tx:
                settled = await _settled(tx)
                if settled is None:
                    self._joining += joining
                    self._news.tell()
                    return
                self.settled = settled
                await self._begin(tx, settled)
                await self._read(tx, settled)
        except BaseException:
            self._joining += joining
            raise
        for ready in joining:
            if not ready.done():
                ready.set_result(None)

    async def _begin(self, tx: Tx, settled: int) -> None:
        fresh = {tenant_id: channel for tenant_id, channel in self._channels.items() if channel.position is None}
        if fresh:
            # a little back: where the process is new, its clients come back all at once, and have missed a little each
            for tenant_id, number in (await newest_numbers(tx, list(fresh), settled=settled, back=_BACK)).items():
                fresh[tenant_id].start_after(number)

    async def _read(self, tx: Tx, settled: int) -> None:
        places = {one: channel.position for one, channel in self._channels.items() if channel.position is not None}
        while places:
            found = await tenant_events(tx, places, settled=settled, limit=_AT_ONCE)
            for tenant_id, events in found.items():
                channel = self._channels.get(tenant_id)
                # a channel that was closed and opened meanwhile begins anew, with the next look
                if events and channel is not None and channel.position == places[tenant_id]:
                    channel.add(events)
                    channel.tell()
            places = {one: events[-1].number for one, events in found.items() if len(events) == _AT_ONCE}

    async def _tell_of_the_end(self) -> None:
        await self._draining.wait()
        for channel in self._channels.values():
            channel.tell()


async def _settled(tx: Tx) -> int | None:
    """Up to which number no event is still to come; None while one that was begun before takes too long to end.

    Both questions are asked on one connection, which a crash of Postgres breaks: numbers given before one, and lost
    with it, are given again.
    """
    last = await last_number(tx)
    writers = await event_writers(tx)
    patience_ends = time.monotonic() + _SETTLE_SECONDS
    pause = _SETTLE_PAUSE_SECONDS
    while writers:
        if time.monotonic() > patience_ends:
            return None
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _SLOWEST_PAUSE_SECONDS)
        writers &= await event_writers(tx)
    return last
