"""Backfill: the firings of a window that is past, of which those that never ran are run now.

A backfilled job is the firing's own job, under the id the clock would have given it: neither a clock that is late nor
another backfill makes a second. It runs from now, in the place in line of what is submitted now.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from domain.errors import Invalid
from domain.ids import JobId
from domain.jobs.job import NewJob
from domain.schedules.firing import make_job
from domain.schedules.schedule import Overlap, RunOutcome, Schedule, ScheduleRun, Timing, firing_id
from domain.schedules.timetable import NextWall, next_fires

MOST_FIRINGS: Final = 1000
"""How many firings a window may hold: its jobs are written in one transaction."""

_INSTANT: Final = timedelta(microseconds=1)


class BackfillTooLarge(Invalid):
    """The window holds more firings than one backfill takes."""

    code = "backfill_too_large"
    title = "The window holds too many firings"


class Window(Struct, frozen=True, kw_only=True):
    """From `starts_at` on, and before `ends_at`."""

    starts_at: datetime
    ends_at: datetime


def find_firings(timing: Timing, window: Window, next_wall: NextWall) -> tuple[datetime, ...]:
    """The firings in a window, by the times a schedule has now.

    Raises:
        BackfillTooLarge: they are more than `MOST_FIRINGS`; says where a window that begins there would have to end.
    """
    after = window.starts_at - _INSTANT
    if timing.every is not None and timing.starts_at is None:
        after = max(after, timing.anchor)  # it is when the schedule was made, and nothing was due then
    found: list[datetime] = []
    for fire in next_fires(timing, after, next_wall):
        if fire >= window.ends_at:
            break
        if len(found) == MOST_FIRINGS:
            raise BackfillTooLarge(
                f"The window holds more than {MOST_FIRINGS} firings. Take one that ends by "
                f"{fire:%Y-%m-%dT%H:%M:%SZ}, and the rest after it.",
                pointer="/ends_at",
            )
        found.append(fire)
    return tuple(found)


def plan_backfill(
    schedule: Schedule, fires: Sequence[datetime], now: datetime
) -> tuple[list[ScheduleRun], list[NewJob]]:
    """What is recorded of `fires`, in order, and the jobs that are submitted: begun in that order.

    Where the schedule's jobs may not overlap, these run one at a time.

    Raises:
        UnknownKind, ScheduledJobRefused: as `make_job`.
    """
    key = schedule.job.options.concurrency_key
    if schedule.overlap is not Overlap.ALLOW:
        key = key or schedule.id
    runs: list[ScheduleRun] = []
    jobs: list[NewJob] = []
    for place, fire_at in enumerate(fires):
        # a microsecond apart, for jobs that are due at the same time are begun in any order
        run_at = now - (len(fires) - place) * _INSTANT
        options = replace(schedule.job.options, delay=None, run_at=run_at, concurrency_key=key)
        job = make_job(schedule, JobId(firing_id(schedule.id, fire_at)), options)
        jobs.append(job)
        runs.append(
            ScheduleRun(
                schedule_id=schedule.id,
                fire_at=fire_at,
                outcome=RunOutcome.SUBMITTED,
                job_id=job.id,
                backfilled=True,
            )
        )
    return runs, jobs
