"""From what a client writes to a schedule: every bound the Structs cannot say, all faults at once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from api.bodies import BodyInvalid
from api.fields import FieldError
from api.options import job_options
from api.schedules.views import Repeated, ScheduleBody, ScheduleChanges
from domain.accounts.user import Caller
from domain.catalog import kind_named
from domain.durations import parse_duration, spell_duration
from domain.ids import ScheduleId
from domain.schedules.schedule import (
    LONGEST_EVERY,
    LONGEST_JITTER,
    SHORTEST_EVERY,
    Schedule,
    ScheduledJob,
    Timing,
)
from domain.schedules.timetable import next_fire
from providers.cron import CronInvalid, ZoneUnknown, check_zone, next_wall, plain_cron

_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

_ENCODER: Final = msgspec.json.Encoder()

ValueT = TypeVar("ValueT")


class _Times(Struct, frozen=True, kw_only=True):
    """When a schedule fires, as a client writes it."""

    cron: str | None
    every: str | None
    timezone: str
    starts_at: datetime | None
    ends_at: datetime | None


def read_new(body: ScheduleBody, schedule_id: ScheduleId, caller: Caller, now: datetime) -> Schedule:
    """The schedule `body` describes, as of `now`.

    Raises:
        BodyInvalid: it does not describe one; all that is wrong is named.
        PermissionMissing: the caller may not submit jobs of this kind.
    """
    faults: list[FieldError] = []
    times = _Times(
        cron=body.cron,
        every=body.every,
        timezone=body.timezone,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
    )
    timing = _timing(times, now, faults)
    jitter = _length(body.jitter, "/jitter", timedelta(0), LONGEST_JITTER, faults) or timedelta(0)
    job = _job(body.job, caller, now, faults)
    if timing is None or faults:
        raise BodyInvalid(faults)
    return Schedule(
        id=schedule_id,
        tenant_id=caller.tenant_id,
        caller_id=caller.user_id,
        name=body.name,
        timing=timing,
        job=job,
        overlap=body.overlap,
        catch_up=body.catch_up,
        jitter=jitter,
        paused=body.paused,
        next_at=next_fire(timing, now, next_wall),
        last_at=None,
        created_at=now,
        updated_at=now,
    )


def read_changes(schedule: Schedule, changes: ScheduleChanges, caller: Caller, now: datetime) -> Schedule:
    """`schedule` with `changes` made at `now`. When its times change, or it is resumed, it starts anew from `now`.

    Who changes the job answers for it from then on: later jobs are the changer's.

    Raises:
        BodyInvalid, PermissionMissing: as `read_new`.
    """
    faults: list[FieldError] = []
    changed = replace(
        schedule,
        name=_or(changes.name, schedule.name),
        overlap=_or(changes.overlap, schedule.overlap),
        catch_up=_or(changes.catch_up, schedule.catch_up),
        paused=_or(changes.paused, schedule.paused),
    )
    if not isinstance(changes.jitter, UnsetType):
        jitter = _length(changes.jitter, "/jitter", timedelta(0), LONGEST_JITTER, faults)
        changed = replace(changed, jitter=jitter or timedelta(0))
    if changes.job is not UNSET:
        changed = replace(changed, job=_job(changes.job, caller, now, faults), caller_id=caller.user_id)
    timing = _changed_timing(schedule.timing, changes, now, faults)
    if timing is None or faults:
        raise BodyInvalid(faults)
    is_resumed = schedule.paused and not changed.paused
    if timing != schedule.timing or is_resumed:
        changed = replace(changed, timing=timing, next_at=next_fire(timing, now, next_wall))
    return changed


def _changed_timing(stands: Timing, changes: ScheduleChanges, now: datetime, faults: list[FieldError]) -> Timing | None:
    replaces = changes.cron is not UNSET or changes.every is not UNSET
    times = _Times(
        cron=_or(changes.cron, None if replaces else stands.cron),
        every=_or(changes.every, None if replaces else spell_duration(stands.every)),
        timezone=_or(changes.timezone, stands.timezone),
        starts_at=_or(changes.starts_at, stands.starts_at),
        ends_at=_or(changes.ends_at, stands.ends_at),
    )
    timing = _timing(times, now, faults)
    if timing is not None and (timing.every, timing.starts_at) == (stands.every, stands.starts_at):
        return replace(timing, anchor=stands.anchor)
    return timing


def _or(given: ValueT | UnsetType, stands: ValueT) -> ValueT:
    return stands if isinstance(given, UnsetType) else given


def _timing(times: _Times, now: datetime, faults: list[FieldError]) -> Timing | None:
    before = len(faults)
    if (times.cron is None) == (times.every is None):
        pointer = "/cron" if times.cron is None else "/every"
        faults.append(FieldError(pointer, "A schedule has either cron or every."))
    cron = None
    try:
        cron = None if times.cron is None else plain_cron(times.cron)
    except CronInvalid as error:
        faults.append(FieldError("/cron", error.detail))
    try:
        check_zone(times.timezone)
    except ZoneUnknown as error:
        faults.append(FieldError("/timezone", error.detail))
    every = _length(times.every, "/every", SHORTEST_EVERY, LONGEST_EVERY, faults)
    faults.extend(_bound_faults(times))
    if len(faults) > before:
        return None
    return Timing(
        cron=cron,
        every=every,
        timezone=times.timezone,
        anchor=(times.starts_at or now).astimezone(UTC),
        starts_at=None if times.starts_at is None else times.starts_at.astimezone(UTC),
        ends_at=None if times.ends_at is None else times.ends_at.astimezone(UTC),
    )


def _bound_faults(times: _Times) -> Iterator[FieldError]:
    for name in ("starts_at", "ends_at"):
        moment: datetime | None = getattr(times, name)
        if moment is not None and not _EARLIEST <= moment <= _LATEST:
            yield FieldError(f"/{name}", f"Expected a time from {_EARLIEST.year} to {_LATEST.year}.")
    if times.starts_at is not None and times.ends_at is not None and times.ends_at <= times.starts_at:
        yield FieldError("/ends_at", "The end is not after the start.")


def _length(
    text: str | None, pointer: str, least: timedelta, most: timedelta, faults: list[FieldError]
) -> timedelta | None:
    if text is None:
        return None
    try:
        length = parse_duration(text)
    except ValueError as error:
        faults.append(FieldError(pointer, f"{error}."))
        return None
    if not least <= length <= most:
        bounds = f"from {spell_duration(least)} to {spell_duration(most)}"
        faults.append(FieldError(pointer, f"Expected a duration {bounds}."))
    return length


def _job(form: Repeated, caller: Caller, now: datetime, faults: list[FieldError]) -> ScheduledJob:
    kind = kind_named(form.kind)
    caller.demand(kind.permission)
    form.given.check_caller(caller)
    scheduled = ScheduledJob(kind=kind.name, input=_ENCODER.encode(form.given))
    try:
        return replace(scheduled, options=job_options(form.options, "/job/{}".format, now=now))
    except BodyInvalid as error:
        faults.extend(error.errors)
        return scheduled
