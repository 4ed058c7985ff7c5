"""Streams of events, taken up again where they broke off, over lost connections and restarts of the API."""

from asyncio import sleep
from collections.abc import AsyncGenerator
from typing import Final

from msgspec import structs

from headrace._aio.http import AsyncConnection
from headrace.errors import HeadraceError
from headrace.events import Event, EventReader, Place
from headrace.replying import ReplyStory
from headrace.requests import Request, ask, segment
from headrace.retrying import Waiting

# A heartbeat comes each 15 s: who has heard nothing for three of them is alone.
_SILENCE_SECONDS: Final = 45.0
_PAUSE_SECONDS: Final = 0.2


def job_events(
    connection: AsyncConnection, job_id: str, *, timeout: float | None = None, after: str | int | None = None
) -> AsyncGenerator[Event]:
    """What happens to one job, until its end."""
    query = {"after": None if after is None else str(after)}
    request = ask("GET", f"/v1/jobs/{segment(job_id)}/events", query=query)
    return follow(connection, request, Place(is_of_one_job=True), timeout=timeout, what=job_id)


async def follow(
    connection: AsyncConnection, request: Request, place: Place | ReplyStory, *, timeout: float | None, what: str
) -> AsyncGenerator[Event]:
    """What `request` streams, each event once; until `place` is where the story is over, if it has an end.

    Raises:
        ApiError: there is no such thing, or not for this caller.
        Unreachable: nothing has answered for a minute; at the beginning at once, if the client makes no retries.
        WaitTimedOut: `timeout` seconds have passed.
    """
    waiting = Waiting(timeout, what)
    has_begun = has_heard = False
    while True:
        reader = EventReader()
        headers = {**request.headers, **({"Last-Event-ID": place.last_id} if place.last_id else {})}
        try:
            resumed = structs.replace(request, headers=headers)
            async with connection.stream(resumed, silence=max(0.001, waiting.left(_SILENCE_SECONDS))) as pieces:
                has_begun = True
                async for piece in pieces:
                    waiting.heard()
                    has_heard = True
                    for event in reader.feed(piece):
                        if place.hears(event):
                            yield event
                    place.passes(reader.searched_id)
                    waiting.check()
            if not has_heard:
                place.hears_nothing()
            pause = reader.retry_seconds or _PAUSE_SECONDS
        except HeadraceError as failure:
            # Who makes no retries is told at once that nobody is there; what has begun is carried on all the same.
            if not has_begun and not connection.max_retries:
                raise
            # A stream that broke off after its last event has told all.
            pause = 0.0 if place.is_over else waiting.pause_after(failure)
        if place.is_over:
            return
        waiting.check()
        await sleep(waiting.left(pause))
