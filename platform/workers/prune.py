"""Takes away what ended longer ago than it is kept, in small steps beside everything else."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import structlog
from msgspec import Struct, structs

from domain.errors import Unavailable
from domain.jobs.retention import AT_ONCE
from runtime.resources import Stores
from storage.database import Tx
from storage.logins import prune_attempts
from storage.retention import (
    forget_pruned,
    prune_batches,
    prune_bulk_actions,
    prune_deliveries,
    prune_domain_events,
    prune_jobs,
    prune_schedule_runs,
)
from storage.sessions import prune_sessions, prune_tokens
from workers.figures import RelayFigures

log: Final = structlog.get_logger()

_EVERY_SECONDS: Final = 60.0
_BROKEN_SECONDS: Final = 5.0


class Round(Struct, frozen=True, kw_only=True):
    """What one round of pruning took away."""

    jobs: int = 0
    batches: int = 0
    bulk_actions: int = 0
    deliveries: int = 0


async def prune_forever(use: Stores, figures: RelayFigures, *, retention_days: int) -> None:
    """Prune on a clock; several may run, for each row is one's at a time."""
    while True:
        pause = _EVERY_SECONDS
        try:
            with figures.going_round("prune"):
                done = await prune(use, retention_days=retention_days)
            figures.moved("pruned", done.jobs)
        except Unavailable as error:
            log.warning("prune.waiting", reason=error.detail)
            pause = _BROKEN_SECONDS
        except Exception as error:
            # one duty's fault must not end the others, nor the relay beside them
            log.exception("prune.failed", error=type(error).__name__)
        await asyncio.sleep(pause)


async def prune(use: Stores, *, retention_days: int) -> Round:
    """Prune until nothing old is left: jobs, then what they leave behind: batches, deliveries; and bulk actions.

    Domain events and runs of schedules go after as many days. What has expired of sessions and failed logins goes too,
    however long jobs are kept.

    Each step is a transaction, and followed by as long a rest as it took: who dies in between has done whole steps or
    nothing, and whoever comes next goes on.
    """
    jobs = await _prune_jobs(use, retention_days)
    batches = await _repeat(use, prune_batches, retention_days)
    bulk_actions = await _repeat(use, prune_bulk_actions, retention_days)
    deliveries = await _repeat(use, prune_deliveries, retention_days)
    for step in (prune_domain_events, prune_schedule_runs, forget_pruned, prune_tokens, prune_sessions, prune_attempts):
        await _repeat(use, step, retention_days)
    done = Round(jobs=jobs, batches=batches, bulk_actions=bulk_actions, deliveries=deliveries)
    if done != Round():
        log.info("prune.done", **structs.asdict(done), kept_days=retention_days)
    return done


async def _prune_jobs(use: Stores, retention_days: int) -> int:
    since: datetime | None = None

    async def take(tx: Tx, *, days: int, limit: int) -> int:
        nonlocal since
        step = await prune_jobs(tx, days=days, limit=limit, since=since)
        since = step.last
        return step.jobs

    return await _repeat(use, take, retention_days)


async def _repeat(use: Stores, step: Callable[..., Awaitable[int]], retention_days: int) -> int:
    """Take one step after the other, each in a transaction of its own, until one is not full; answers with the sum."""
    pruned = 0
    while True:
        began = time.monotonic()
        async with use.database.begin() as tx:
            taken = await step(tx, days=retention_days, limit=AT_ONCE)
            if taken:
                use.kill_points.reach("prune.before_commit")
        pruned += taken
        if taken < AT_ONCE:
            return pruned
        await asyncio.sleep(time.monotonic() - began)
