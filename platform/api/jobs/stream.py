"""A job's events as Server-Sent Events (WHATWG HTML, section 9.2)."""

import time
from collections.abc import AsyncIterator
from typing import Final

import msgspec
import structlog

from api.context import Use
from api.job_view import view_job
from api.submit import attempts_of
from domain.errors import Unavailable
from domain.jobs.events import LAST, Event
from domain.jobs.job import Job
from runtime.wakeups import News
from storage.events import events_after

MEDIA_TYPE: Final = "text/event-stream"
_HEARTBEAT_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 1.0
_AT_ONCE: Final = 500

_ENCODER: Final = msgspec.json.Encoder()
_LOG: Final = structlog.stdlib.get_logger(__name__)


async def stream_job(use: Use, job: Job, *, user_id: str, after: int, base: str) -> AsyncIterator[bytes]:
    """The job as it stands, then its events past number `after` as they come, until the last.

    A comment each 15 s keeps the connection open. When the process is about to stop, the stream ends and asks the
    client to come back in a second, with the number of the last event it saw.
    """
    with use.streams.one(user_id):
        async with use.wakeups.listening(job.id) as news:
            async for frame in _follow(use, job, news, after=after, base=base):
                yield frame


async def _follow(use: Use, job: Job, news: News, *, after: int, base: str) -> AsyncIterator[bytes]:
    view = view_job(job, await attempts_of(use, job), base)
    yield _frame("snapshot", _ENCODER.encode(view))
    said_at = time.monotonic()
    after = min(after, job.seq)  # a number from nowhere must not hide what is still to come
    is_over = job.is_terminal and after >= job.seq
    while not is_over:
        events = await _events(use, job.id, after)
        for event in events:
            yield _frame(event.type, _data(event), event.seq)
            after, said_at = event.seq, time.monotonic()
        if len(events) == _AT_ONCE:
            continue
        is_over = _is_last(events, job, after)
        if is_over:
            continue
        if use.draining.is_set():
            yield b"retry: 1000\n\n"
            return
        await news.wait(_POLL_SECONDS)
        if time.monotonic() - said_at >= _HEARTBEAT_SECONDS:
            yield b": still here\n\n"
            said_at = time.monotonic()


async def _events(use: Use, job_id: str, after: int) -> list[Event]:
    try:
        async with use.database.read() as tx:
            return await events_after(tx, job_id, after, limit=_AT_ONCE)
    except Unavailable as error:
        # the answer has begun and cannot become a 503: be quiet until the database is back
        _LOG.warning("events.unavailable", code=error.code)
        return []


def _is_last(events: list[Event], job: Job, after: int) -> bool:
    """Whether nothing follows. A job that was queued again by hand goes on after its terminal event."""
    return (events[-1].type in LAST and after >= job.seq) if events else job.is_terminal


def _data(event: Event) -> bytes:
    told = event.data.strip()
    more = b"" if told == b"{}" else b"," + told[1:-1]
    return b'{"job_id":"%b","at":%b%b}' % (event.job_id.encode(), _ENCODER.encode(event.at), more)


def _frame(name: str, data: bytes, number: int | None = None) -> bytes:
    lines = [b"event: " + name.encode()]
    if number is not None:
        lines.append(b"id: %d" % number)
    lines += [b"data: " + line for line in data.splitlines()]
    return b"\n".join(lines) + b"\n\n"
