"""The gate: releases due jobs to the broker, and keeps the broker shallow."""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from math import ceil
from typing import Final

import structlog

from domain.errors import Unavailable
from runtime.broker import Bell, Sender
from runtime.resources import Stores
from storage.outbox import Due, count_sent, due_queues, promote_due, seconds_to_next, take_due

log: Final = structlog.get_logger()

WINDOW: Final = 1000
"""Ids of a queue that may be with the broker, unclaimed: enough to keep workers busy, few enough to stay in charge."""

# a full window is refilled in handfuls: a few large messages cost less than many small ones
_REFILL: Final = WINDOW // 4
_MOST_IDS: Final = 100
_FEW: Final = 8
_PROMOTED_AT_ONCE: Final = 1000
_POLL_SECONDS: Final = 0.5
_FULL_SECONDS: Final = 0.02
_BROKEN_SECONDS: Final = 1.0


async def relay_forever(use: Stores, sender: Sender) -> None:
    """Release what is due, whenever there is news of it, and look twice a second for what came without news."""
    async with use.wakeups.listen_relay() as news:
        is_down = False
        while True:
            try:
                pause = await relay_once(use, sender)
            except Unavailable as error:
                if not is_down:
                    log.warning("relay.waiting", reason=error.detail)
                is_down = True
                await asyncio.sleep(_BROKEN_SECONDS)
                continue
            if is_down:
                is_down = False
                log.info("relay.back")
            if pause > 0:
                await news.wait(pause)


async def relay_once(use: Stores, sender: Sender) -> float:
    """Queue what has become due and send what there is room for; answers how long there is nothing to do, in seconds.

    Raises:
        Unavailable: Postgres or the broker is down; nothing is lost.
    """
    async with use.database.begin() as tx:
        promoted = await promote_due(tx, limit=_PROMOTED_AT_ONCE)
        queues = await due_queues(tx)
        next_due = await seconds_to_next(tx)
    if promoted:
        use.wakeups.tell_jobs(promoted)
    sent = [await relay_queue(use, sender, queue) for queue in queues]
    if any(sent):
        return 0.0
    if queues:
        return _FULL_SECONDS
    return _POLL_SECONDS if next_due is None else min(_POLL_SECONDS, max(0.001, next_due))


async def relay_queue(use: Stores, sender: Sender, queue: str) -> int:
    """Send the most urgent due jobs of `queue`, up to the window; answers how many.

    They are marked in the transaction that commits after the broker took them: a crash in between sends them twice,
    and the claim turns the second away.
    """
    async with use.database.begin() as tx:
        room = WINDOW - await count_sent(tx, queue, most=WINDOW)
        if room < _REFILL:
            return 0
        due = await take_due(tx, queue, limit=room)
        if due:
            use.kill_points.reach("relay.before_publish")
            await sender.send(queue, pack(due, has_backlog=len(due) == room))
            use.kill_points.reach("relay.after_publish")
    return len(due)


def pack(due: Sequence[Due], *, has_backlog: bool) -> list[Bell]:
    """Bells for due jobs, one kind a bell: one id each while there are few, as many as they may when more wait."""
    size = _MOST_IDS if has_backlog else min(_MOST_IDS, ceil(len(due) / _FEW))
    bells = []
    for kind, of_kind in groupby(sorted(due, key=lambda one: one.kind), key=lambda one: one.kind):
        jobs = list(of_kind)
        bells += [
            Bell(
                kind=kind,
                ids=tuple(job.job_id for job in jobs[start : start + size]),
                traceparent=jobs[start].traceparent,
            )
            for start in range(0, len(jobs), size)
        ]
    return bells
