"""The life of an attempt: open, hold, attempt, close."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog

from domain.errors import HeadraceError
from domain.jobs.job import Job, JobError
from domain.jobs.state import State
from domain.jobs.verdict import (
    Failed,
    GivenBack,
    Outcome,
    Retry,
    Stopped,
    Succeeded,
    judge,
    outcome_of,
    timed_out,
)
from runtime.resources import Resources
from runtime.unique_ids import new_id
from storage.jobs import Settlement, claim_jobs, settle_jobs
from storage.outbox import put_back
from workers.abandoned import Abandoned
from workers.context import Context, LeaseLost
from workers.figures import WorkerFigures
from workers.handlers import Binding
from workers.lease import Leases, StopReason, Watch
from workers.settle import Settler, tell_settled
from workers.slots import Slots

log: Final = structlog.get_logger()

_ENCODER: Final = msgspec.json.Encoder()
# who watches a job wants to know that it runs; sooner would take the processor from what it does first
_TOLD_WITHIN_SECONDS: Final = 0.01
_STOP_SECONDS: Final = 5.0  # what a handler gets to end itself once it is cut off


@dataclass(kw_only=True)
class Bench:
    """Where a worker process works: its handlers, its room, its leases, and how it writes."""

    use: Resources
    handlers: Mapping[str, Binding[Any, Any]]
    slots: Slots
    leases: Leases
    settler: Settler
    abandoned: Abandoned = field(default_factory=Abandoned)
    figures: WorkerFigures = field(default_factory=WorkerFigures)
    is_draining: bool = False
    spread: random.Random = field(default_factory=random.SystemRandom)


async def execute(ids: Sequence[str], bench: Bench, *, in_front: bool = False) -> list[str]:
    """Run the jobs named, as many at once as there is room for; returns when each has ended or is not ours.

    Answers with the codes of the attempts that failed, whether they are tried again or not.
    """
    bench.use.kill_points.reach("worker.after_pop", ids)
    waiting = list(ids)
    running: list[asyncio.Task[str | None]] = []
    async with asyncio.TaskGroup() as attempts:
        while waiting:
            room = await bench.slots.take(len(waiting), in_front=in_front)
            chosen, waiting = waiting[:room], waiting[room:]
            jobs: list[Job] = []
            try:
                jobs = await open_attempts(chosen, bench)
            finally:
                bench.slots.give(room - len(jobs))
            running += [attempts.create_task(run_attempt(job, bench)) for job in jobs]
    bench.use.kill_points.reach("worker.before_ack", ids)
    return [code for attempt in running if (code := attempt.result()) is not None]


async def open_attempts(ids: Sequence[str], bench: Bench) -> list[Job]:
    """Claim what is queued among `ids`. The rest was claimed before, cancelled, or is doubled: not ours."""
    began = time.perf_counter()
    try:
        # one statement either way: between a message and its job's beginning, round trips are what there is to wait for
        async with bench.use.database.alone() as tx:
            if bench.is_draining or not bench.leases.is_fresh:
                await put_back(tx, ids)
                bench.figures.left(len(ids), "put_back")
                return []
            jobs = await claim_jobs(
                tx,
                ids,
                worker=bench.leases.worker,
                lease=new_id("lease"),
                lease_seconds=bench.leases.lease_seconds,
                kinds=bench.handlers,
            )
    except Exception as error:
        # they stay in the outbox as sent, and are sent again; the message's others go on
        log.exception("claim.failed", jobs=len(ids), error=type(error).__name__)
        bench.figures.left(len(ids), "failed")
        return []
    bench.figures.claimed(len(jobs), of=len(ids), seconds=time.perf_counter() - began)
    bench.use.wakeups.tell_jobs([job.id for job in jobs], within_seconds=_TOLD_WITHIN_SECONDS)
    bench.use.kill_points.reach("worker.after_claim", (job.id for job in jobs))
    return jobs


async def run_attempt(job: Job, bench: Bench) -> str | None:
    """One attempt, from its claimed lease to its settled end; answers with its error's code, if it failed.

    It stands on one slot, which it gives back.
    """
    with structlog.contextvars.bound_contextvars(
        job_id=job.id, kind=job.kind, attempt=job.attempt, request_id=job.request_id
    ):
        context = Context(job, bench.use)
        began = ended = time.perf_counter()
        try:
            outcome = await attempt(job, context, bench)
            ended = time.perf_counter()
            state = await close_attempt(job, context, outcome, bench)
            settling = time.perf_counter() - ended
            bench.figures.attempted(job.kind, state, seconds=ended - began, settling_seconds=settling)
            return outcome.error.code if isinstance(outcome, Failed) else None
        except Exception as error:
            # nothing was written: its lease lapses, and rescue takes the job back; its message's others go on
            log.exception("attempt.not_settled", error=type(error).__name__)
            bench.figures.not_settled(job.kind, seconds=ended - began)
            return "not_settled"
        finally:
            await context.end()
            bench.slots.give(1)


async def attempt(job: Job, context: Context, bench: Bench) -> Outcome | None:
    """Run the handler under its lease and its timeout; None: the lease is lost, and nothing is to be written."""
    handler = asyncio.create_task(_handle(bench.handlers[job.kind], job, context), name=job.id)
    async with bench.leases.keep(job, handler) as watch:
        ends: set[asyncio.Future[Any]] = {handler, watch.stopped}
        await asyncio.wait(ends, timeout=job.timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        if not handler.done():
            watch.stop(StopReason.TIMED_OUT)  # unless it was stopped for another reason
            await asyncio.wait({handler}, timeout=_STOP_SECONDS)
        if not handler.done():
            log.error("attempt.ignored_cancellation", reason=watch.reason, after_seconds=_STOP_SECONDS)
            bench.abandoned.add(handler)
    return _outcome_of(job, context, handler, watch)


async def close_attempt(job: Job, context: Context, outcome: Outcome | None, bench: Bench) -> State | None:
    """Judge the outcome and write it, if the lease still holds; answers what the job is now, None if it does not."""
    if outcome is None:
        return None
    settlement = _judged(job, outcome, bench)
    if context.settling_tx is not None and isinstance(outcome, Succeeded):
        return await _settle_with_effects(context, settlement, bench)
    await context.roll_back()
    if await bench.settler.settle(settlement) is None:
        log.warning("attempt.fenced", lease=job.lease)
        return None
    return settlement.verdict.state


async def _settle_with_effects(context: Context, settlement: Settlement, bench: Bench) -> State | None:
    """Settle in the transaction the handler left open: its effects, the result and the follow-ups are one.

    Answers what the job is now; None: its lease was lost, and nothing was written.
    """
    tx = context.settling_tx
    assert tx is not None  # noqa: S101 - asked by the only caller
    try:
        settled = await settle_jobs(tx, [settlement])
        if not settled:
            await context.roll_back()
            log.warning("attempt.fenced", lease=settlement.lease)
            return None
        await context.commit()
    except Exception as error:  # noqa: BLE001 - judged as what a handler raises is
        await context.roll_back()
        # whether the commit arrived is unknown: if it did, the lease is gone and this write is refused
        settlement = _judged(context.job, outcome_of(error), bench)
        return None if await bench.settler.settle(settlement) is None else settlement.verdict.state
    bench.use.kill_points.reach("job.after_effect_commit", (context.job.id,))
    tell_settled(bench.use, settled, follow_ups=context.follow_ups)
    return settlement.verdict.state


def _judged(job: Job, outcome: Outcome, bench: Bench) -> Settlement:
    verdict = judge(job, outcome, retry=bench.handlers[job.kind].kind.retry, spread=bench.spread.random())
    return Settlement(job_id=job.id, lease=job.lease or "", verdict=verdict)


async def _handle(binding: Binding[Any, Any], job: Job, context: Context) -> bytes:
    try:
        given = msgspec.json.decode(job.input, type=binding.kind.input)
    except msgspec.ValidationError as error:
        raise Retry(f"The input no longer fits the kind: {error}", code="input_mismatch") from None
    said = await binding.handler(given, context)
    if context.settling_tx is None:
        context.use.kill_points.reach("job.after_outside_call", (job.id,))
    return _ENCODER.encode(said)


def _outcome_of(job: Job, context: Context, handler: "asyncio.Task[bytes]", watch: Watch) -> Outcome | None:
    if handler.done() and not handler.cancelled():
        error = handler.exception()
        if error is None:
            return Succeeded(handler.result(), context.usage)
        if isinstance(error, LeaseLost):
            return None
        if watch.reason is None:
            return _raised(error)
    return _outcome_of_stop(job, watch.reason)


def _outcome_of_stop(job: Job, reason: StopReason | None) -> Outcome | None:
    match reason:
        case StopReason.LOST:
            return None
        case StopReason.CANCELLED:
            return Stopped()
        case StopReason.STOPPING | StopReason.SILENT:
            return GivenBack()
        case StopReason.TIMED_OUT:
            return timed_out(job)
        case None:
            return Failed(
                error=JobError(
                    code="cancelled_itself",
                    title="The handler cancelled itself",
                    detail="The handler was cancelled from within.",
                    retryable=True,
                )
            )


def _raised(error: BaseException) -> Failed:
    if isinstance(error, HeadraceError):
        log.info("attempt.failed", code=getattr(error, "reason", error.code), detail=error.detail)
    else:
        log.error("attempt.raised", error=type(error).__name__, exc_info=error)
    return outcome_of(error)
