from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from domain.jobs.job import JobOptions
from domain.schedules.schedule import CatchUp, Overlap, RunOutcome, ScheduledJob, ScheduleRun, Timing
from storage.database import Database, open_database
from storage.schedules import (
    add_schedule,
    database_now,
    delete_schedule,
    find_schedule,
    list_runs,
    list_schedules,
    record_runs,
    save_schedule,
    seconds_to_next,
    take_due,
)
from tests.support.schedules import TENANT, a_schedule, put_schedule, write_schedule

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = open_database(database_url, name="test")
    yield opened
    await opened.close()


async def test_a_schedule_is_read_as_it_was_written(database: Database) -> None:
    schedule = a_schedule(
        now=NOW,
        late=timedelta(0),
        timing=Timing(
            cron="0 7 * * MON-FRI",
            every=None,
            timezone="Europe/Berlin",
            anchor=NOW,
            starts_at=NOW,
            ends_at=NOW + timedelta(days=9),
        ),
        job=ScheduledJob(
            kind="text.summarize",
            input=b'{"text": "x",  "max_chars": 100}',
            options=JobOptions(priority=7, tags=("a", "b"), metadata={"k": "v"}, timeout=timedelta(seconds=90)),
        ),
        overlap=Overlap.CANCEL_OTHER,
        catch_up=CatchUp.ALL,
        jitter=timedelta(seconds=1.5),
        paused=True,
    )
    async with database.begin() as tx:
        written = await put_schedule(tx, schedule)
        found = await find_schedule(tx, TENANT, schedule.id)
    expected = msgspec.structs.replace(schedule, created_at=written.created_at, updated_at=written.updated_at)
    assert written == found == expected


async def test_a_schedule_is_not_written_twice(database: Database) -> None:
    async with database.begin() as tx:
        first = await put_schedule(tx, a_schedule(now=NOW, late=timedelta(0)))
        again = await add_schedule(tx, msgspec.structs.replace(first, name="another"))
        found = await find_schedule(tx, TENANT, first.id)
    assert again is None
    assert found == first


async def test_another_tenant_sees_and_removes_nothing(database: Database) -> None:
    schedule = await write_schedule(database)
    async with database.begin() as tx:
        assert await find_schedule(tx, "tenant_other", schedule.id) is None
        assert await list_schedules(tx, "tenant_other", limit=9) == []
        assert not await delete_schedule(tx, "tenant_other", schedule.id)
        assert await find_schedule(tx, TENANT, schedule.id) is not None


async def test_schedules_are_listed_newest_first_a_page_at_a_time(database: Database) -> None:
    ids = [(await write_schedule(database)).id for _ in range(5)]
    async with database.read() as connection:
        first = await list_schedules(connection, TENANT, limit=3)
        rest = await list_schedules(connection, TENANT, limit=3, before=first[-1].id)
    assert [schedule.id for schedule in [*first, *rest]] == ids[::-1]


async def test_a_changed_schedule_keeps_what_was_not_changed(database: Database) -> None:
    schedule = await write_schedule(database)
    async with database.begin() as tx:
        locked = await find_schedule(tx, TENANT, schedule.id, lock=True)
        assert locked is not None
        saved = await save_schedule(tx, msgspec.structs.replace(locked, name="renamed", paused=True))
    assert saved == msgspec.structs.replace(schedule, name="renamed", paused=True, updated_at=saved.updated_at)


async def test_due_schedules_are_taken_by_one_beat_only(database: Database) -> None:
    due = {(await write_schedule(database, late=timedelta(minutes=n))).id for n in range(4)}
    await write_schedule(database, late=timedelta(minutes=-5))
    await write_schedule(database, late=timedelta(minutes=5), paused=True)
    async with database.begin() as one, database.begin() as other:
        first = await take_due(one, limit=2)
        second = await take_due(other, limit=9)
    assert len(first) == 2
    assert {schedule.id for schedule in [*first, *second]} == due
    assert len(first) + len(second) == 4


async def test_a_firing_is_recorded_once(database: Database) -> None:
    schedule = await write_schedule(database)
    run = ScheduleRun(schedule_id=schedule.id, fire_at=NOW, outcome=RunOutcome.SUBMITTED, job_id="job_1")
    skipped = ScheduleRun(
        schedule_id=schedule.id, fire_at=NOW + timedelta(hours=1), outcome=RunOutcome.SKIPPED, detail="why"
    )
    async with database.begin() as tx:
        assert await record_runs(tx, [run]) == {(schedule.id, NOW)}
        twice = msgspec.structs.replace(run, job_id="job_2")
        assert await record_runs(tx, [twice, skipped]) == {(schedule.id, skipped.fire_at)}
        assert await list_runs(tx, schedule.id, limit=9) == [skipped, run]
        assert await list_runs(tx, schedule.id, limit=9, before=skipped.fire_at) == [run]


async def test_the_record_goes_with_the_schedule(database: Database) -> None:
    schedule = await write_schedule(database)
    async with database.begin() as tx:
        await record_runs(tx, [ScheduleRun(schedule_id=schedule.id, fire_at=NOW, outcome=RunOutcome.MISSED)])
        assert await delete_schedule(tx, TENANT, schedule.id)
        assert await list_runs(tx, schedule.id, limit=9) == []
        assert await find_schedule(tx, TENANT, schedule.id) is None


async def test_the_next_firing_is_told_in_seconds(database: Database) -> None:
    async with database.read() as connection:
        assert await seconds_to_next(connection) is None
    await write_schedule(database, late=timedelta(seconds=-40))
    async with database.read() as connection:
        seconds = await seconds_to_next(connection)
        assert (await database_now(connection)).tzinfo is not None
    assert seconds is not None
    assert 30 < seconds <= 40
