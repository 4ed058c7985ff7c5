"""The schedule a development database starts with."""

from datetime import timedelta
from typing import Final

import msgspec

from domain.emails.send_email import SEND_EMAIL, SendEmail
from domain.ids import ScheduleId, derived_id
from domain.schedules.schedule import CatchUp, Overlap, Schedule, ScheduledJob, Timing
from domain.schedules.timetable import next_fire
from providers.cron import next_wall
from storage.database import Tx
from storage.schedules import add_schedule, database_now

_CRON: Final = "0 7 * * *"


async def seed_schedules(tx: Tx, *, tenant_id: str, caller_id: str, email: str) -> None:
    """Write a daily digest e-mail to `email`, every morning at seven UTC, unless it stands already."""
    now = await database_now(tx)
    timing = Timing(cron=_CRON, every=None, timezone="UTC", anchor=now)
    digest = SendEmail(to=(email,), template="daily_digest", values={"day": "today"})
    await add_schedule(
        tx,
        Schedule(
            id=ScheduleId(derived_id("sched", tenant_id, "daily_digest")),
            tenant_id=tenant_id,
            caller_id=caller_id,
            name="Daily digest",
            timing=timing,
            job=ScheduledJob(kind=SEND_EMAIL.name, input=msgspec.json.encode(digest)),
            overlap=Overlap.SKIP,
            catch_up=CatchUp.LAST,
            jitter=timedelta(0),
            paused=False,
            next_at=next_fire(timing, now, next_wall),
            last_at=None,
            created_at=now,
            updated_at=now,
        ),
    )
