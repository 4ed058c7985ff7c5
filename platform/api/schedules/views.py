"""Schedules as clients write them and as the API shows them."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from itertools import islice
from operator import or_
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from api.forms import form_of
from api.job_view import Time
from api.options import ConcurrencyKey, Options
from domain.catalog import KINDS
from domain.durations import Duration, spell_duration
from domain.jobs.job import Attempts, Metadata, Priority, Tags
from domain.jobs.kind import Input
from domain.schedules.schedule import (
    CatchUp,
    CronExpression,
    Overlap,
    RunOutcome,
    Schedule,
    ScheduledJob,
    ScheduleName,
    ScheduleRun,
    Timing,
    ZoneName,
)
from domain.schedules.timetable import next_fires
from providers.cron import next_wall

NEXT_RUNS: Final = 5

_TOLD: Final = "A job to be submitted again and again, of the kind"


class Repeated(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag=""):
    """A job to be submitted at each firing; each kind has its own form, told apart by `kind`."""

    priority: Priority = 0
    tags: Tags = ()
    metadata: Metadata = {}
    expires_in: Duration | None = None
    timeout: Duration | None = None
    max_attempts: Attempts | None = None
    concurrency_key: ConcurrencyKey | None = None

    @property
    def kind(self) -> str:
        """The name of the kind."""
        return str(self.__struct_config__.tag)

    @property
    def given(self) -> Input:
        """The kind's input."""
        given: Input = self.input  # type: ignore[attr-defined] # every form defines it, with its own type
        return given

    @property
    def options(self) -> Options:
        """How each job is to be run; when is the schedule's own."""
        return Options(
            priority=self.priority,
            tags=self.tags,
            metadata=self.metadata,
            expires_in=self.expires_in,
            timeout=self.timeout,
            max_attempts=self.max_attempts,
            concurrency_key=self.concurrency_key,
        )


if TYPE_CHECKING:
    AnyRepeated: TypeAlias = Repeated
else:
    AnyRepeated = reduce(or_, [form_of(kind, Repeated, told=_TOLD) for kind in KINDS if not kind.internal])
"""The union of all forms."""


class ScheduleBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A schedule as made: `cron` on the clocks of `timezone`, or `every` so long from its start."""

    name: ScheduleName
    job: AnyRepeated
    cron: CronExpression | None = None
    every: Duration | None = None
    timezone: ZoneName = "UTC"
    overlap: Annotated[Overlap, Meta(description="while an earlier job is live")] = Overlap.SKIP
    catch_up: Annotated[CatchUp, Meta(description="for firings nothing ticked for")] = CatchUp.LAST
    jitter: Annotated[Duration | None, Meta(description="each job runs up to so much later")] = None
    starts_at: Annotated[Time | None, Meta(description="the first firing is not before; intervals count from it")] = (
        None
    )
    ends_at: Annotated[Time | None, Meta(description="no firing at or after")] = None
    paused: bool = False


class ScheduleChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change of a schedule; what is left out stays. `cron` replaces `every`, and the other way round."""

    name: ScheduleName | UnsetType = UNSET
    job: AnyRepeated | UnsetType = UNSET
    cron: CronExpression | UnsetType = UNSET
    every: Duration | UnsetType = UNSET
    timezone: ZoneName | UnsetType = UNSET
    overlap: Overlap | UnsetType = UNSET
    catch_up: CatchUp | UnsetType = UNSET
    jitter: Duration | UnsetType | None = UNSET
    starts_at: Time | UnsetType | None = UNSET
    ends_at: Time | UnsetType | None = UNSET
    paused: bool | UnsetType = UNSET


class RepeatedView(Struct, frozen=True, kw_only=True):
    """The job a schedule submits; nulls stand for what the kind says."""

    kind: str
    input: Raw
    priority: int
    tags: tuple[str, ...]
    metadata: dict[str, str]
    expires_in: str | None
    timeout: str | None
    max_attempts: int | None
    concurrency_key: str | None


class ScheduleTold(Struct, frozen=True, kw_only=True):
    """What the audit log is told of a schedule; of the input, which may be anybody's letter, only its SHA-256."""

    name: str
    timing: Timing
    kind: str
    input_sha256: str
    overlap: Overlap
    catch_up: CatchUp
    jitter: timedelta
    paused: bool


class ScheduleLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    self: str
    runs: str
    jobs: str
    trigger: str


class ScheduleView(Struct, frozen=True, kw_only=True):
    """A schedule. `next_runs` are the next five firings; none while it is paused, or when there are none any more."""

    id: Annotated[str, Meta(pattern="^sched_[0-9a-f]{32}$")]
    name: str
    cron: str | None
    every: str | None
    timezone: str
    job: RepeatedView
    overlap: Overlap
    catch_up: CatchUp
    jitter: str | None
    starts_at: Time | None
    ends_at: Time | None
    paused: bool
    next_runs: tuple[Time, ...]
    last_run_at: Time | None
    created_at: Time
    updated_at: Time
    links: ScheduleLinks


class RunView(Struct, frozen=True, kw_only=True):
    """What became of one firing. `job_id` where a job was submitted; `by_hand` where somebody triggered it."""

    fire_at: Time
    outcome: RunOutcome
    job_id: str | None
    by_hand: bool
    backfilled: Annotated[bool, Meta(description="it was run when its time was past, by a backfill")]
    detail: str | None


def told_of(schedule: Schedule) -> ScheduleTold:
    """The schedule as the audit log is told of it."""
    return ScheduleTold(
        name=schedule.name,
        timing=schedule.timing,
        kind=schedule.job.kind,
        input_sha256=hashlib.sha256(schedule.job.input).hexdigest(),
        overlap=schedule.overlap,
        catch_up=schedule.catch_up,
        jitter=schedule.jitter,
        paused=schedule.paused,
    )


def view_schedule(schedule: Schedule, base: str) -> ScheduleView:
    """The schedule as shown to a client that reached us at `base`."""
    timing = schedule.timing
    path = f"{base}/v1/schedules/{schedule.id}"
    return ScheduleView(
        id=schedule.id,
        name=schedule.name,
        cron=timing.cron,
        every=spell_duration(timing.every),
        timezone=timing.timezone,
        job=_view_job(schedule.job),
        overlap=schedule.overlap,
        catch_up=schedule.catch_up,
        jitter=spell_duration(schedule.jitter or None),
        starts_at=timing.starts_at,
        ends_at=timing.ends_at,
        paused=schedule.paused,
        next_runs=tuple(_next_runs(schedule)),
        last_run_at=schedule.last_at,
        created_at=schedule.created_at,
        updated_at=schedule.updated_at,
        links=ScheduleLinks(
            self=path, runs=f"{path}/runs", jobs=f"{base}/v1/jobs?schedule_id={schedule.id}", trigger=f"{path}/trigger"
        ),
    )


def view_run(run: ScheduleRun) -> RunView:
    """A firing as shown."""
    return msgspec.convert(run, RunView, from_attributes=True)


def _next_runs(schedule: Schedule) -> Sequence[datetime]:
    if schedule.paused or schedule.next_at is None:
        return ()
    following = next_fires(schedule.timing, schedule.next_at, next_wall)
    return (schedule.next_at, *islice(following, NEXT_RUNS - 1))


def _view_job(job: ScheduledJob) -> RepeatedView:
    options = job.options
    return RepeatedView(
        kind=job.kind,
        input=Raw(job.input),
        priority=options.priority,
        tags=options.tags,
        metadata=dict(options.metadata),
        expires_in=spell_duration(options.expires_in),
        timeout=spell_duration(options.timeout),
        max_attempts=options.max_attempts,
        concurrency_key=options.concurrency_key,
    )
