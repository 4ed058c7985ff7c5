"""The text of replies as it is written, through Redis Streams: lost with Redis, and then told by Postgres in the end.

A job has one stream. The id of an entry is `<generation>-<characters>`: which attempt writes, by the time of its claim,
and how many characters of the text there are with this piece. Redis takes only ids that grow, so an attempt whose
lease was lost cannot add to what the next one writes: Redis itself fences it. An attempt's first piece drops what those
before it wrote; it is empty where its words are late. An attempt ends with an entry past all others.

Who follows is told each piece as it is added, beside the stream, and so need not read. What was not heard, or does not
follow on what is known, is read from the stream.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from runtime.wakeups import TOKENS, Wakeups

PAUSE_SECONDS: Final = 0.02
"""Pieces that come sooner than this after one another are sent together."""

KEPT_SECONDS: Final = 600
"""How long a stream is kept after the last piece."""

MOST_CHARS: Final = 2**20 - 2
"""Of a text that is streamed; what is longer is told in the end only."""

_MOST_CHARS_TOLD: Final = 4_000  # by every process that serves streams, whoever follows what
_END: Final = 2**20 - 1
_MOST_ENTRIES: Final = 20_000  # more than a timeout of 90 s has pauses
_PLACE_BITS: Final = 20
_CLOSE_SECONDS: Final = 0.5
_FENCED: Final = "equal or smaller"  # what Redis and Valkey say of an id that does not grow
_FAILURES: Final = (RedisError, OSError, TimeoutError)
_LEASE_MS: Final = slice(6, 18)  # of `lease_` and a UUIDv7, which begins with the time

# narrower than the client's own type: it does not decode, and an entry has an id and fields
_Entries = Any

_LOG: Final = structlog.stdlib.get_logger(__name__)


class Place(Struct, frozen=True, order=True):
    """How much of a reply was told: so many characters (code points) of the text of one generation."""

    generation: int
    chars: int

    @property
    def number(self) -> int:
        """One number for it, below 2**63, that grows with the text and from attempt to attempt."""
        return self.generation << _PLACE_BITS | self.chars


class Piece(Struct, frozen=True, omit_defaults=True):
    """A part of a reply's text; `start` is how many characters come before it."""

    generation: int
    start: int
    text: str
    is_end: bool = False


HearPiece = Callable[[Piece | None], None]
"""Told a piece as it is added; None: there may be more, to be read."""

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Piece)


def place_of(number: int) -> Place:
    """The place whose number this is."""
    return Place(number >> _PLACE_BITS, number & _END)


def end_number(milliseconds: int) -> int:
    """The number past all places of attempts that were claimed until then."""
    return milliseconds << _PLACE_BITS | _END


class ReplyStreams:
    """Writes and reads streams of replies over the connections of the wake-ups."""

    def __init__(self, wakeups: Wakeups) -> None:
        self._wakeups = wakeups
        self._redis = wakeups.redis

    @contextmanager
    def hearing(self, job_id: str, hear: HearPiece) -> Generator[None]:
        """Inside the block `hear` is told of the job's reply as it is written.

        A piece may come twice, and late: of an attempt that was told in a stream before to be over.
        """

        def hear_piece(said: str) -> None:
            hear(_DECODER.decode(said) if said else None)

        with self._wakeups.hearing_reply(job_id, hear_piece):
            yield

    @asynccontextmanager
    async def writing(self, job_id: str, lease: str) -> AsyncIterator["Writing"]:
        """Write the reply of an attempt. What is left is sent when the block ends, within 500 ms; nothing raises."""
        one = Writing(self._redis, job_id, int(lease[_LEASE_MS], 16))
        one.start()
        try:
            yield one
        finally:
            await one.close()

    async def read(self, job_id: str, after: Place | None = None) -> list[Piece]:
        """What was written after a place, or all there is; nothing while Redis does not answer."""
        return await self.look(job_id, after) or []

    async def look(self, job_id: str, after: Place | None = None) -> list[Piece] | None:
        """As `read`, but None while Redis does not answer."""
        start = "-" if after is None else f"({after.generation}-{after.chars}"
        try:
            entries: _Entries = await self._redis.xrange(_key(job_id), start, "+")
        except _FAILURES as error:
            _LOG.warning("reply.unreadable", job_id=job_id, error=type(error).__name__)
            return None
        return [_piece_of(*entry) for entry in entries]


class Writing:
    """The text of one attempt on its way to its readers: in the background, a little at a time."""

    def __init__(self, redis: Redis, job_id: str, generation: int) -> None:
        self._redis = redis
        self._key = _key(job_id)
        self._job_id = job_id
        self._generation = generation
        self._text = ""
        self._sent = 0
        self._begun = False
        self._fenced = False
        self._is_lost = False
        self._sent_at = -PAUSE_SECONDS
        self._sending: asyncio.Task[None] | None = None
        self._beginning: asyncio.TimerHandle | None = None
        self._closing = asyncio.Event()

    def start(self) -> None:
        """Tell readers soon that this attempt writes now, from the beginning: what it does first comes first."""
        self._beginning = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._send_soon)

    def add(self, text: str) -> None:
        """Add a piece; returns at once."""
        self._text += text
        self._send_soon()

    async def close(self) -> None:
        """Send what is left and that it was all."""
        self._closing.set()
        if self._beginning is not None:
            self._beginning.cancel()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                if self._sending is not None:
                    await self._sending
                await self._send(is_last=True)
        except _FAILURES as error:
            self._lose(error)

    def _send_soon(self) -> None:
        if self._fenced or (self._sending is not None and not self._sending.done()):
            return
        self._sending = asyncio.get_running_loop().create_task(self._keep_sending(), name=f"reply-{self._job_id}")

    async def _keep_sending(self) -> None:
        while not self._fenced and (not self._begun or self._sent < len(self._text)):
            if (pause := self._sent_at + PAUSE_SECONDS - time.monotonic()) > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), pause)
            try:
                await self._send()
            except _FAILURES as error:
                self._lose(error)
                return  # the next piece tries again, with all that was not sent

    async def _send(self, *, is_last: bool = False) -> None:
        if self._fenced or len(self._text) > MOST_CHARS:
            self._fenced = True
            return
        start, text = self._sent, self._text
        self._sent_at = time.monotonic()
        try:
            if not self._begun:
                await self._add(0, text, len(text), begins=True)
                self._begun = True
            elif len(text) > start and await self._add(start, text[start:], len(text)) is None:
                # Redis was emptied: all of it, for who comes now
                await self._add(0, text, len(text), begins=True)
            self._sent = len(text)
            if is_last:
                await self._add(len(text), "", _END, is_end=True)
        except ResponseError as error:
            if _FENCED not in str(error):
                raise
            # ours, when an answer was lost: it was sent before
            self._fenced = await self._newest() > self._generation
            self._begun, self._sent = True, len(text)
            return
        self._is_lost = False

    async def _newest(self) -> int:
        entries: _Entries = await self._redis.xrevrange(self._key, count=1)
        return max((_piece_of(*entry).generation for entry in entries), default=0)

    async def _add(
        self, start: int, text: str, chars: int, *, begins: bool = False, is_end: bool = False
    ) -> bytes | None:
        written = text.encode(errors="replace")
        fields: Any = {"s": start, "t": written}
        if is_end:
            fields["e"] = 1
        # one that begins drops the attempts before it, and keeps the newest id there was: their late pieces are refused
        bound: dict[str, Any] = (
            {"minid": f"{self._generation}-0"} if begins else {"maxlen": _MOST_ENTRIES, "nomkstream": True}
        )
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.xadd(self._key, fields, id=f"{self._generation}-{chars}", approximate=False, **bound)  # type: ignore[unused-awaitable] # it notes the command
            pipeline.expire(self._key, KEPT_SECONDS)  # type: ignore[unused-awaitable] # it notes the command
            pipeline.publish(TOKENS, self._told(Piece(self._generation, start, written.decode(), is_end=is_end)))  # type: ignore[unused-awaitable] # it notes the command
            added, *_ = await pipeline.execute()
        return added if isinstance(added, bytes) else None

    def _told(self, piece: Piece) -> str:
        is_short = len(piece.text) <= _MOST_CHARS_TOLD
        return f"{self._job_id} {_ENCODER.encode(piece).decode()}" if is_short else self._job_id

    def _lose(self, error: BaseException) -> None:
        if not self._is_lost:
            self._is_lost = True
            _LOG.warning("reply.unsent", job_id=self._job_id, error=type(error).__name__)


def _key(job_id: str) -> str:
    return f"hr:reply:{job_id}"


def _piece_of(entry_id: bytes, fields: dict[bytes, bytes]) -> Piece:
    generation, _, _ = entry_id.partition(b"-")
    return Piece(int(generation), int(fields[b"s"]), fields[b"t"].decode(), b"e" in fields)
