"""The heartbeat keeps its connection, and cancellations are noticed without wake-ups."""

import asyncio
from contextlib import AsyncExitStack

from sqlalchemy import text

from domain.jobs.job import Job
from domain.jobs.state import State
from storage.database import Database
from storage.jobs import cancel_job
from tests.support.bench import execute, open_bench, reaches
from tests.support.jobs import TENANT, Ask, Reply, make_job, open_store, submit
from workers.context import Context

NO_REDIS = "unix:///nowhere/s.sock"


async def never_end(ask: Ask, ctx: Context) -> Reply:
    await asyncio.Event().wait()
    return Reply(text=ask.question)


async def lease_until(database: Database, job: Job) -> object:
    async with database.read() as tx:
        return (await tx.execute(text("SELECT lease_until FROM jobs WHERE id = :id"), {"id": job.id})).scalar_one()


async def test_leases_are_renewed_though_handlers_hold_every_connection(database_url: str, redis_url: str) -> None:
    full = asyncio.Event()
    holding = 0

    async def hold(ask: Ask, ctx: Context) -> Reply:
        nonlocal holding
        async with ctx.settling():
            holding += 1
            if holding == 2:
                full.set()
            await asyncio.Event().wait()
        return Reply(text=ask.question)

    async with (
        open_store(database_url) as outside,
        open_bench(database_url, redis_url, ask=hold, connections=2, heartbeat_seconds=0.02) as bench,
    ):
        async with outside.begin() as tx:
            jobs = await submit(tx, make_job(), make_job())
        work = asyncio.create_task(execute([job.id for job in jobs], bench))
        async with asyncio.timeout(10):
            await full.wait()
            before = [await lease_until(outside, job) for job in jobs]
            while any([await lease_until(outside, job) in before for job in jobs]):
                await asyncio.sleep(0.01)
        await bench.leases.drain(0)
        await work


async def test_a_cancel_is_noticed_without_wake_ups_long_before_the_next_heartbeat(database_url: str) -> None:
    async with open_bench(database_url, NO_REDIS, ask=never_end, heartbeat_seconds=600, lease_seconds=3600) as bench:
        async with bench.use.database.begin() as tx:
            [job] = await submit(tx)
        work = asyncio.create_task(execute([job.id], bench))
        await reaches(bench.use.database, job, State.RUNNING)
        async with bench.use.database.begin() as tx:
            await cancel_job(tx, TENANT, job.id)
        await reaches(bench.use.database, job, State.CANCELLED)
        await work


async def test_a_cancel_told_while_the_subscription_was_cut_is_noticed_after_it(
    database_url: str, redis_url: str
) -> None:
    async with AsyncExitStack() as stack:
        bench = await stack.enter_async_context(
            open_bench(database_url, redis_url, ask=never_end, heartbeat_seconds=600, lease_seconds=3600)
        )
        async with bench.use.database.begin() as tx:
            [job] = await submit(tx)
        work = asyncio.create_task(execute([job.id], bench))
        await reaches(bench.use.database, job, State.RUNNING)
        async with asyncio.timeout(10):
            while bench.use.wakeups.cancels_heard_since is None:
                await asyncio.sleep(0.01)
        async with bench.use.database.begin() as tx:
            await cancel_job(tx, TENANT, job.id)  # and nobody tells it
        before = bench.use.wakeups.cancels_heard_since
        await bench.use.wakeups._teller.client_kill_filter(_type="pubsub")  # noqa: SLF001 - the cut comes from the server
        await reaches(bench.use.database, job, State.CANCELLED)
        assert bench.use.wakeups.cancels_heard_since != before
        await work
