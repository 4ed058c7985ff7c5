"""A batch done by a worker: whoever ends its last job, what follows runs once, and soon."""

import asyncio
from datetime import timedelta

import pytest

from domain.jobs.batch import Batch
from domain.jobs.job import Job
from domain.jobs.state import State
from domain.jobs.verdict import MOST_CRASHES, Reject
from storage.jobs import cancel_jobs, find_job
from tests.support.batches import jobs_of, make_batch, stored
from tests.support.bench import AskHandler, execute, open_bench
from tests.support.jobs import TENANT, Ask, Reply, claim
from workers.context import Context
from workers.execute import Bench
from workers.rescue import expire_late, rescue_lapsed


async def answer(ask: Ask, ctx: Context) -> Reply:
    if ctx.job.batch_index == 2:
        raise Reject("no_answer", "There is none.")
    return Reply(text=ask.question.upper())


async def answer_in_postgres(ask: Ask, ctx: Context) -> Reply:
    async with ctx.settling():
        return Reply(text=ask.question.upper())


async def ended(bench: Bench, batch: Batch) -> Batch:
    async with bench.use.database.read() as tx:
        return await stored(tx, batch.id)


async def following(bench: Bench, batch: Batch) -> Job:
    async with bench.use.database.read() as tx:
        found = await find_job(tx, TENANT, (await stored(tx, batch.id)).on_finished_job_id or "")
    assert found is not None
    return found


@pytest.mark.parametrize(("ask", "failed"), [(answer, 1), (answer_in_postgres, 0)])
async def test_a_batch_runs_to_its_end_and_what_follows_runs_after_it(
    database_url: str, redis_url: str, ask: AskHandler, failed: int
) -> None:
    async with open_bench(database_url, redis_url, ask=ask, slots=16) as bench:
        async with bench.use.database.begin() as tx:
            batch = await make_batch(tx, 60)
            ids = [job.id for job in await jobs_of(tx, batch)]
        async with bench.use.wakeups.listening(batch.id) as news, bench.use.wakeups.listen_relay() as bell:
            assert await news.wait(10)  # who begins to listen is told that there may be news
            assert await bell.wait(10)
            await asyncio.gather(execute(ids[:40], bench), execute(ids[20:], bench))
            assert await news.wait(10)
            assert await bell.wait(10)
        found = await ended(bench, batch)
        assert (found.counts[State.SUCCEEDED], found.counts[State.FAILED]) == (60 - failed, failed)
        assert found.finished_at is not None
        await execute([(await following(bench, batch)).id], bench)
        assert (await following(bench, batch)).state is State.SUCCEEDED


async def test_a_batch_whose_last_worker_dies_too_often_is_finished(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            batch = await make_batch(tx, 1)
            jobs = await jobs_of(tx, batch)
        for _ in range(MOST_CRASHES):
            assert (await ended(bench, batch)).finished_at is None
            async with bench.use.database.begin() as tx:
                await claim(tx, *jobs, lease_seconds=0)
            await rescue_lapsed(bench.use)
        assert (await ended(bench, batch)).counts[State.FAILED] == 1
        assert (await following(bench, batch)).state is State.QUEUED


async def test_a_batch_nobody_got_to_in_time_is_finished(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            batch = await make_batch(tx, 3, expires_in=timedelta(microseconds=1))
        async with bench.use.wakeups.listen_relay() as bell:
            assert await bell.wait(10)  # as above
            assert await expire_late(bench.use) == 3
            assert await bell.wait(10)
        assert (await ended(bench, batch)).counts[State.EXPIRED] == 3
        assert (await following(bench, batch)).state is State.QUEUED


async def test_a_batch_cancelled_while_it_runs_is_finished_by_its_workers(database_url: str, redis_url: str) -> None:
    begun = asyncio.Event()

    async def wait_to_be_stopped(_: Ask, ctx: Context) -> Reply:
        begun.set()
        await asyncio.Event().wait()
        return Reply(text=ctx.job.id)

    async with open_bench(database_url, redis_url, ask=wait_to_be_stopped, slots=4) as bench:
        async with bench.use.database.begin() as tx:
            batch = await make_batch(tx, 6)
            ids = [job.id for job in await jobs_of(tx, batch)]
        running = asyncio.create_task(execute(ids[:4], bench))
        await begun.wait()
        async with bench.use.database.begin() as tx:
            moved = await cancel_jobs(tx, TENANT, ids)
        assert moved.finished == ()
        bench.use.wakeups.tell_cancelled([job.id for job in moved])
        await running
        found = await ended(bench, batch)
        assert (found.counts[State.CANCELLED], found.is_finished) == (6, True)
        assert (await following(bench, batch)).state is State.QUEUED
