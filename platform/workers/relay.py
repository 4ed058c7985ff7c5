"""The gate: releases due jobs to the broker, and keeps the broker shallow."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from domain.errors import Unavailable
from domain.jobs.fairness import deal
from runtime.broker import Bell, Sender
from runtime.resources import Stores
from storage.database import Tx
from storage.outbox import (
    Due,
    count_sent,
    due_queues,
    due_tenants,
    may_decide_keys,
    promote_due,
    seconds_to_next,
    take_due,
)
from storage.queues import paused_queues
from workers.window import MOST, Window

log: Final = structlog.get_logger()

_MOST_IDS: Final = 100
_LEAST_IDS: Final = 1  # while workers keep up, each job has a message of its own, which Flower shows under its id
_PROMOTED_AT_ONCE: Final = 1000
_POLL_SECONDS: Final = 0.5
_FULL_SECONDS: Final = 0.02
_BROKEN_SECONDS: Final = 1.0
_SEND_WITHIN_SECONDS: Final = 30.0  # the broker is spoken to inside the transaction, and has timeouts of its own


class Relay:
    """Releases what is due, fairly, and no more of it than workers can soon take. Several may run beside each other."""

    def __init__(self, use: Stores, sender: Sender, *, queues: Iterable[str]) -> None:
        self._use = use
        self._known = frozenset(queues)
        self._strange: set[str] = set()
        self._sender = sender
        self._windows: defaultdict[str, Window] = defaultdict(Window)
        self._turn = 0

    async def run(self) -> None:
        """Release for ever, whenever there is news, and look twice a second for what came without news."""
        async with self._use.wakeups.listen_relay() as news:
            is_down = False
            while True:
                try:
                    pause = await self.release()
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

    async def release(self) -> float:
        """Queue what has become due and send what there is room for; answers how long there is nothing to do.

        Raises:
            Unavailable: Postgres or the broker is down; nothing is lost.
        """
        async with self._use.database.begin() as tx:
            promoted = await promote_due(tx, limit=_PROMOTED_AT_ONCE)
            queues = set(await due_queues(tx)) - await paused_queues(tx)
            next_due = await seconds_to_next(tx)
        if promoted:
            self._use.wakeups.tell_jobs(promoted)
        outcomes = [await self._try_queue(queue) for queue in sorted(queues & self._known)]
        for queue in sorted(queues - self._known - self._strange):
            self._strange.add(queue)
            log.error("relay.unknown_queue", queue=queue, hint="its kind is of a newer release; its jobs wait")
        failures = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
        if failures:
            raise failures[0]
        if any(outcome for outcome in outcomes if outcome is not None):
            return 0.0
        if None in outcomes:
            return _FULL_SECONDS
        return _POLL_SECONDS if next_due is None else min(_POLL_SECONDS, max(0.001, next_due))

    async def _try_queue(self, queue: str) -> int | Unavailable | None:
        """What `release_queue` answers, or its failure: one queue's fault must not hold up the others."""
        try:
            return await self.release_queue(queue)
        except Unavailable as error:
            return error

    async def release_queue(self, queue: str) -> int | None:
        """Send due jobs of `queue`, the tenants in turns; answers how many, or None where there is no room.

        They are marked in the transaction that commits after the broker took them: a crash in between sends them
        twice, and the claim turns the second away.
        """
        window = self._windows[queue]
        async with self._use.database.begin(within_seconds=_SEND_WITHIN_SECONDS) as tx:
            room = window.room(await count_sent(tx, queue, most=MOST))
            due = await self._take(tx, queue, room) if room else []
            if due:
                self._use.kill_points.reach("relay.before_publish", (one.job_id for one in due))
                await self._sender.send(queue, pack(due, most_ids=window.size // 4 if len(due) >= room else _LEAST_IDS))
                self._use.kill_points.reach("relay.after_publish", (one.job_id for one in due))
        if not room:
            return None
        window.sent(len(due), room)
        return len(due)

    async def _take(self, tx: Tx, queue: str, room: int) -> list[Due]:
        """Deal the room to the tenants; what some leave unused is dealt again to those who want more."""
        turns = await due_tenants(tx, queue)
        with_keys = await may_decide_keys(tx)
        taken: list[Due] = []
        while turns and len(taken) < room:
            self._turn += 1
            shares = deal(turns, room - len(taken), first=self._turn)
            got = await take_due(tx, queue, shares, with_keys=with_keys)
            taken += got
            counts = Counter(due.tenant_id for due in got)
            turns = [
                turn for turn in turns if turn.tenant_id in shares and counts[turn.tenant_id] == shares[turn.tenant_id]
            ]
        return taken


def pack(due: Sequence[Due], *, most_ids: int) -> list[Bell]:
    """Bells for due jobs in their order, one kind a bell, with up to `most_ids` ids each and never over a hundred."""
    size = max(1, min(_MOST_IDS, most_ids))
    by_kind: dict[str, list[Due]] = {}
    for one in due:
        by_kind.setdefault(one.kind, []).append(one)
    return [
        Bell(
            kind=kind,
            ids=tuple(job.job_id for job in jobs[start : start + size]),
            traceparent=jobs[start].traceparent,
        )
        for kind, jobs in by_kind.items()
        for start in range(0, len(jobs), size)
    ]
