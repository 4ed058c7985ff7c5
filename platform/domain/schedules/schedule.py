"""A schedule: a job to be submitted again and again, and when."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from domain.errors import NotFound
from domain.ids import ScheduleId, derived_id
from domain.jobs.job import JobOptions

SHORTEST_EVERY: Final = timedelta(seconds=1)
LONGEST_EVERY: Final = timedelta(days=366)
LONGEST_JITTER: Final = timedelta(hours=24)

ScheduleName = Annotated[str, Meta(min_length=1, max_length=200)]
CronExpression = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="minute hour day-of-month month day-of-week, or @hourly, @daily, @weekly, @monthly, @yearly",
        examples=["0 7 * * MON-FRI"],
    ),
]
ZoneName = Annotated[
    str, Meta(min_length=1, max_length=64, description="a time zone of the IANA database", examples=["Europe/Berlin"])
]


class ScheduleNotFound(NotFound):
    """The tenant has no such schedule."""

    code = "schedule_not_found"
    title = "No such schedule"


class Overlap(StrEnum):
    """What a firing does while a job of an earlier firing is still live."""

    SKIP = "skip"  # this firing submits nothing
    ALLOW = "allow"  # it submits its job beside the other
    CANCEL_OTHER = "cancel_other"  # the other is cancelled, this one is submitted


class CatchUp(StrEnum):
    """What becomes of firings whose time passed while nothing ticked. Never more than one runs, but for `all`."""

    NONE = "none"  # those later than `timetable.GRACE` are missed
    LAST = "last"  # the latest one runs
    ALL = "all"  # each one runs, in order


class RunOutcome(StrEnum):
    """What became of one firing."""

    SUBMITTED = "submitted"  # a job was submitted
    SKIPPED = "skipped"  # an earlier job was still live
    MISSED = "missed"  # nothing ticked in time; stands for every firing until the next run
    REFUSED = "refused"  # the kind is gone, or does not take this input any more


class Timing(Struct, frozen=True, kw_only=True):
    """When: by `cron` on the clocks of `timezone`, or `every` so long from `anchor`; within [starts_at, ends_at)."""

    cron: str | None
    every: timedelta | None
    timezone: str
    anchor: datetime
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class ScheduledJob(Struct, frozen=True, kw_only=True):
    """What is submitted: a kind, its input as JSON text, and options; `delay` and `run_at` are the schedule's own."""

    kind: str
    input: bytes
    options: JobOptions = JobOptions()


class Schedule(Struct, frozen=True, kw_only=True):
    """A schedule as its row stands. `next_at` is the firing to come; None: there is none any more."""

    id: ScheduleId
    tenant_id: str
    caller_id: str
    name: str
    timing: Timing
    job: ScheduledJob
    overlap: Overlap
    catch_up: CatchUp
    jitter: timedelta
    paused: bool
    next_at: datetime | None
    last_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ScheduleRun(Struct, frozen=True, kw_only=True):
    """One firing as recorded. `by_hand`: somebody triggered it; `backfilled`: it was run when its time was past."""

    schedule_id: ScheduleId
    fire_at: datetime
    outcome: RunOutcome
    job_id: str | None = None
    by_hand: bool = False
    backfilled: bool = False
    detail: str | None = None


def firing_id(schedule_id: str, fire_at: datetime) -> str:
    """The id of the job of one firing: the same whoever computes it, and sorted by the time of firing."""
    milliseconds = int(fire_at.timestamp() * 1000)
    return derived_id("job", f"sched_{milliseconds:012x}{schedule_id[-20:]}", f"{schedule_id}|{fire_at.isoformat()}")
