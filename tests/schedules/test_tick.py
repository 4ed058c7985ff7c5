import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from domain.jobs.job import JobOptions
from domain.jobs.state import State
from domain.schedules.schedule import CatchUp, Overlap, RunOutcome, ScheduledJob, ScheduleRun, Timing, firing_id
from runtime.kill_points import KillPointReached, KillPoints
from runtime.wakeups import Wakeups, open_wakeups
from schedules.seed import seed_schedules
from schedules.tick import tick
from storage.accounts import add_tenant
from storage.database import Database, open_database
from storage.job_lists import JobFilter, list_jobs
from storage.schedules import find_schedule, list_runs, list_schedules
from tests.support.schedules import CALLER, NOTE, TENANT, write_schedule


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = open_database(database_url, name="test")
    yield opened
    await opened.close()


@pytest.fixture
async def wakeups(redis_url: str) -> AsyncIterator[Wakeups]:
    opened = open_wakeups(redis_url)
    yield opened
    await opened.close()


async def runs_of(database: Database, schedule_id: str) -> list[ScheduleRun]:
    async with database.read() as connection:
        return await list_runs(connection, schedule_id, limit=10_000)


async def states(database: Database, schedule_id: str) -> list[str]:
    async with database.read() as connection:
        jobs = (await list_jobs(connection, TENANT, JobFilter(schedule_id=schedule_id), limit=10_000)).jobs
    return [job.state.value for job in reversed(jobs)]


async def test_a_due_schedule_submits_its_job_and_moves_on(database: Database, wakeups: Wakeups) -> None:
    options = JobOptions(priority=9, tags=("nightly",), expires_in=timedelta(hours=1))
    schedule = await write_schedule(
        database,
        late=timedelta(seconds=5),
        job=ScheduledJob(kind=NOTE.kind, input=NOTE.input, options=options),
    )
    seconds = await tick(database, wakeups)
    async with database.read() as connection:
        [job] = (await list_jobs(connection, TENANT, JobFilter(), limit=9)).jobs
        stage = (await connection.execute(text("SELECT stage FROM outbox"))).scalar_one()
        after = await find_schedule(connection, TENANT, schedule.id)
    assert (job.state, job.priority, job.tags, job.schedule_id) == (State.QUEUED, 9, ("nightly",), schedule.id)
    assert (job.id, job.caller_id, job.run_at) == (firing_id(schedule.id, job.run_at), CALLER, schedule.next_at)
    assert stage == "due"
    assert after is not None
    assert schedule.next_at is not None
    assert after.next_at == schedule.next_at + timedelta(minutes=1)
    assert after.last_at == schedule.next_at
    assert seconds is not None
    assert 50 < seconds <= 55


async def test_two_beats_make_each_firing_exactly_one_job(
    database: Database, database_url: str, wakeups: Wakeups
) -> None:
    other = open_database(database_url, name="other")
    written = [
        await write_schedule(
            database, every=timedelta(seconds=10), late=timedelta(minutes=5), catch_up=CatchUp.ALL, name=f"{n}"
        )
        for n in range(60)
    ]
    await asyncio.gather(*(tick(beat, wakeups) for _ in range(3) for beat in (database, other)))
    await other.close()
    for schedule in written:
        assert schedule.next_at is not None
        times = [run.fire_at for run in await runs_of(database, schedule.id)]
        expected = [schedule.next_at + timedelta(seconds=10 * n) for n in range(len(times))]
        assert times == expected[::-1]
        assert len(times) >= 31
        assert await states(database, schedule.id) == ["queued"] * len(times)


async def test_a_beat_that_dies_before_its_commit_has_done_nothing(database: Database, wakeups: Wakeups) -> None:
    schedule = await write_schedule(database)
    with pytest.raises(KillPointReached):
        await tick(database, wakeups, kill_points=KillPoints("beat.before_insert=raise"))
    assert await states(database, schedule.id) == []
    await tick(database, wakeups)
    assert await states(database, schedule.id) == ["queued"]


async def test_a_beat_that_dies_after_its_commit_has_done_it_all(database: Database, wakeups: Wakeups) -> None:
    schedule = await write_schedule(database)
    with pytest.raises(KillPointReached):
        await tick(database, wakeups, kill_points=KillPoints("beat.after_insert=raise"))
    await tick(database, wakeups)
    assert await states(database, schedule.id) == ["queued"]


async def test_a_firing_on_record_is_not_made_again(database: Database, wakeups: Wakeups) -> None:
    schedule = await write_schedule(database)
    await tick(database, wakeups)
    async with database.begin() as tx:
        await tx.execute(text("UPDATE schedules SET next_at = :at"), {"at": schedule.next_at})
    await tick(database, wakeups)
    assert await states(database, schedule.id) == ["queued"]


async def test_a_firing_is_told_to_the_relay(database: Database, wakeups: Wakeups) -> None:
    await write_schedule(database)
    async with wakeups.listen_relay() as news:
        await news.wait(5)  # that it listens now
        await tick(database, wakeups)
        assert await news.wait(5)


async def test_paused_schedules_and_those_to_come_wait(database: Database, wakeups: Wakeups) -> None:
    await write_schedule(database, late=timedelta(hours=1), paused=True)
    await write_schedule(database, late=timedelta(hours=-1))
    await tick(database, wakeups)
    async with database.read() as connection:
        assert (await list_jobs(connection, TENANT, JobFilter(), limit=9)).jobs == []


async def test_jitter_delays_the_job_and_not_the_next_firing(database: Database, wakeups: Wakeups) -> None:
    schedule = await write_schedule(database, jitter=timedelta(hours=20))
    await tick(database, wakeups)
    async with database.read() as connection:
        [job] = (await list_jobs(connection, TENANT, JobFilter(), limit=9)).jobs
        after = await find_schedule(connection, TENANT, schedule.id)
    assert schedule.next_at is not None
    assert after is not None
    assert job.id == firing_id(schedule.id, schedule.next_at)
    assert schedule.next_at < job.run_at < schedule.next_at + timedelta(hours=20)
    assert after.next_at == schedule.next_at + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("catch_up", "outcomes"),
    [
        (CatchUp.NONE, [RunOutcome.MISSED]),
        (CatchUp.LAST, [RunOutcome.MISSED, RunOutcome.SUBMITTED]),
        (CatchUp.ALL, [RunOutcome.SUBMITTED] * 6),
    ],
)
async def test_firings_missed_while_nothing_ticked(
    database: Database, wakeups: Wakeups, catch_up: CatchUp, outcomes: list[RunOutcome]
) -> None:
    schedule = await write_schedule(
        database, every=timedelta(hours=1), late=timedelta(hours=5, minutes=30), catch_up=catch_up
    )
    await tick(database, wakeups)
    assert [run.outcome for run in reversed(await runs_of(database, schedule.id))] == outcomes
    assert len(await states(database, schedule.id)) == outcomes.count(RunOutcome.SUBMITTED)


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        (Overlap.ALLOW, ["queued", "queued"]),
        (Overlap.SKIP, ["queued"]),
        (Overlap.CANCEL_OTHER, ["cancelled", "queued"]),
    ],
)
async def test_a_firing_while_the_job_before_it_is_live(
    database: Database, wakeups: Wakeups, overlap: Overlap, expected: list[str]
) -> None:
    schedule = await write_schedule(database, late=timedelta(seconds=50), every=timedelta(seconds=60), overlap=overlap)
    await tick(database, wakeups)
    async with database.begin() as tx:
        await tx.execute(
            text("UPDATE schedules SET next_at = next_at - interval '30 s', anchor = anchor - interval '30 s'")
        )
    await tick(database, wakeups)
    assert await states(database, schedule.id) == expected
    assert len(await runs_of(database, schedule.id)) == 2


@pytest.mark.parametrize(
    "job",
    [ScheduledJob(kind="no.such", input=b"{}"), ScheduledJob(kind=NOTE.kind, input=b'{"text":1}')],
    ids=["kind gone", "input refused"],
)
async def test_a_job_that_cannot_be_made_is_refused_and_the_schedule_goes_on(
    database: Database, wakeups: Wakeups, job: ScheduledJob
) -> None:
    schedule = await write_schedule(database, job=job)
    sound = await write_schedule(database)
    await tick(database, wakeups)
    [run] = await runs_of(database, schedule.id)
    async with database.read() as connection:
        after = await find_schedule(connection, TENANT, schedule.id)
    assert run.outcome is RunOutcome.REFUSED
    assert run.detail
    assert after is not None
    assert after.next_at != schedule.next_at
    assert await states(database, sound.id) == ["queued"]


async def test_a_schedule_whose_zone_is_gone_is_paused_alone(database: Database, wakeups: Wakeups) -> None:
    async with database.begin() as tx:
        await add_tenant(tx, TENANT, "test")
    schedule = await write_schedule(database)
    broken = await write_schedule(
        database,
        timing=Timing(cron="0 7 * * *", every=None, timezone="Atlantis/Centre", anchor=schedule.created_at),
    )
    await tick(database, wakeups)
    async with database.read() as connection:
        after = await find_schedule(connection, TENANT, broken.id)
    assert after is not None
    assert after.paused
    assert [run.outcome for run in await runs_of(database, broken.id)] == [RunOutcome.REFUSED]
    assert await states(database, schedule.id) == ["queued"]


async def test_the_seeded_digest_stands_once_and_submits_an_email(database: Database, wakeups: Wakeups) -> None:
    async with database.begin() as tx:
        await add_tenant(tx, TENANT, "test")
        for _ in range(2):
            await seed_schedules(tx, tenant_id=TENANT, caller_id=CALLER, email="admin@example.com")
        [schedule] = await list_schedules(tx, TENANT, limit=9)
        await tx.execute(text("UPDATE schedules SET next_at = now()"))
    await tick(database, wakeups)
    async with database.read() as connection:
        [job] = (await list_jobs(connection, TENANT, JobFilter(schedule_id=schedule.id), limit=9)).jobs
    assert job.kind == "emails.send"
    assert b"daily_digest" in job.input
