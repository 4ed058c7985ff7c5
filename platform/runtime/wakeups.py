"""Wake-ups through Redis pub/sub: "there is news". Losing one costs a poll's time, nothing else."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from domain.errors import Invalid
from runtime.news import ANYWHERE, News, QueueNews
from runtime.subscription import Subscription

_RELAY: Final = "hr:relay"
_JOBS: Final = "hr:jobs"
_CANCEL: Final = "hr:cancel"
TOKENS: Final = "hr:tokens"
"""Where it is told that there is more of a reply, and mostly what; see `runtime.streams`."""

_SEND_SECONDS: Final = 0.5
_TOLD_SECONDS: Final = 0.05
_CLOSE_SECONDS: Final = 0.5
_MOST_IDS: Final = 500  # in one publication: 20 kB

_LOG: Final = structlog.stdlib.get_logger(__name__)

HearIds = Callable[[tuple[str, ...]], None]
"""Told the ids that were heard; none of them after a reconnect, which means: there may be news of any."""

_FAILURES: Final = (RedisError, OSError, TimeoutError)


class RedisEvicts(Invalid):
    """A Redis that drops keys when it is full is no broker."""

    code = "redis_evicts"
    title = "Redis evicts"


class Wakeups:
    """Tells and hears that there is news. One for each process, used on one event loop; close it on that loop.

    What tells (`ring_relay`, `tell_jobs`, `tell_cancelled`) returns at once and never raises: it is sent by a task of
    its own, together with whatever else there is by then, and dropped when Redis does not take it within 500 ms.
    What listens shares one connection a channel, which reconnects by itself and then tells everybody there may be
    news. Whoever listens polls Postgres besides.
    """

    def __init__(self, redis_url: str) -> None:
        once = Retry(NoBackoff(), 0)
        self._teller = Redis.from_url(
            redis_url, socket_timeout=_SEND_SECONDS, socket_connect_timeout=_SEND_SECONDS, retry=once
        )
        # a subscription is quiet while nothing happens: reading it must not time out, as it does by default
        self._hearer = Redis.from_url(
            redis_url, socket_timeout=None, socket_connect_timeout=2, retry=once, decode_responses=True
        )
        self._untold: dict[str, dict[str, None]] = {}
        self._telling: asyncio.Task[None] | None = None
        self._soon: asyncio.TimerHandle | None = None
        self._is_lost = False
        self._subscriptions: dict[str, Subscription] = {}
        self._waiting: dict[str, set[News]] = {}  # by job
        self._reading: dict[str, set[Callable[[str], None]]] = {}  # by job

    @property
    def redis(self) -> Redis:
        """The connections that tell; each call on them has 500 ms."""
        return self._teller

    def ring_relay(self, queues: Iterable[str] = (ANYWHERE,)) -> None:
        """Tell the relay that jobs may be due: in these queues, or anywhere."""
        self._tell(_RELAY, queues)

    def tell_jobs(self, ids: Iterable[str], *, within_seconds: float = 0.0) -> None:
        """Tell who watches these jobs that something happened to them: now, or with what is told next.

        That is when something is told that cannot wait, or the first that can has waited for its `within_seconds`.
        """
        self._tell(_JOBS, ids, within_seconds=within_seconds)

    def tell_cancelled(self, ids: Iterable[str]) -> None:
        """Tell the workers that these jobs, if they run them, are to be stopped."""
        self._tell(_CANCEL, ids)

    def tell_finished(self, batch_ids: Sequence[str]) -> None:
        """Tell who waits for these batches that they are finished, and the relay that jobs may follow them."""
        if batch_ids:
            self._tell(_JOBS, batch_ids)
            self.ring_relay()

    @asynccontextmanager
    async def listen_relay(self) -> AsyncIterator[QueueNews]:
        """News for the relay: jobs may be due."""
        news = QueueNews()
        with self._heard(_RELAY, news.tell_of):
            yield news

    @property
    def cancels_heard_since(self) -> int | None:
        """Changes with each subscription to cancellations, for what was told in between is lost; None: deaf now."""
        subscription = self._subscriptions.get(_CANCEL)
        return None if subscription is None else subscription.number

    async def listen_cancelled(self) -> AsyncGenerator[tuple[str, ...], None]:
        """Ids of running jobs that are to be stopped, as they are told; none are told again after a reconnect."""
        heard: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()

        with self._heard(_CANCEL, heard.put_nowait):
            while True:
                ids = await heard.get()
                if ids:
                    yield ids

    @asynccontextmanager
    async def listening(self, job_id: str) -> AsyncIterator[News]:
        """News of one job, or of the end of one batch."""
        news = News()
        self._subscription(_JOBS).hearers.add(self._hear_jobs)
        self._waiting.setdefault(job_id, set()).add(news)
        try:
            yield news
        finally:
            waiting = self._waiting[job_id]
            waiting.discard(news)
            if not waiting:
                del self._waiting[job_id]

    @contextmanager
    def hearing_reply(self, job_id: str, hear: Callable[[str], None]) -> Generator[None]:
        """Inside the block `hear` is told what is said of the job's reply; nothing where there may be more of it."""
        self._subscription(TOKENS).hearers.add(self._hear_tokens)
        self._reading.setdefault(job_id, set()).add(hear)
        try:
            yield
        finally:
            reading = self._reading[job_id]
            reading.discard(hear)
            if not reading:
                del self._reading[job_id]

    @contextmanager
    def hearing_all(self, news: News) -> Generator[None]:
        """Inside the block `news` is told whenever something may have happened to any job."""

        def hear(_ids: tuple[str, ...]) -> None:
            news.tell()

        # who submits tells the relay alone
        with self._heard(_JOBS, hear), self._heard(_RELAY, hear):
            yield

    async def answers(self, timeout_seconds: float) -> bool:
        """Whether Redis answers a ping in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._teller.ping()
        except _FAILURES:
            return False
        return True

    async def check_keeping(self) -> None:
        """Go on only if Redis keeps what it is given; one that does not answer is not judged.

        Raises:
            RedisEvicts: it throws things away when it is full.
        """
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                memory: dict[str, object] = await self._teller.info("memory")
        except _FAILURES:
            return
        policy = memory.get("maxmemory_policy")
        if memory.get("maxmemory") and policy != "noeviction":
            raise RedisEvicts(
                f"Redis throws messages away when it is full (maxmemory-policy {policy}). Set it to noeviction."
            )

    async def close(self) -> None:
        """Send what is still to be told, within 500 ms, and stop listening."""
        self._tell_now()
        if self._telling is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await asyncio.shield(self._telling)
        tasks = [subscription.task for subscription in self._subscriptions.values()]
        if self._telling is not None:
            tasks.append(self._telling)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for client in (self._teller, self._hearer):
            with suppress(*_FAILURES):
                await client.aclose()

    async def told(self) -> None:
        """Wait for up to 50 ms until what there is to tell has been sent; not while Redis is known to take nothing."""
        if self._telling is not None and not self._is_lost:
            await asyncio.wait([self._telling], timeout=_TOLD_SECONDS)

    def _tell(self, channel: str, ids: Iterable[str], *, within_seconds: float = 0.0) -> None:
        self._untold.setdefault(channel, {}).update(dict.fromkeys(ids))
        if within_seconds:
            self._soon = self._soon or asyncio.get_running_loop().call_later(within_seconds, self._tell_now)
        else:
            self._tell_now()

    def _tell_now(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if self._untold and (self._telling is None or self._telling.done()):
            self._telling = asyncio.get_running_loop().create_task(self._send(), name="wakeups-send")

    async def _send(self) -> None:
        while self._untold:
            untold, self._untold = self._untold, {}
            try:
                async with asyncio.timeout(_SEND_SECONDS):
                    await self._publish(untold)
            except _FAILURES as error:
                if not self._is_lost:
                    self._is_lost = True
                    _LOG.warning("wakeups.lost", error=type(error).__name__)
            else:
                if self._is_lost:
                    self._is_lost = False
                    _LOG.info("wakeups.back")

    async def _publish(self, untold: dict[str, dict[str, None]]) -> None:
        async with self._teller.pipeline(transaction=False) as pipeline:
            for channel, ids in untold.items():
                listed = list(ids)
                for start in range(0, len(listed), _MOST_IDS):
                    pipeline.publish(channel, " ".join(listed[start : start + _MOST_IDS]))  # type: ignore[unused-awaitable] # it notes the command
            await pipeline.execute()

    @contextmanager
    def _heard(self, channel: str, hear: HearIds) -> Generator[None]:
        def hear_ids(said: str) -> None:
            hear(tuple(said.split()))

        hearers = self._subscription(channel).hearers
        hearers.add(hear_ids)
        try:
            yield
        finally:
            hearers.discard(hear_ids)

    def _subscription(self, channel: str) -> Subscription:
        subscription = self._subscriptions.get(channel)
        if subscription is None:
            subscription = self._subscriptions[channel] = Subscription(self._hearer, channel)
        return subscription

    def _hear_jobs(self, said: str) -> None:
        for job_id in said.split() or tuple(self._waiting):
            for news in self._waiting.get(job_id, ()):
                news.tell()

    def _hear_tokens(self, said: str) -> None:
        job_id, _, piece = said.partition(" ")
        for one in (job_id,) if job_id else tuple(self._reading):
            for hear in tuple(self._reading.get(one, ())):
                hear(piece)


def open_wakeups(redis_url: str) -> Wakeups:
    """Wake-ups through the Redis at `redis_url` (`redis://…` or `unix://…`). Nothing is connected until it is used."""
    return Wakeups(redis_url)
