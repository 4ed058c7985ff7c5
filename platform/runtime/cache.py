"""Answers of text engines, kept in Redis for a while, and who is at one now. Losing them costs a call, nothing else.

What lies there is sealed under the secret key together with its own name, so that it can be neither read nor forged nor
moved by whoever reaches Redis; what does not open, or is not exactly the kind's result, is not there. Redis is never
waited for over 100 ms, and not at all for a second after it did not answer in that: whoever asks then goes on without.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from domain.jobs.kind import Input, Kind, Result
from domain.text.safety import Detector
from domain.text.sameness import fingerprint
from runtime.batching import Batcher, BatcherFull
from runtime.screening_version import screening_version
from runtime.secret_box import SecretBox, SecretKeyMissing, SecretUnreadable
from runtime.settings import Settings

MOST_BYTES: Final = 262_144
"""How large an answer may be that is kept."""

_LOOKS: Final = (0.9, 0.1)  # what parts of the time Redis has pass before its answer is looked for
_AWAY_SECONDS: Final = 1.0
_CONNECT_SECONDS: Final = 0.5
_MOST_WAITING: Final = 5_000
_FAILURES: Final = (RedisError, OSError, TimeoutError)
_FULL_FROM: Final = 0.75  # the rest of Redis is left to the broker, which cannot go on without

# KEYS of every script: the answer, and who is at it. One look is one step: the answer; or 1, and the caller is at it
# from now on; or 0, and somebody else is.
_LOOK: Final = """
local answer = redis.call('GET', KEYS[1])
if answer then return answer end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0
"""
_EXTEND: Final = """
if redis.call('GET', KEYS[2]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
return 0
"""
_KEEP: Final = """
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return 1
"""
_LEAVE: Final = """
if redis.call('GET', KEYS[2]) == ARGV[1] then return redis.call('DEL', KEYS[2]) end
return 0
"""

_LOG: Final = structlog.stdlib.get_logger(__name__)
_ENCODER: Final = msgspec.json.Encoder()

ResultT = TypeVar("ResultT", bound=Result)


class CacheRules(Struct, frozen=True, kw_only=True):
    """How long answers are kept, by kind, in seconds; by which engine they are; whether tenants share them.

    `screening` is the version of what screens their inputs. Redis has `patience_seconds` to answer; who asks goes on
    without it then.
    """

    seconds: Mapping[str, int]
    engine: str
    model: str = ""
    screening: str = ""
    shared: bool = False
    patience_seconds: float = 0.1


class Spot(Struct, frozen=True, kw_only=True):
    """Where the answer to an input is, if it is kept."""

    name: str
    kind: Kind[Any, Any]
    seconds: int


class Taken(Struct, frozen=True):
    """Nobody was at the answer; the caller is, from now on."""


class Elsewhere(Struct, frozen=True):
    """Somebody else is at it."""


_Words = tuple[str | bytes | int, ...]


class AnswerCache:
    """The answers in the Redis at a URL. One for each process, used on one event loop; close it on that loop."""

    def __init__(self, redis_url: str, secrets: SecretBox, rules: CacheRules) -> None:
        self._client = Redis.from_url(
            redis_url,
            socket_timeout=max(_CONNECT_SECONDS, rules.patience_seconds),
            socket_connect_timeout=_CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._secrets = secrets
        self._rules = rules
        self._asking: Batcher[_Words, object] = Batcher(self._ask, waiting_limit=_MOST_WAITING)
        self._away_until = 0.0

    @property
    def is_shared(self) -> bool:
        """Whether tenants are given each other's answers."""
        return self._rules.shared

    def keeps(self, kind: Kind[Any, Any]) -> bool:
        """Whether answers of this kind are kept."""
        return bool(self._rules.seconds.get(kind.name, 0))

    def spot(self, kind: Kind[Any, Any], given: Input, tenant_id: str, *, screened: Sequence[Detector]) -> Spot | None:
        """Where the answer to `given` is kept, which these detectors let pass; None: answers of this kind are not."""
        seconds = self._rules.seconds.get(kind.name, 0)
        if not seconds:
            return None
        engine = f"{self._rules.engine}:{self._rules.model}"
        tenant = None if self._rules.shared else tenant_id
        # where nothing is wanted of it, it does not matter who would have screened
        by = (*screened, self._rules.screening) if screened else ()
        name = fingerprint(kind, given, engine=engine, tenant_id=tenant, screened=by)
        return Spot(name=name, kind=kind, seconds=seconds)

    def part_spot(self, kind: Kind[Any, Any], given: Input, step: str, job_id: str) -> Spot | None:
        """Where what a job was answered about a part of its text is kept, for no other job; None: it is not."""
        seconds = self._rules.seconds.get(kind.name, 0)
        if not seconds:
            return None
        engine = f"{self._rules.engine}:{self._rules.model}:{step}"
        # the text was screened as a whole before, in this attempt as in the one before
        name = fingerprint(kind, given, engine=engine, tenant_id=job_id, screened=())
        return Spot(name=name, kind=kind, seconds=seconds)

    async def find(self, spot: Spot) -> Result | None:
        """The answer, marked as cached; None: there is none, or Redis did not answer in time."""
        return self._opened(spot, await self._put(("GET", _answer(spot))))

    async def look(self, spot: Spot, token: str, *, hold_seconds: float) -> Result | Taken | Elsewhere | None:
        """The answer, marked as cached, or who is at it; None: nothing is known, for Redis did not answer in time.

        Who is given it as `Taken` has it for `hold_seconds` at a time (`extend`), and lets go by `keep` or `leave`.
        """
        said = await self._put(_script(_LOOK, spot, token, _milliseconds(hold_seconds)))
        if said == 1:
            return Taken()
        if said == 0:
            return Elsewhere()
        found = self._opened(spot, said)
        if found is None and said is not None:
            # what lies there is none: it goes, unless somebody put another in its place
            await self._put(("DEL", _answer(spot)))
        return found

    async def extend(self, spot: Spot, token: str, *, hold_seconds: float) -> None:
        """Stay at it for another while."""
        await self._put(_script(_EXTEND, spot, token, _milliseconds(hold_seconds)))

    async def keep(self, spot: Spot, token: str, answer: Result) -> None:
        """Keep an answer, and let go. One that another engine gave, or that is too large, is not kept."""
        sealed = self._sealed(spot, answer)
        if sealed is None or await self._is_full():
            await self.leave(spot, token)
        else:
            await self._put(_script(_KEEP, spot, token, sealed, spot.seconds * 1000))

    async def leave(self, spot: Spot, token: str) -> None:
        """Let go without an answer; nothing happens to who is at it under another token."""
        if token:
            await self._put(_script(_LEAVE, spot, token))

    async def close(self) -> None:
        """Ask nothing more."""
        await self._asking.close()
        with suppress(*_FAILURES):
            await self._client.aclose()

    def _sealed(self, spot: Spot, answer: Result) -> bytes | None:
        if not self._is_of_engine(answer):
            return None
        plain = _ENCODER.encode(answer)
        if len(plain) > MOST_BYTES:
            return None
        try:
            return self._secrets.seal(plain, _answer(spot))
        except SecretKeyMissing:
            return None

    def _opened(self, spot: Spot, said: object) -> Result | None:
        if not isinstance(said, bytes):
            return None
        try:
            found: Result = msgspec.json.decode(self._secrets.open(said, _answer(spot)), type=spot.kind.result)
        except (SecretUnreadable, SecretKeyMissing, msgspec.MsgspecError, UnicodeError):
            return None
        return cached(found) if self._is_of_engine(found) else None

    def _is_of_engine(self, answer: Result) -> bool:
        """Whether the engine that is asked first gave it; `local-template` is a form of `local`."""
        engine: str = getattr(answer, "engine", "")
        return engine.partition("-")[0] == self._rules.engine

    async def _is_full(self) -> bool:
        said = await self._put(("INFO", "memory"))
        memory: Mapping[str, object] = said if isinstance(said, Mapping) else {}
        used, most = memory.get("used_memory"), memory.get("maxmemory")
        return isinstance(used, int) and isinstance(most, int) and most > 0 and used > most * _FULL_FROM

    async def _put(self, words: _Words) -> object:
        if time.monotonic() < self._away_until:
            return None
        try:
            return await self._asking.put(words)
        except BatcherFull:
            return None

    async def _ask(self, asked: Sequence[_Words]) -> Sequence[object]:
        if time.monotonic() < self._away_until:  # found out while these waited
            return [None] * len(asked)
        try:
            answers = await self._send_in_time(asked)
        except _FAILURES as error:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            _LOG.warning("cache.lost", error=type(error).__name__)
            return [None] * len(asked)
        if failure := next((answer for answer in answers if isinstance(answer, Exception)), None):
            _LOG.warning("cache.refused", error=type(failure).__name__)
        return [None if isinstance(answer, Exception) else answer for answer in answers]

    async def _send_in_time(self, asked: Sequence[_Words]) -> Sequence[object]:
        sending = asyncio.create_task(self._send(asked), name="cache-send")
        try:
            # twice: when it is this process that was late, the answer is there, and only to be looked at
            for part in _LOOKS:
                done, _ = await asyncio.wait([sending], timeout=part * self._rules.patience_seconds)
                if done:
                    return sending.result()
        finally:
            sending.cancel()
        raise TimeoutError("no answer in time")

    async def _send(self, asked: Sequence[_Words]) -> Sequence[object]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for words in asked:
                pipeline.execute_command(*words)
            answers: Sequence[object] = await pipeline.execute(raise_on_error=False)
        return answers


def open_cache(settings: Settings, redis_url: str) -> AnswerCache:
    """Cached answers as the settings say. Nothing is connected until it is used."""
    return AnswerCache(settings.cache_url or redis_url, SecretBox(settings.secret_key), rules_of(settings))


def rules_of(settings: Settings) -> CacheRules:
    """What the settings, and this release, say of answers that are kept."""
    is_gemini = settings.gemini_api_key is not None
    return CacheRules(
        seconds={
            "text.summarize": settings.cache_summarize_seconds,
            "text.generate": settings.cache_generate_seconds,
            "text.moderate": settings.cache_moderate_seconds,
            "text.classify": settings.cache_classify_seconds,
        },
        engine="gemini" if is_gemini else "local",
        # whatever is set to make answers different is part of their names
        model=f"{settings.gemini_model} {settings.gemini_kinds} {settings.gemini_windows} "
        f"{settings.redact_pii} {settings.redact_sorts}"
        if is_gemini
        else "",
        screening=screening_version(),
        shared=settings.cache_shared,
    )


def cached(answer: ResultT) -> ResultT:
    """The answer, marked as not made for whoever asks now."""
    return replace(answer, cached=True)


def _script(script: str, spot: Spot, *words: str | bytes | int) -> _Words:
    return ("EVAL", script, 2, _answer(spot), f"hr:flight:{{{spot.name}}}", *words)


def _answer(spot: Spot) -> str:
    return f"hr:answer:{{{spot.name}}}"


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
