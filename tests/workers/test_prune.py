"""Pruning takes what ended long enough ago, whole or not at all, and nothing that is live.

Long because what goes and what stays are read together: what one test lets go, another must not.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from domain.jobs.bulk import BulkVerb
from domain.jobs.job import Job
from domain.jobs.retention import AT_ONCE
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from runtime.kill_points import KillPointReached
from runtime.unique_ids import new_id
from storage.accounts import add_tenant
from storage.batches import find_batch
from storage.bulk import NewBulkAction, abort_bulk_action, add_bulk_action, find_bulk_action
from storage.database import Database
from storage.events import events_after
from storage.job_lists import JobFilter, list_attempts
from storage.jobs import Settlement, cancel_jobs, find_job, find_jobs, retry_job, settle_jobs
from storage.retention import prune_jobs, pruned_at
from tests.support.batches import jobs_of, make_batch
from tests.support.bench import open_bench
from tests.support.jobs import TENANT, USER, claim, make_job, submit
from tests.support.running_up import command, environ_of_command
from workers.prune import Round, prune

DAYS = 30

_SCHEDULE = text("""
INSERT INTO schedules (id, tenant_id, caller_id, name, every_seconds, timezone, anchor, kind, input, options, overlap,
    catch_up)
VALUES (:id, :tenant_id, :caller_id, 'a schedule', 60, 'UTC', now(), 'text.moderate', '{}', '{}', 'skip', 'none')
""")

_RUN = text("""
INSERT INTO schedule_runs (schedule_id, fire_at, outcome, by_hand, recorded_at)
SELECT :schedule_id, at, 'skipped', false, at FROM (SELECT now() - make_interval(days => :days) AS at) AS past
""")


async def end(database: Database, jobs: Sequence[Job], *, days_ago: float, state: State = State.SUCCEEDED) -> None:
    """The jobs run and end, so long ago."""
    result = b'{"text":"because"}' if state is State.SUCCEEDED else None
    async with database.begin() as tx:
        held = await claim(tx, *jobs)
        ends = [
            Settlement(job_id=job.id, lease=job.lease or "", verdict=Verdict(state=state, result=result))
            for job in held
        ]
        assert len(await settle_jobs(tx, ends)) == len(jobs)
    await age(database, "jobs", [job.id for job in jobs], days_ago)


async def age(database: Database, table: str, ids: Sequence[str], days: float) -> None:
    """What ended, ended so long ago."""
    async with database.begin() as tx:
        await tx.execute(
            text(f"UPDATE {table} SET finished_at = now() - make_interval(secs => :age) WHERE id = ANY(:ids)"),  # noqa: S608 - a name of ours
            {"age": timedelta(days=days).total_seconds(), "ids": list(ids)},
        )


async def ended(database: Database, count: int = 1, *, days_ago: float, state: State = State.SUCCEEDED) -> list[Job]:
    async with database.begin() as tx:
        jobs = await submit(tx, *(make_job() for _ in range(count)))
    await end(database, jobs, days_ago=days_ago, state=state)
    return jobs


async def there(database: Database, jobs: Sequence[Job]) -> int:
    async with database.read() as tx:
        return len(await find_jobs(tx, [job.id for job in jobs]))


async def is_remembered(database: Database, any_id: str, tenant_id: str = TENANT) -> bool:
    async with database.read() as tx:
        return await pruned_at(tx, tenant_id, any_id) is not None


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED])
async def test_what_ended_long_enough_ago_goes_with_its_events_and_attempts(
    database_url: str, redis_url: str, state: State
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        database = bench.use.database
        [old] = await ended(database, days_ago=DAYS + 0.1, state=state)
        [young] = await ended(database, days_ago=DAYS - 0.1, state=state)
        assert await prune(bench.use, retention_days=DAYS) == Round(jobs=1)
        async with database.read() as tx:
            assert await find_job(tx, TENANT, old.id) is None
            assert await events_after(tx, old.id, 0) == []
            assert await list_attempts(tx, [old.id]) == []
            assert await find_job(tx, TENANT, young.id) is not None
            assert len(await events_after(tx, young.id, 0)) == 3
            assert len(await list_attempts(tx, [young.id])) == 1


async def test_live_jobs_stay_however_old_they_are(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        database = bench.use.database
        async with database.begin() as tx:
            jobs = await submit(tx, make_job(delay=timedelta(days=400)), make_job(), make_job())
            [running] = await claim(tx, jobs[-1])
            await tx.execute(text("UPDATE jobs SET created_at = created_at - interval '5 years', started_at = NULL"))
        assert await prune(bench.use, retention_days=1) == Round()
        async with database.read() as tx:
            found = {job.id: job.state for job in await find_jobs(tx, [job.id for job in jobs])}
        assert found == {jobs[0].id: State.SCHEDULED, jobs[1].id: State.QUEUED, running.id: State.RUNNING}


async def test_a_job_is_kept_from_its_end_on_and_not_from_its_submission(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        [job] = await ended(bench.use.database, days_ago=0)
        async with bench.use.database.begin() as tx:
            await tx.execute(text("UPDATE jobs SET created_at = created_at - interval '5 years'"))
        assert await prune(bench.use, retention_days=1) == Round()
        assert await there(bench.use.database, [job]) == 1


async def test_a_job_queued_again_is_live_again(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        [job] = await ended(bench.use.database, days_ago=DAYS + 1, state=State.FAILED)
        async with bench.use.database.begin() as tx:
            assert await retry_job(tx, TENANT, job.id) is not None
        assert await prune(bench.use, retention_days=DAYS) == Round()
        assert await there(bench.use.database, [job]) == 1


async def test_a_job_that_is_being_queued_again_is_passed_over(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        [job] = await ended(bench.use.database, days_ago=DAYS + 1, state=State.FAILED)
        async with bench.use.database.begin() as tx:
            assert await retry_job(tx, TENANT, job.id) is not None
            assert await prune(bench.use, retention_days=DAYS) == Round()
        assert await there(bench.use.database, [job]) == 1


async def test_who_comes_for_a_job_that_is_going_finds_it_gone(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        [job] = await ended(bench.use.database, days_ago=DAYS + 1, state=State.FAILED)
        database = bench.use.database

        async def retry() -> Job | None:
            async with database.begin() as tx:
                return await retry_job(tx, TENANT, job.id)

        async with database.begin() as tx:
            assert (await prune_jobs(tx, days=DAYS, limit=10)).jobs == 1
            retrying = asyncio.create_task(retry())
            await someone_waits(database)
        assert await retrying is None
        assert await there(database, [job]) == 0


async def someone_waits(database: Database) -> None:
    async with asyncio.timeout(10), database.read() as tx:
        while not (await tx.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))).scalar_one():
            await asyncio.sleep(0.01)  # Postgres tells nobody who waits


async def test_what_was_pruned_is_remembered_as_long_again_as_its_tenants(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        database = bench.use.database
        async with database.begin() as tx:
            await add_tenant(tx, "tenant_other", "other")
        [job] = await ended(database, days_ago=DAYS + 1)
        await prune(bench.use, retention_days=DAYS)
        assert await is_remembered(database, job.id)
        assert not await is_remembered(database, job.id, "tenant_other")
        assert not await is_remembered(database, new_id("job"))
        async with database.begin() as tx:
            await tx.execute(text("UPDATE pruned SET pruned_at = pruned_at - interval '30 days 1 hour'"))
        await prune(bench.use, retention_days=DAYS)
        assert not await is_remembered(database, job.id)


async def test_a_job_whose_id_was_pruned_before_is_pruned_like_any_other(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        [job] = await ended(bench.use.database, days_ago=DAYS + 1)
        async with bench.use.database.begin() as tx:
            await tx.execute(
                text("INSERT INTO pruned (id, tenant_id, pruned_at) VALUES (:id, :tenant, now() - interval '1 day')"),
                {"id": job.id, "tenant": TENANT},
            )
        assert await prune(bench.use, retention_days=DAYS) == Round(jobs=1)
        async with bench.use.database.read() as tx:
            today = (await tx.execute(text("SELECT pruned_at > now() - interval '1 hour' FROM pruned"))).scalar_one()
        assert today


async def test_more_than_one_step_takes_is_taken_in_several(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        jobs = await ended(bench.use.database, AT_ONCE + 20, days_ago=DAYS + 1)
        kept = await ended(bench.use.database, 20, days_ago=1)
        assert await prune(bench.use, retention_days=DAYS) == Round(jobs=AT_ONCE + 20)
        assert (await there(bench.use.database, jobs), await there(bench.use.database, kept)) == (0, 20)


async def test_a_step_that_dies_before_its_commit_has_done_nothing_and_the_next_goes_on(
    database_url: str, redis_url: str
) -> None:
    async with open_bench(database_url, redis_url, kill_points="prune.before_commit=raise") as bench:
        [job] = await ended(bench.use.database, days_ago=DAYS + 1)
        with pytest.raises(KillPointReached):
            await prune(bench.use, retention_days=DAYS)
        async with bench.use.database.read() as tx:
            assert await find_job(tx, TENANT, job.id) is not None
            assert len(await events_after(tx, job.id, 0)) == 3
            assert await pruned_at(tx, TENANT, job.id) is None
    async with open_bench(database_url, redis_url) as bench:
        assert await prune(bench.use, retention_days=DAYS) == Round(jobs=1)
        assert await is_remembered(bench.use.database, job.id)


async def test_a_relay_killed_in_a_step_has_done_nothing_and_the_next_relay_goes_on(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        database = bench.use.database
        [old] = await ended(database, days_ago=3.1)
        [young] = await ended(database, days_ago=2.9)
        async with relay(database_url, redis_url, tmp_path, HEADRACE_KILL_POINTS="prune.before_commit=kill") as killed:
            async with asyncio.timeout(30):
                assert await killed.wait() == -signal.SIGKILL
        assert await there(database, [old]) == 1
        async with relay(database_url, redis_url, tmp_path), asyncio.timeout(30):
            while await there(database, [old]):
                await asyncio.sleep(0.02)  # the relay is another process, and tells nobody
        assert await is_remembered(database, old.id)
        assert await there(database, [young]) == 1


@asynccontextmanager
async def relay(
    database_url: str, redis_url: str, data_dir: Path, **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A relay process that keeps what ended for three days."""
    environ = environ_of_command(
        HEADRACE_DATABASE_URL=database_url,
        HEADRACE_REDIS_URL=redis_url,
        HEADRACE_DATA_DIR=str(data_dir),
        HEADRACE_RETENTION_DAYS="3",
        **settings,
    )
    process = await asyncio.create_subprocess_exec(*command("relay"), env=environ, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_two_that_prune_at_once_share_the_work(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        jobs = await ended(bench.use.database, 3 * AT_ONCE, days_ago=DAYS + 1)
        rounds = await asyncio.gather(*(prune(bench.use, retention_days=DAYS) for _ in range(2)))
        again = await prune(bench.use, retention_days=DAYS)
        assert sum(one.jobs for one in (*rounds, again)) == len(jobs)
        assert await there(bench.use.database, jobs) == 0


async def test_claims_and_settlements_go_on_while_much_is_pruned(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        database = bench.use.database
        old = await ended(database, 4 * AT_ONCE, days_ago=DAYS + 1)
        pruning = asyncio.create_task(prune(bench.use, retention_days=DAYS))
        beside = 0
        while not pruning.done():
            beside += len(await ended(database, 5, days_ago=0))
        assert (await pruning).jobs == len(old)
        assert beside > 0
        async with database.read() as tx:
            ends = (await tx.execute(text("SELECT count(*) FROM jobs WHERE state = 'succeeded'"))).scalar_one()
        assert ends == beside


async def test_a_batch_and_its_jobs_go_together_and_not_before_the_batchs_time(
    database_url: str, redis_url: str
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        database = bench.use.database
        async with database.begin() as tx:
            batch = await make_batch(tx, 2, follows=False)
            early, late = await jobs_of(tx, batch)
        [other] = await ended(database, days_ago=DAYS + 1)
        await end(database, [early], days_ago=DAYS + 5)
        # the batch is live
        assert await prune(bench.use, retention_days=DAYS) == Round(jobs=1)
        assert (await there(database, [early, late]), await there(database, [other])) == (2, 0)
        async with database.begin() as tx:
            assert len(await cancel_jobs(tx, TENANT, [late.id])) == 1
        # it is finished, a moment ago
        assert await prune(bench.use, retention_days=DAYS) == Round()
        await age(database, "jobs", [late.id], DAYS + 1)
        await age(database, "batches", [batch.id], DAYS + 1)
        assert await prune(bench.use, retention_days=DAYS) == Round(jobs=2, batches=1)
        async with database.read() as tx:
            assert await find_batch(tx, TENANT, batch.id) is None
        assert await is_remembered(database, batch.id)


async def test_runs_of_schedules_go_when_they_are_old_but_for_each_schedules_last(
    database_url: str, redis_url: str
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        database = bench.use.database
        often, seldom = new_id("sched"), new_id("sched")
        async with database.begin() as tx:
            for schedule_id in (often, seldom):
                await tx.execute(_SCHEDULE, {"id": schedule_id, "tenant_id": TENANT, "caller_id": USER})
            for schedule_id, days in ((often, 40), (often, 35), (often, 2), (seldom, 400), (seldom, 50)):
                await tx.execute(_RUN, {"schedule_id": schedule_id, "days": days})
        await prune(bench.use, retention_days=DAYS)
        async with database.read() as tx:
            rows = (await tx.execute(text("SELECT schedule_id, now() - fire_at AS age FROM schedule_runs"))).all()
        assert sorted((row.schedule_id == often, row.age.days) for row in rows) == [(False, 50), (True, 2)]


async def test_bulk_actions_go_when_they_are_done_and_old(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        database = bench.use.database
        ids = [new_id("bulk") for _ in range(3)]
        async with database.begin() as tx:
            for one in ids:
                new = NewBulkAction(
                    id=one,
                    tenant_id=TENANT,
                    caller_id=USER,
                    action=BulkVerb.RETRY,
                    wanted=JobFilter(states=("failed",)),
                    dry_run=False,
                    rate_per_second=1,
                )
                await add_bulk_action(tx, new)
            for one in ids[:2]:
                await abort_bulk_action(tx, TENANT, one)
            await tx.execute(text("UPDATE bulk_actions SET created_at = created_at - interval '5 years'"))
        await age(database, "bulk_actions", ids[:1], DAYS + 1)
        assert await prune(bench.use, retention_days=DAYS) == Round(bulk_actions=1)
        async with database.read() as tx:
            assert [await find_bulk_action(tx, TENANT, one) is None for one in ids] == [True, False, False]
        assert await is_remembered(database, ids[0])
