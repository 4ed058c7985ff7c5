"""A reply as a stream: its text so far, then the rest as it is written, then how it ended."""

import time
from collections.abc import AsyncIterator
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from api.chat.views import MessageView, view_message
from api.context import Use
from api.lookout import Followed
from api.reply_reader import Reader
from api.sse import HEARTBEAT_SECONDS, RETRY, farewell, frame, heartbeat
from api.streams import Leave
from domain.accounts.user import Caller
from domain.chat.reply import Replied, ReplyTo
from domain.errors import Unavailable
from domain.jobs.events import OF_STATE
from domain.jobs.job import Job, JobError
from domain.jobs.state import State
from runtime.streams import end_number, place_of
from storage.chat import list_messages
from storage.chat_history import find_message
from storage.jobs import find_job

_HEARTBEAT_SECONDS: Final = HEARTBEAT_SECONDS
_AGAIN_SECONDS: Final = 1.0
_BEGINS_SECONDS: Final = 0.05  # a job just written is left to begin; news of it is heard from now on
_LAST_MESSAGES: Final = 50
_ENCODER: Final = msgspec.json.Encoder()
_LOG: Final = structlog.stdlib.get_logger(__name__)


class SoFar(Struct, frozen=True, kw_only=True):
    """The first frame, and one more whenever the text begins anew: all there is of it, in place of what was told."""

    job_id: str
    state: State
    reply_to: str
    text: str


class Ended(Struct, frozen=True, kw_only=True):
    """The last frame. `message` is the reply as it is kept: of a cancelled one what was written, if anything was."""

    job_id: str
    state: State
    message: MessageView | None
    error: JobError | None


async def stream_reply(  # noqa: PLR0913 - what a resumption takes
    use: Use, job: Job, *, caller: Caller, leave: Leave, seen: int | None = None, is_new: bool = False
) -> AsyncIterator[bytes]:
    """The reply of a job, for a client that has read up to the number `seen` of a stream of it before.

    A job that `is_new` was written just now: it is told as it was written, and looked at when there is news of it.

    A comment each 15 s keeps the connection open. When the process is about to stop, the stream ends and asks the
    client to come back in a second.
    """
    with use.streams.one(caller):
        async with use.lookout.following(job.id, job.seq) as followed:
            reader = Reader(use.replies, job.id, is_new=is_new)
            with reader.hearing(followed.news):
                if not is_new:
                    await reader.more()
                rest = None if seen is None else reader.back_to(place_of(seen))
                yield RETRY + _snapshot(job, reader)
                if rest:
                    yield _told(reader, rest)
                if is_new:
                    await followed.news.wait(_BEGINS_SECONDS)
                async for piece in _Following(use, job, reader, followed).frames(leave):
                    yield piece


def end_of(job: Job) -> int | None:
    """The number of the last frame of an ended reply; None while it goes on."""
    return None if job.finished_at is None else end_number(int(job.finished_at.timestamp() * 1000))


class _Following:
    """A stream after its first frame."""

    def __init__(self, use: Use, job: Job, reader: Reader, followed: Followed) -> None:
        self._use = use
        self._job: Job | None = job
        self._reader = reader
        self._followed = followed

    async def frames(self, leave: Leave) -> AsyncIterator[bytes]:
        said_at = time.monotonic()
        while True:
            if told := await self._text():
                yield told
                said_at = time.monotonic()
            # while the text grows the job does not end, and need not be read
            if not self._reader.has_grown or self._reader.is_ended:
                await self._look()
            if self._job is None or self._job.is_terminal:
                break
            if self._use.draining.is_set():
                yield RETRY + b"\n"
                return
            if await leave.is_withdrawn():
                yield farewell("you may not read this any more")
                return
            self._reader.has_grown = False
            quiet_for = max(0.0, said_at + _HEARTBEAT_SECONDS - time.monotonic())
            await self._followed.news.wait(min(quiet_for, _AGAIN_SECONDS) if self._reader.is_blind else quiet_for)
            if time.monotonic() - said_at >= _HEARTBEAT_SECONDS:
                yield heartbeat()
                said_at = time.monotonic()
        if self._job is None:
            yield farewell("the reply is kept no more")
            return
        async for piece in _end(self._use, self._job, self._reader):
            yield piece

    async def _text(self) -> bytes | None:
        return None if self._job is None else await _more(self._job, self._reader)

    async def _look(self) -> None:
        assert self._job is not None  # noqa: S101 - the stream ends when it is gone
        try:
            async with self._use.database.read() as tx:
                self._job = await find_job(tx, self._job.tenant_id, self._job.id)
        except Unavailable as error:
            # the answer has begun and cannot become a 503: be quiet until the database is back
            _LOG.warning("reply.unavailable", code=error.code)
        if self._job is not None:
            self._followed.seq = self._job.seq


async def _end(use: Use, job: Job, reader: Reader) -> AsyncIterator[bytes]:
    """What is missing of the text, and how it ended."""
    if told := await _more(job, reader, is_last=True):
        yield told
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


async def _more(job: Job, reader: Reader, *, is_last: bool = False) -> bytes | None:
    begins, added = await reader.more(is_last=is_last)
    if begins:
        return _snapshot(job, reader)
    return reader.delta(added) if added else None


def _told(reader: Reader, rest: str) -> bytes:
    """A delta of what follows what was read."""
    reader.text += rest
    return reader.delta(rest)


def _snapshot(job: Job, reader: Reader) -> bytes:
    asked = msgspec.json.decode(job.input, type=ReplyTo)
    state = job.state if reader.place is None or job.is_terminal else State.RUNNING
    so_far = SoFar(job_id=job.id, state=state, reply_to=asked.message_id, text=reader.text)
    return frame("snapshot", _ENCODER.encode(so_far), reader.number)
