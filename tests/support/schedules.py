"""Schedules as tests want them, on a database that has a tenant."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from domain.ids import ScheduleId
from domain.schedules.schedule import CatchUp, Overlap, Schedule, ScheduledJob, Timing
from runtime.unique_ids import new_id
from storage.accounts import add_tenant
from storage.database import Database, Tx
from storage.schedules import add_schedule, database_now

TENANT = "tenant_" + "1" * 32
CALLER = "user_" + "1" * 32
NOTE = ScheduledJob(kind="text.summarize", input=b'{"text":"The harbour bridge reopened on Monday."}')


def a_schedule(*, now: datetime, every: timedelta = timedelta(minutes=1), late: timedelta, **changed: Any) -> Schedule:  # noqa: ANN401 - any field
    """A schedule whose firing to come was due `late` ago, by an interval counted from there."""
    anchor = now - late
    schedule = Schedule(
        id=ScheduleId(new_id("sched")),
        tenant_id=TENANT,
        caller_id=CALLER,
        name="a schedule",
        timing=Timing(cron=None, every=every, timezone="UTC", anchor=anchor),
        job=NOTE,
        overlap=Overlap.ALLOW,
        catch_up=CatchUp.LAST,
        jitter=timedelta(0),
        paused=False,
        next_at=anchor,
        last_at=None,
        created_at=anchor,
        updated_at=anchor,
    )
    return msgspec.structs.replace(schedule, **changed)


async def write_schedule(database: Database, *, late: timedelta = timedelta(0), **changed: Any) -> Schedule:  # noqa: ANN401 - any field
    """Write a schedule that was due `late` ago by the database's clock."""
    async with database.begin() as tx:
        return await put_schedule(tx, a_schedule(now=await database_now(tx), late=late, **changed))


async def put_schedule(tx: Tx, schedule: Schedule) -> Schedule:
    """Write `schedule` and its tenant."""
    await add_tenant(tx, TENANT, "test")
    written = await add_schedule(tx, schedule)
    assert written is not None
    return written


def a_moment(text: str) -> datetime:
    """The instant `text` (ISO 8601) names, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
