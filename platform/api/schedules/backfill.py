"""Backfill: the window a client names, and the firings in it that are run. A route opens the transaction."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct

from api.bodies import BodyInvalid
from api.fields import FieldError
from api.job_view import Time
from domain.schedules.backfill import MOST_FIRINGS, Window, find_firings, plan_backfill
from domain.schedules.schedule import Schedule, firing_id
from providers.cron import next_wall
from storage.database import Tx
from storage.jobs import submit_jobs
from storage.schedules import database_now, find_ran, record_backfill


class BackfillBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which firings are to be run: those due from `starts_at` on and before `ends_at`."""

    starts_at: Annotated[Time, Meta(description="no longer ago than runs are kept, 30 days unless set otherwise")]
    ends_at: Annotated[Time | None, Meta(description="now, where it is left out or to come")] = None
    dry_run: Annotated[bool, Meta(description="only count")] = False


class BackfillLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    schedule: str
    runs: str
    jobs: str


class BackfillView(Struct, frozen=True, kw_only=True):
    """What a backfill did, or with `dry_run` would do. Each of its jobs is listed among the schedule's runs."""

    schedule_id: Annotated[str, Meta(pattern="^sched_[0-9a-f]{32}$")]
    starts_at: Time
    ends_at: Time
    dry_run: bool
    firings: Annotated[int, Meta(ge=0, le=MOST_FIRINGS, description="how many the window holds")]
    ran_before: Annotated[int, Meta(ge=0, description="of these, those that had run, and do not run again")]
    submitted: Annotated[int, Meta(ge=0, description="of these, those that run now")]
    links: BackfillLinks


class BackfillTold(Struct, frozen=True, kw_only=True):
    """What the audit log is told of a backfill."""

    starts_at: datetime
    ends_at: datetime
    submitted: int


class Backfilled(Struct, frozen=True, kw_only=True):
    """What a backfill did, or would do: of so many firings in the window, so many run now."""

    window: Window
    firings: int
    submitted: int


async def run_window(
    tx: Tx, schedule: Schedule, body: BackfillBody, *, kept_days: int, take: Callable[[int], None]
) -> Backfilled:
    """Run the firings of `schedule`, locked before, in the window that `body` names, but for those that ran.

    `take` is told of how many jobs are to be submitted; a dry run submits none.

    Raises:
        BodyInvalid, BackfillTooLarge: the window is not acceptable.
        UnknownKind, ScheduledJobRefused: the kind is gone, or does not take the input any more.
        BacklogFull, QueuesFull: so many more jobs may not come.
    """
    now = await database_now(tx)
    window = _read_window(body, now, kept_days=kept_days)
    fires = find_firings(schedule.timing, window, next_wall)
    ran = await find_ran(tx, schedule.id, {fire_at: firing_id(schedule.id, fire_at) for fire_at in fires})
    due = [fire_at for fire_at in fires if fire_at not in ran]
    if body.dry_run or not due:
        return Backfilled(window=window, firings=len(fires), submitted=len(due))
    take(len(due))
    runs, jobs = plan_backfill(schedule, due, now)
    fresh = {fire_at for _, fire_at in await record_backfill(tx, runs)}
    wanted = [job for run, job in zip(runs, jobs, strict=True) if run.fire_at in fresh]
    await submit_jobs(tx, wanted)
    return Backfilled(window=window, firings=len(fires), submitted=len(wanted))


def view_backfill(schedule: Schedule, done: Backfilled, base: str, *, dry_run: bool) -> BackfillView:
    """A backfill as shown to a client that reached us at `base`."""
    path = f"{base}/v1/schedules/{schedule.id}"
    return BackfillView(
        schedule_id=schedule.id,
        starts_at=done.window.starts_at,
        ends_at=done.window.ends_at,
        dry_run=dry_run,
        firings=done.firings,
        ran_before=done.firings - done.submitted,
        submitted=done.submitted,
        links=BackfillLinks(schedule=path, runs=f"{path}/runs", jobs=f"{base}/v1/jobs?schedule_id={schedule.id}"),
    )


def told_of_backfill(done: Backfilled) -> BackfillTold:
    """A backfill as the audit log is told of it."""
    return BackfillTold(starts_at=done.window.starts_at, ends_at=done.window.ends_at, submitted=done.submitted)


def _read_window(body: BackfillBody, now: datetime, *, kept_days: int) -> Window:
    """The window a body names, as far as it is past at `now`: the rest is the clock's, and clocks of clients are fast.

    Raises:
        BodyInvalid: it is none, or what ran in it may be known no more.
    """
    earliest = now - timedelta(days=kept_days)
    faults: list[FieldError] = []
    if body.starts_at < earliest:
        told = f"Runs are kept for {kept_days} days, so what ran before is not known."
        faults.append(FieldError("/starts_at", f"{told} Expected a time from {earliest:%Y-%m-%dT%H:%M:%SZ} on."))
    if body.ends_at is not None and body.ends_at <= body.starts_at:
        faults.append(FieldError("/ends_at", "The end is not after the start."))
    if faults:
        raise BodyInvalid(faults)
    # the last hours of the year 9999, told by a zone behind UTC, are no time in UTC: what is to come is cut off before
    starts_at = min(body.starts_at, now)
    ends_at = now if body.ends_at is None else min(body.ends_at, now)
    return Window(starts_at=starts_at.astimezone(UTC), ends_at=ends_at.astimezone(UTC))
