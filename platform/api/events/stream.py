"""The events of a tenant's jobs as a stream."""

import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from api.context import Use
from api.job_view import Time
from api.sse import HEARTBEAT_SECONDS, RETRY, farewell, frame, heartbeat, joined
from api.streams import Leave
from api.tail import Following
from domain.accounts.user import Caller
from domain.errors import Unavailable
from domain.jobs.events import EventFilter

_HEARTBEAT_SECONDS: Final = HEARTBEAT_SECONDS

_ENCODER: Final = msgspec.json.Encoder()
_LOG: Final = structlog.stdlib.get_logger(__name__)


class Beginning(Struct, frozen=True, kw_only=True):
    """The first frame: events past number `after` follow, of which `newest` is the last so far.

    What `GET /v1/jobs` answers after this frame came holds all that happened up to it, at least.
    """

    after: int
    newest: int
    at: Time


async def stream_tenant(
    use: Use, wanted: Sequence[EventFilter], *, caller: Caller, leave: Leave, seen: int | None
) -> AsyncIterator[bytes]:
    """Where the stream begins, then the tenant's events that all of `wanted` want, past number `seen`, as they come.

    None: those from now on. A comment each 15 s keeps the connection open. When the process is about to stop, the
    stream ends and asks the client to come back in a second; where `leave` is withdrawn, it ends.
    """
    with use.streams.one(caller):
        async with use.tail.following(caller.tenant_id) as following:
            async for piece in _follow(use, wanted, following, leave=leave, seen=seen):
                yield piece


async def _follow(
    use: Use, wanted: Sequence[EventFilter], following: Following, *, leave: Leave, seen: int | None
) -> AsyncIterator[bytes]:
    place: int | None = None
    said_at = time.monotonic()
    while not use.draining.is_set():
        if await leave.is_withdrawn():
            yield farewell("you may not read this any more")
            return
        if place is None and following.newest is not None:
            place = following.place(seen)
            begins = Beginning(after=place, newest=following.newest, at=datetime.now(UTC))
            yield RETRY + frame("snapshot", _ENCODER.encode(begins), place)
        if place is not None:
            frames, reached = await _after(following, place, wanted)
            for piece in joined(frames):
                yield piece
                said_at = time.monotonic()
            is_behind, place = reached > place, reached
            if is_behind:
                continue
        await following.news.wait(max(0.0, said_at + _HEARTBEAT_SECONDS - time.monotonic()))
        if time.monotonic() - said_at >= _HEARTBEAT_SECONDS:
            # with the number, so that a client who comes back need not be searched anew for what it does not want
            yield heartbeat(place)
            said_at = time.monotonic()
    yield RETRY + b"\n"


async def _after(following: Following, place: int, wanted: Sequence[EventFilter]) -> tuple[list[bytes], int]:
    try:
        return await following.after(place, wanted)
    except Unavailable as error:
        # the answer has begun and cannot become a 503: be quiet until the database is back
        _LOG.warning("events.unavailable", code=error.code)
        return [], place
