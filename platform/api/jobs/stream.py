"""A job's events as a stream."""

import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Final

import msgspec
import structlog

from api.context import Use
from api.job_view import view_job
from api.lookout import Followed
from api.reply_reader import Reader
from api.sse import HEARTBEAT_SECONDS, RETRY, facts, farewell, frame, heartbeat, joined
from api.streams import Leave
from api.submit import attempts_of
from domain.accounts.user import Caller
from domain.chat.reply import REPLY
from domain.errors import Unavailable
from domain.jobs.events import LAST, Event, EventType
from domain.jobs.job import Job
from storage.events import events_after

_HEARTBEAT_SECONDS: Final = HEARTBEAT_SECONDS
_AT_ONCE: Final = 500

_ENCODER: Final = msgspec.json.Encoder()
_LOG: Final = structlog.stdlib.get_logger(__name__)


async def stream_job(  # noqa: PLR0913 - of what, for whom, from where
    use: Use, job: Job, *, caller: Caller, leave: Leave, after: int, base: str
) -> AsyncIterator[bytes]:
    """The job as it stands, then its events past number `after` as they come, until the last.

    A comment each 15 s keeps the connection open. When the process is about to stop, the stream ends and asks the
    client to come back in a second, with the number of the last event it saw; where `leave` is withdrawn, it ends.
    """
    with use.streams.one(caller):
        view = view_job(job, await attempts_of(use, job), base)
        yield RETRY + frame("snapshot", _ENCODER.encode(view))
        after = min(after, job.seq)  # a number from nowhere must not hide what is still to come
        async with use.lookout.following(job.id, after) as followed:
            reader = Reader(use.replies, job.id) if job.kind == REPLY.name else None
            with nullcontext() if reader is None else reader.hearing(followed.news):
                async for piece in _follow(use, job, followed, leave, reader):
                    yield piece


async def _follow(use: Use, job: Job, followed: Followed, leave: Leave, reader: Reader | None) -> AsyncIterator[bytes]:
    said_at = time.monotonic()
    is_over = job.is_terminal and followed.seq >= job.seq
    while not is_over:
        events = await _events(use, job.id, followed.seq)
        told = [frame(event.type, facts(event), event.seq) for event in events]
        if reader is not None and not (job.is_terminal and followed.seq >= job.seq):
            # before the end of the attempt that wrote it, behind its start
            ends = _ends_from(events)
            told[ends:] = [*await _text(reader, is_last=ends < len(events)), *told[ends:]]
        for piece in joined(told):
            yield piece
            said_at = time.monotonic()
        if events:
            followed.seq = events[-1].seq
        if len(events) == _AT_ONCE:
            continue
        is_over = _is_last(events, job, followed.seq)
        if is_over:
            continue
        if use.draining.is_set():
            yield RETRY + b"\n"
            return
        if await leave.is_withdrawn():
            yield farewell("you may not read this any more")
            return
        await followed.news.wait(max(0.0, said_at + _HEARTBEAT_SECONDS - time.monotonic()))
        if time.monotonic() - said_at >= _HEARTBEAT_SECONDS:
            yield heartbeat()
            said_at = time.monotonic()


async def _events(use: Use, job_id: str, after: int) -> list[Event]:
    try:
        async with use.database.read() as tx:
            return await events_after(tx, job_id, after, limit=_AT_ONCE)
    except Unavailable as error:
        # the answer has begun and cannot become a 503: be quiet until the database is back
        _LOG.warning("events.unavailable", code=error.code)
        return []


async def _text(reader: Reader, *, is_last: bool) -> list[bytes]:
    """What was written of a reply since, in a frame without a number: it is no event that is kept."""
    begins, added = await reader.more(is_last=is_last)
    return [reader.delta(added, numbered=False)] if added or (begins and reader.text) else []


def _ends_from(events: list[Event]) -> int:
    """Where among the events the first is that ends the last attempt, or the job."""
    ends = {*LAST, EventType.RETRYING, EventType.QUEUED}
    return next((at for at, event in reversed(list(enumerate(events))) if event.type not in ends), -1) + 1


def _is_last(events: list[Event], job: Job, after: int) -> bool:
    """Whether nothing follows. A job that was queued again by hand goes on after its terminal event."""
    return (events[-1].type in LAST and after >= job.seq) if events else job.is_terminal
