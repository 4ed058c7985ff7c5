"""Takes jobs back from dead workers, sends lost messages again, ends what came too late."""

import asyncio
from typing import Final

import structlog

from domain.accounts.user import Caller
from domain.errors import Unavailable
from domain.jobs.job import new_job
from domain.jobs.retry import RetryPolicy
from domain.jobs.verdict import Crashed, judge
from domain.text.economize import ECONOMIZE, Economize, gatherer_of, stoppers_of
from runtime.resources import Stores
from storage.economy import take_left
from storage.jobs import Settlement, expire_jobs, settle_jobs, submit_jobs, take_lapsed
from storage.once import prune_keys
from storage.outbox import put_back_lost
from storage.queues import Unheard, unheard_queues
from storage.workers import forget_workers
from workers.figures import RelayFigures
from workers.settle import tell_settled

log: Final = structlog.get_logger()

_AT_ONCE: Final = 500
_MOST_OPEN: Final = 10_000
_FORGET_SECONDS: Final = 3600.0
_UNHEARD_SENDS: Final = 3  # three times the resend time after the first: 45 s by default


async def rescue_forever(
    use: Stores, figures: RelayFigures, *, resend_seconds: float, every_seconds: float, grace_seconds: float
) -> None:
    """Rescue on a clock; several may run, for each row is one's at a time.

    After Postgres was away, workers have `grace_seconds` to say that they live.
    """
    unheard: frozenset[str] = frozenset()
    while True:
        try:
            with figures.going_round("rescue"):
                figures.moved("rescued", await rescue_lapsed(use, up_seconds=grace_seconds))
                figures.moved("sent_again", await resend_lost(use, resend_seconds=resend_seconds))
                unheard = await tell_unheard(use, unheard, seen_seconds=grace_seconds * 2)
                figures.moved("expired", await expire_late(use))
                await stop_left(use)
                async with use.database.begin() as tx:
                    await forget_workers(tx, silent_seconds=_FORGET_SECONDS)
                async with use.database.begin() as tx:
                    await prune_keys(tx, limit=_AT_ONCE)
        except Unavailable as error:
            log.warning("rescue.waiting", reason=error.detail)
            await asyncio.sleep(grace_seconds)
        except Exception as error:
            # one duty's fault must not end the others, nor the relay beside them
            log.exception("rescue.failed", error=type(error).__name__)
        await asyncio.sleep(every_seconds)


async def rescue_lapsed(use: Stores, *, up_seconds: float = 0) -> int:
    """Judge the attempts whose lease ran out as crashed; answers how many. None if Postgres came up only just now."""
    async with use.database.begin() as tx:
        lapsed = await take_lapsed(tx, limit=_AT_ONCE, up_seconds=up_seconds)
        use.kill_points.reach("rescue.after_select", (job.id for job in lapsed))
        settled = await settle_jobs(
            tx,
            [
                Settlement(
                    job_id=job.id,
                    lease=job.lease or "",
                    # a crash goes back to the queue without a wait: no kind's policy is asked
                    verdict=judge(job, Crashed(job.worker or "unknown"), retry=RetryPolicy(), spread=0),
                )
                for job in lapsed
            ],
        )
    for job in settled:
        log.warning("job.rescued", job_id=job.id, crashes=job.crashes, state=job.state.value)
    if settled:
        tell_settled(use, settled)
    return len(settled)


async def resend_lost(use: Stores, *, resend_seconds: float) -> int:
    """Make due again what was sent and not claimed in time; answers how many."""
    async with use.database.begin() as tx:
        lost = await put_back_lost(tx, resend_seconds=resend_seconds, limit=_AT_ONCE)
    if lost:
        log.warning("outbox.sent_again", jobs=len(lost))
        use.wakeups.ring_relay()
    return len(lost)


async def tell_unheard(use: Stores, known: frozenset[str], *, seen_seconds: float) -> frozenset[str]:
    """Say of which queues nobody takes jobs, each once; `known` are those it was said of, the answer those to know."""
    async with use.database.read() as tx:
        found = await unheard_queues(tx, sends=_UNHEARD_SENDS, seen_seconds=seen_seconds)
    for one in found:
        if one.queue not in known:
            log.error("queue.unheard", queue=one.queue, jobs=one.jobs, workers=one.workers, hint=_hint(one))
    for queue in sorted(known - {one.queue for one in found}):
        log.info("queue.heard", queue=queue)
    return frozenset(one.queue for one in found)


async def stop_left(use: Stores) -> int:
    """Have ended what jobs that gather texts left under way, where they were cancelled or failed; answers how many."""
    async with use.database.begin() as tx:
        left = await take_left(tx, seen_to_by=gatherer_of, ended_by=stoppers_of, limit=_MOST_OPEN)
        await submit_jobs(
            tx,
            [
                new_job(
                    ECONOMIZE,
                    Economize(batch_id=one.batch_id, stop=True),
                    Caller(tenant_id=one.tenant_id, user_id=one.caller_id, permissions=frozenset()),
                    job_id=one.next_id,
                    parent_id=one.job_id,
                    request_id=one.request_id,
                    traceparent=one.traceparent,
                )
                for one in left
            ],
        )
    for one in left:
        log.warning("economy.left", batch_id=one.batch_id, job_id=one.job_id)
    if left:
        use.wakeups.ring_relay()
    return len(left)


def _hint(unheard: Unheard) -> str:
    if unheard.workers:
        return "its workers have room and do not claim them: they are deaf, or of an older release"
    return "no worker takes this queue: start one"


async def expire_late(use: Stores) -> int:
    """End waiting jobs whose time to start has passed; answers how many."""
    async with use.database.begin() as tx:
        expired = await expire_jobs(tx, limit=_AT_ONCE)
    if expired:
        tell_settled(use, expired)
    return len(expired)
