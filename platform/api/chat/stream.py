"""A reply as a stream: its text so far, then the rest as it is written, then how it ended."""

import time
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct

from api.chat.views import MessageView, view_message
from api.context import Use
from api.sse import HEARTBEAT_SECONDS, RETRY, farewell, frame, heartbeat
from api.streams import Leave
from domain.accounts.user import Caller
from domain.chat.reply import Replied, ReplyTo
from domain.errors import Unavailable
from domain.jobs.events import OF_STATE
from domain.jobs.job import Job, JobError
from domain.jobs.state import State
from runtime.streams import Piece, Place, ReplyStreams, end_number, place_of
from storage.chat import list_messages
from storage.chat_history import find_message
from storage.jobs import find_job

_HEARTBEAT_SECONDS: Final = HEARTBEAT_SECONDS
_LAST_MESSAGES: Final = 50
_ENCODER: Final = msgspec.json.Encoder()
_LOG: Final = structlog.stdlib.get_logger(__name__)


class SoFar(Struct, frozen=True, kw_only=True):
    """The first frame, and one more whenever the text begins anew: all there is of it, in place of what was told."""

    job_id: str
    state: State
    reply_to: str
    text: str


class Delta(Struct, frozen=True, kw_only=True):
    """What was added to the text; `start` is how many characters (code points) came before."""

    text: str
    start: int


class Ended(Struct, frozen=True, kw_only=True):
    """The last frame. `message` is the reply as it is kept: of a cancelled one what was written, if anything was."""

    job_id: str
    state: State
    message: MessageView | None
    error: JobError | None


class Reader:
    """Reads the text of one reply as it is written: knows how much was read, and what is missing."""

    def __init__(self, streams: ReplyStreams, job_id: str) -> None:
        self._streams = streams
        self._job_id = job_id
        self._generation: int | None = None
        self._broken = False
        self.text = ""
        self.is_ended = False
        """The attempt that wrote has ended, however it did."""

    @property
    def place(self) -> Place | None:
        """How much was read; None: nothing was written yet."""
        return None if self._generation is None else Place(self._generation, len(self.text))

    def back_to(self, place: Place) -> str | None:
        """Forget what was read past a place; the answer is what was forgotten, or None if it is no place of the text."""
        if place.generation != self._generation or place.chars > len(self.text):
            return None
        self.text, rest = self.text[: place.chars], self.text[place.chars :]
        return rest

    async def more(self) -> tuple[bool, str]:
        """What was written since, and whether it begins the text anew."""
        begins, added = False, ""
        for piece in await self._streams.read(self._job_id, self.place):
            if piece.generation != self._generation:
                self._generation, self.text, self._broken = piece.generation, "", False
                begins, added = True, ""
            added += self._taken(piece)
        return begins, added

    def _taken(self, piece: Piece) -> str:
        self.is_ended = piece.is_end
        # one that was lost with Redis leaves a gap, which only the end can fill
        self._broken = self._broken or piece.start > len(self.text)
        new = "" if self._broken else piece.text[len(self.text) - piece.start :]
        self.text += new
        return new


async def stream_reply(  # noqa: PLR0913 - of what, for whom, from where
    use: Use, job: Job, *, caller: Caller, leave: Leave, seen: int | None
) -> AsyncIterator[bytes]:
    """The reply of a job, for a client that has read up to the number `seen` of a stream of it before.

    A comment each 15 s keeps the connection open. When the process is about to stop, the stream ends and asks the
    client to come back in a second.
    """
    grown = _Flag()
    with use.streams.one(caller):
        async with use.lookout.following(job.id, job.seq) as followed:

            def hear() -> None:
                grown.is_set = True
                followed.news.tell()

            with use.wakeups.hearing_reply(job.id, hear):
                reader = Reader(use.replies, job.id)
                await reader.more()
                rest = None if seen is None else reader.back_to(place_of(seen))
                yield RETRY + _snapshot(job, reader)
                if rest:
                    yield _told(reader, rest)
                said_at = time.monotonic()
                while True:
                    begins, added = await reader.more()
                    if begins:
                        yield _snapshot(job, reader)
                    elif added:
                        yield _delta(reader, added)
                    if begins or added:
                        said_at = time.monotonic()
                    # while the text grows the job does not end, and need not be read
                    if not grown.is_set or reader.is_ended:
                        found = await _read(use, job)
                        if found is None:
                            yield farewell("the reply is kept no more")
                            return
                        job = found
                        followed.seq = job.seq
                        if job.is_terminal:
                            async for piece in _end(use, job, reader):
                                yield piece
                            return
                    if use.draining.is_set():
                        yield RETRY + b"\n"
                        return
                    if await leave.is_withdrawn():
                        yield farewell("you may not read this any more")
                        return
                    grown.is_set = False
                    await followed.news.wait(max(0.0, said_at + _HEARTBEAT_SECONDS - time.monotonic()))
                    if time.monotonic() - said_at >= _HEARTBEAT_SECONDS:
                        yield heartbeat()
                        said_at = time.monotonic()


def end_of(job: Job) -> int | None:
    """The number of the last frame of an ended reply; None while it goes on."""
    return None if job.finished_at is None else end_number(int(job.finished_at.timestamp() * 1000))


class _Flag:
    def __init__(self) -> None:
        self.is_set = False


async def _read(use: Use, job: Job) -> Job | None:
    try:
        async with use.database.read() as tx:
            return await find_job(tx, job.tenant_id, job.id)
    except Unavailable as error:
        # the answer has begun and cannot become a 503: be quiet until the database is back
        _LOG.warning("reply.unavailable", code=error.code)
        return job


async def _end(use: Use, job: Job, reader: Reader) -> AsyncIterator[bytes]:
    """What is missing of the text, and how it ended."""
    message = await _message_of(use, job)
    if message is not None and job.state in {State.SUCCEEDED, State.CANCELLED}:
        if not message.text.startswith(reader.text):
            reader.text = message.text
            yield _snapshot(job, reader)
        elif rest := message.text[len(reader.text) :]:
            yield _told(reader, rest)
    error = None if job.error is None else msgspec.json.decode(job.error, type=JobError)
    ended = Ended(job_id=job.id, state=job.state, message=message, error=error)
    yield frame(OF_STATE[job.state], _ENCODER.encode(ended), end_of(job))


async def _message_of(use: Use, job: Job) -> MessageView | None:
    asked = msgspec.json.decode(job.input, type=ReplyTo)
    try:
        async with use.database.read() as tx:
            if job.result is not None:
                replied = msgspec.json.decode(job.result, type=Replied)
                found = await find_message(tx, asked.conversation_id, replied.message_id)
            else:
                latest = await list_messages(tx, asked.conversation_id, limit=_LAST_MESSAGES)
                found = next((one for one in latest if one.reply_to == asked.message_id), None)
    except Unavailable:
        return None
    return None if found is None else view_message(found)


def _told(reader: Reader, rest: str) -> bytes:
    """A delta of what follows what was read."""
    reader.text += rest
    return _delta(reader, rest)


def _snapshot(job: Job, reader: Reader) -> bytes:
    asked = msgspec.json.decode(job.input, type=ReplyTo)
    state = State.RUNNING if reader.place is not None and not job.is_terminal else job.state
    so_far = SoFar(job_id=job.id, state=state, reply_to=asked.message_id, text=reader.text)
    return frame("snapshot", _ENCODER.encode(so_far), _number(reader))


def _delta(reader: Reader, added: str) -> bytes:
    told: Any = Delta(text=added, start=len(reader.text) - len(added))
    return frame("delta", _ENCODER.encode(told), _number(reader))


def _number(reader: Reader) -> int | None:
    return None if reader.place is None else reader.place.number
