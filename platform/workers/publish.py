"""Publishes domain events to Redis Streams, in the order in which they were written, each at least once."""

import asyncio
from typing import Final

import structlog

from domain.errors import Unavailable
from runtime.event_streams import EventStreams
from runtime.resources import Stores
from storage.unpublished import may_publish, note_published, unpublished
from workers.figures import RelayFigures

log: Final = structlog.get_logger()

_AT_ONCE: Final = 200
_POLL_SECONDS: Final = 0.5
_BROKEN_SECONDS: Final = 1.0


async def publish_forever(use: Stores, streams: EventStreams, figures: RelayFigures) -> None:
    """Publish as it comes; several may run, of which one publishes at a time."""
    is_down = False
    while True:
        pause = _POLL_SECONDS
        try:
            with figures.going_round("publish"):
                pause = 0.0 if await publish(use, streams) else _POLL_SECONDS
            if is_down:
                log.info("domain_events.published_again")
            is_down = False
        except Unavailable as error:
            if not is_down:
                log.warning("domain_events.unpublished", reason=error.detail)
            is_down, pause = True, _BROKEN_SECONDS
        except Exception as error:
            # one duty's fault must not end the others, nor the relay beside them
            log.exception("publish.failed", error=type(error).__name__)
            pause = _BROKEN_SECONDS
        await asyncio.sleep(pause)


async def publish(use: Stores, streams: EventStreams) -> int:
    """Publish the oldest that are still to be, a few hundred at most; answers how many.

    They are noted as published in the transaction that commits after Redis took them: a crash in between publishes
    them twice.

    Raises:
        Unavailable: Postgres or Redis is down; they are published later.
    """
    async with use.database.begin() as tx:
        if not await may_publish(tx):
            return 0
        events = await unpublished(tx, limit=_AT_ONCE)
        if events:
            await streams.publish(events)
            use.kill_points.reach("event.after_publish")
            await note_published(tx, [event.id for event in events])
    return len(events)
