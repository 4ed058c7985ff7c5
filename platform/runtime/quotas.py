"""Counting requests in Redis, for all processes at once: leaky buckets (GCRA), drawn on in one round trip for many.

Redis is waited for no longer than whoever asks can spare, and not at all while it is known to be away: they are told
then that nothing is known, and count for themselves.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog
from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from runtime.batching import Batcher, BatcherFull

_AT_THE_DOOR_SECONDS: Final = 0.05  # a request that would be let through waits no longer to be counted
_CONNECT_SECONDS: Final = 0.5
_PROBE_SECONDS: Final = 1.0
_MOST_WAITING: Final = 5_000
_FAILURES: Final = (RedisError, OSError, TimeoutError)

# KEYS[1]: the bucket, as the time in microseconds when it will have leaked empty. ARGV: how long one request takes to
# leak, how much the bucket holds, how many requests are to be drawn, and 1 where it is these or none; answers how many
# were, how full the bucket is now, and how long until one more may be, or as many again.
_DRAW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local one, window, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local empty = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0'))
local room = math.floor((now + window - empty) / one + 0.000001)
local drawn = math.max(0, math.min(wanted, room))
local least = 1
if ARGV[4] == '1' then
    least = wanted
    if drawn < wanted then drawn = 0 end
end
if drawn > 0 then
    empty = empty + drawn * one
    redis.call('SET', KEYS[1], string.format('%.0f', empty), 'PX', math.ceil((empty - now) / 1000) + 1000)
end
return {drawn, math.ceil(empty - now), math.max(0, math.ceil(empty + least * one - now - window))}
"""
_DRAW_SHA: Final = hashlib.sha1(_DRAW.encode(), usedforsecurity=False).hexdigest()

_LOG: Final = structlog.stdlib.get_logger(__name__)


class Wanted(Struct, frozen=True):
    """Requests to be drawn from the bucket `name`, of which `per_window` fit into `window_seconds`; `most` at once.

    `whole`: so many, or none.
    """

    name: str
    per_window: int
    window_seconds: float
    most: int
    whole: bool = False


class Drawn(Struct, frozen=True):
    """What was: `count` requests, 0 where there is no room. The bucket is empty in `filled_seconds` if all rests.

    One more, or as many as were wanted whole, may be drawn in `wait_seconds`.
    """

    count: int
    filled_seconds: float
    wait_seconds: float


class Quotas:
    """Buckets in the Redis at a URL. One for each process, used on one event loop; close it on that loop."""

    def __init__(self, redis_url: str, *, answer_seconds: float) -> None:
        # twice: when it is this process that was late, the answer is there, and only to be looked at
        self._looks_seconds = (0.8 * answer_seconds, 0.2 * answer_seconds)
        self._client = Redis.from_url(
            redis_url,
            socket_timeout=max(_CONNECT_SECONDS, answer_seconds),
            socket_connect_timeout=max(_CONNECT_SECONDS, answer_seconds),
            retry=Retry(NoBackoff(), 0),
        )
        self._asking: Batcher[Wanted, Drawn | None] = Batcher(self._ask, waiting_limit=_MOST_WAITING)
        self._probing: asyncio.Task[None] | None = None

    @property
    def is_away(self) -> bool:
        """Whether Redis did not answer of late."""
        return self._probing is not None

    async def meet(self) -> None:
        """Meet Redis before anybody waits for it: a first connection takes longer than an answer. Never raises."""
        with suppress(*_FAILURES):
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._client.script_load(_DRAW)

    async def draw(self, wanted: Wanted) -> Drawn | None:
        """Draw as many requests as there is room for. None: Redis did not answer, or is not asked for it is away."""
        if self.is_away:
            return None
        try:
            return await self._asking.put(wanted)
        except BatcherFull:
            return None

    async def close(self) -> None:
        """Ask nothing more."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])
        await self._asking.close()
        with suppress(*_FAILURES):
            await self._client.aclose()

    async def _ask(self, wanted: Sequence[Wanted]) -> Sequence[Drawn | None]:
        if self.is_away:  # found out while these waited
            return [None] * len(wanted)
        try:
            answers = await self._evaluate_in_time(wanted)
        except _FAILURES as error:
            self._lose(error)
            return [None] * len(wanted)
        if failure := next((answer for answer in answers if isinstance(answer, Exception)), None):
            self._lose(failure)
        return [
            None if isinstance(answer, Exception) else Drawn(answer[0], answer[1] / 1e6, answer[2] / 1e6)
            for answer in answers
        ]

    async def _evaluate_in_time(self, wanted: Sequence[Wanted]) -> Sequence[Exception | list[int]]:
        evaluating = asyncio.create_task(self._evaluate(wanted), name="quotas-evaluate")
        try:
            for seconds in self._looks_seconds:
                done, _ = await asyncio.wait([evaluating], timeout=seconds)
                if done:
                    return evaluating.result()
        finally:
            evaluating.cancel()
        raise TimeoutError("no answer in time")

    async def _evaluate(self, wanted: Sequence[Wanted]) -> Sequence[Exception | list[int]]:
        answers = await self._send(wanted)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            # an emptied or restarted Redis does not know it; nothing was drawn
            await self._client.script_load(_DRAW)
            answers = await self._send(wanted)
        return answers

    async def _send(self, wanted: Sequence[Wanted]) -> Sequence[Exception | list[int]]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for one in wanted:
                window = one.window_seconds * 1e6
                bucket = (f"hr:quota:{one.name}", window / one.per_window, window, one.most, int(one.whole))
                pipeline.evalsha(_DRAW_SHA, 1, *bucket)  # type: ignore[unused-awaitable] # it notes the command
            answers: Sequence[Exception | list[int]] = await pipeline.execute(raise_on_error=False)
        return answers

    def _lose(self, error: Exception) -> None:
        if self._probing is None:
            _LOG.warning("quotas.lost", error=type(error).__name__)
            self._probing = asyncio.get_running_loop().create_task(self._probe(), name="quotas-probe")

    async def _probe(self) -> None:
        """Ask once a second whether Redis is back: nobody else waits for one that hangs."""
        try:
            while True:
                await asyncio.sleep(_PROBE_SECONDS)
                with suppress(*_FAILURES):
                    answers = await self._evaluate_in_time([Wanted("probe", 1_000_000, 60.0, 1)])
                    if not any(isinstance(answer, Exception) for answer in answers):
                        _LOG.info("quotas.back")
                        return
        finally:
            self._probing = None


def open_quotas(redis_url: str, *, answer_seconds: float = _AT_THE_DOOR_SECONDS) -> Quotas:
    """Buckets in the Redis at `redis_url` (`redis://…` or `unix://…`), away if it has not answered in `answer_seconds`.

    Nothing is connected until it is used.
    """
    return Quotas(redis_url, answer_seconds=answer_seconds)
