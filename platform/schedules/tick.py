"""A tick: what is due becomes jobs, and every schedule moves on to its next firing, in one transaction.

Any number of beats may tick at once. Each takes only schedules no other is at, and the record of firings, keyed by
(schedule, time), has the last word: a firing is one job, whoever saw it due.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfoNotFoundError

import structlog
from msgspec import Struct
from msgspec.structs import replace

from domain.catalog import UnknownKind
from domain.ids import JobId
from domain.jobs.job import NewJob
from domain.schedules.firing import ScheduledJobRefused, make_job
from domain.schedules.schedule import RunOutcome, Schedule, ScheduleRun, firing_id
from domain.schedules.timetable import decide, find_due, jitter_of
from providers.cron import CronInvalid, next_wall
from runtime.kill_points import KillPoints
from runtime.wakeups import Wakeups
from storage.database import Database, Tx
from storage.jobs import cancel_job, submit_jobs
from storage.schedules import (
    Advance,
    advance,
    database_now,
    live_jobs,
    record_runs,
    seconds_to_next,
    take_due,
)

AT_ONCE: Final = 50
"""Schedules a transaction."""

_BRIEFLY: Final = 0.02  # seconds: another beat is at what is overdue, and about to commit

_LOG: Final = structlog.stdlib.get_logger(__name__)


class Plan(Struct, frozen=True, kw_only=True):
    """What one tick does with one schedule."""

    runs: tuple[ScheduleRun, ...]
    jobs: tuple[NewJob, ...]
    cancel: tuple[str, ...]
    advance: Advance


async def tick(
    database: Database,
    wakeups: Wakeups,
    *,
    kill_points: KillPoints | None = None,
    on_fired: Callable[[Iterable[RunOutcome]], None] = lambda _: None,
) -> float | None:
    """Submit every job that is due; answers how many seconds later the next is, None when nothing is to come.

    `on_fired` is told what became of firings once that is written.

    Raises:
        DatabaseDown: Postgres does not answer; what was not committed is due still.
    """
    points = kill_points or KillPoints()
    while True:
        async with database.begin() as tx:
            plans = await _fire(tx, points)
        points.reach("beat.after_insert", (job.kind for plan in plans for job in plan.jobs))
        on_fired(run.outcome for plan in plans for run in plan.runs)
        for plan in plans:
            _LOG.info("schedule.fired", schedule_id=plan.advance.schedule_id, jobs=len(plan.jobs), runs=len(plan.runs))
        if any(plan.jobs for plan in plans):
            wakeups.ring_relay()
        cancelled = [job_id for plan in plans for job_id in plan.cancel]
        if cancelled:
            wakeups.tell_cancelled(cancelled)
            wakeups.tell_jobs(cancelled)
        if len(plans) < AT_ONCE:
            break
    async with database.read() as connection:
        seconds = await seconds_to_next(connection)
    return None if seconds is None else max(_BRIEFLY, seconds)


def plan_firings(schedule: Schedule, live: list[str], now: datetime) -> Plan:
    """What a schedule that is due at `now` does, given the ids of its live jobs."""
    next_at = schedule.next_at or now
    try:
        due = find_due(schedule.timing, schedule.catch_up, next_at, now, next_wall)
    except (ZoneInfoNotFoundError, CronInvalid, ValueError) as error:
        _LOG.exception("schedule.unreadable", schedule_id=schedule.id)
        run = _run(schedule, next_at, RunOutcome.REFUSED, detail=f"Paused: when it fires cannot be told ({error}).")
        return Plan(runs=(run,), jobs=(), cancel=(), advance=Advance(schedule_id=schedule.id, next_at=None, pause=True))
    runs: list[ScheduleRun] = []
    jobs: list[NewJob] = []
    cancels = False
    if due.missed is not None:
        detail = f"Nothing ticked when it was due; seen at {now:%Y-%m-%dT%H:%M:%SZ}."
        runs.append(_run(schedule, due.missed, RunOutcome.MISSED, detail=detail))
    for firing in decide(schedule.overlap, due.fires, has_live=bool(live)):
        if firing.outcome is RunOutcome.SKIPPED:
            runs.append(_run(schedule, firing.fire_at, RunOutcome.SKIPPED, detail="An earlier job was still live."))
            continue
        try:
            job = _job(schedule, firing.fire_at)
        except (UnknownKind, ScheduledJobRefused) as error:
            runs.append(_run(schedule, firing.fire_at, RunOutcome.REFUSED, detail=error.detail))
            continue
        runs.append(_run(schedule, firing.fire_at, RunOutcome.SUBMITTED, job_id=job.id))
        jobs.append(job)
        cancels = cancels or firing.cancels
    return Plan(
        runs=tuple(runs),
        jobs=tuple(jobs),
        cancel=tuple(live) if cancels else (),
        advance=Advance(schedule_id=schedule.id, next_at=due.next_at, last_at=due.fires[-1] if due.fires else None),
    )


def _job(schedule: Schedule, fire_at: datetime) -> NewJob:
    run_at = fire_at + jitter_of(schedule.id, fire_at, schedule.jitter)
    options = replace(schedule.job.options, delay=None, run_at=run_at)
    return make_job(schedule, JobId(firing_id(schedule.id, fire_at)), options)


async def _fire(tx: Tx, points: KillPoints) -> list[Plan]:
    due = await take_due(tx, limit=AT_ONCE)
    if not due:
        return []
    now = await database_now(tx)
    live = await live_jobs(tx, [schedule.id for schedule in due])
    plans = [plan_firings(schedule, live.get(schedule.id, []), now) for schedule in due]
    points.reach("beat.before_insert", (job.kind for plan in plans for job in plan.jobs))
    fresh = await record_runs(tx, [run for plan in plans for run in plan.runs])
    submitted = {run.job_id for plan in plans for run in plan.runs if (run.schedule_id, run.fire_at) in fresh}
    # in the order of their ids, as everybody who locks several jobs does
    for job_id, tenant_id in sorted(_cancelled(due, plans)):
        await cancel_job(tx, tenant_id, job_id)
    await submit_jobs(tx, [job for plan in plans for job in plan.jobs if job.id in submitted])
    await advance(tx, [plan.advance for plan in plans])
    return plans


def _cancelled(due: list[Schedule], plans: list[Plan]) -> list[tuple[str, str]]:
    return [(job_id, schedule.tenant_id) for schedule, plan in zip(due, plans, strict=True) for job_id in plan.cancel]


def _run(
    schedule: Schedule, fire_at: datetime, outcome: RunOutcome, *, job_id: str | None = None, detail: str | None = None
) -> ScheduleRun:
    return ScheduleRun(schedule_id=schedule.id, fire_at=fire_at, outcome=outcome, job_id=job_id, detail=detail)
