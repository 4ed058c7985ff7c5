"""Handlers that go on after they were cut off: fenced, off their slots, counted."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from domain.jobs.state import State
from storage.jobs import submit_jobs
from tests.support.bench import execute, open_bench, stored
from tests.support.jobs import ASK, Ask, Reply, make_job, submit
from workers.abandoned import Abandoned, most_abandoned
from workers.context import Context, LeaseLost


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.execute._STOP_SECONDS", 0.02)


async def deafly(event: asyncio.Event) -> None:
    """Wait for it, whoever cancels."""
    while not event.is_set():
        try:
            await event.wait()
        except asyncio.CancelledError:
            continue


Late = Callable[[Ask, Context], Awaitable[object]]


async def settle_late(ask: Ask, ctx: Context) -> None:
    async with ctx.settling() as tx:
        await submit_jobs(tx, [ctx.follow_up(ASK, ask)])


async def tell_progress(_: Ask, ctx: Context) -> None:
    await ctx.progress(0.5)


async def log_late(_: Ask, ctx: Context) -> None:
    await ctx.log("still here")


@pytest.mark.parametrize("late", [settle_late, tell_progress, log_late])
async def test_what_a_handler_writes_after_its_time_is_refused(late: Late, database_url: str, redis_url: str) -> None:
    go_on = asyncio.Event()
    raised: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def outlive(ask: Ask, ctx: Context) -> Reply:
        await deafly(go_on)
        try:
            await late(ask, ctx)
        except LeaseLost as error:
            raised.set_result(error)
        return Reply(text="late")

    async with open_bench(database_url, redis_url, ask=outlive) as bench:
        async with bench.use.database.begin() as tx:
            [job] = await submit(tx, make_job(timeout=timedelta(milliseconds=20)))
        await execute([job.id], bench)
        assert (len(bench.abandoned), bench.slots.used) == (1, 0)
        timed_out = await stored(bench.use.database, job)
        assert timed_out.state is State.SCHEDULED
        go_on.set()
        async with asyncio.timeout(5):
            await raised
            while len(bench.abandoned):
                await asyncio.sleep(0)
        assert await stored(bench.use.database, job) == timed_out
        async with bench.use.database.read() as tx:
            assert (await tx.execute(text("SELECT count(*) FROM jobs"))).scalar_one() == 1


async def test_effects_begun_in_time_and_ended_late_are_rolled_back_and_hold_no_connection(
    database_url: str, redis_url: str
) -> None:
    go_on = asyncio.Event()

    async def outlive(ask: Ask, ctx: Context) -> Reply:
        async with ctx.settling() as tx:
            await submit_jobs(tx, [ctx.follow_up(ASK, ask)])
            await deafly(go_on)
        return Reply(text="late")

    async with open_bench(database_url, redis_url, ask=outlive, connections=2) as bench:
        for _ in range(3):  # more than there are connections
            go_on.clear()
            async with bench.use.database.begin() as tx:
                [job] = await submit(tx, make_job(timeout=timedelta(milliseconds=50)))
            await execute([job.id], bench)
            go_on.set()
            async with asyncio.timeout(5):
                while len(bench.abandoned):
                    await asyncio.sleep(0)
        async with bench.use.database.read() as tx:
            assert (await tx.execute(text("SELECT count(*) FROM jobs WHERE parent_id IS NOT NULL"))).scalar_one() == 0


async def test_too_many_at_a_time_are_told_once_they_are_too_many() -> None:
    told: list[int] = []
    abandoned = Abandoned(most=2, on_too_many=told.append)
    end = asyncio.Event()
    handlers = [asyncio.create_task(end.wait()) for _ in range(2)]
    abandoned.add(handlers[0])
    assert told == []
    abandoned.add(handlers[1])
    assert told == [2]
    end.set()
    await asyncio.gather(*handlers)
    await asyncio.sleep(0)
    assert len(abandoned) == 0


def test_a_worker_bears_a_tenth_of_its_slots_and_at_least_three() -> None:
    assert [most_abandoned(slots) for slots in (1, 30, 100, 1000)] == [3, 3, 10, 100]
