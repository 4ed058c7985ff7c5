"""Rescue: what a dead worker held runs again, and what kills its workers does not for ever."""

import asyncio

import pytest
from sqlalchemy import text

from domain.jobs.state import State
from domain.jobs.verdict import MOST_CRASHES
from storage.job_lists import list_attempts
from storage.workers import WorkerReport, report_worker
from tests.support.bench import open_bench, stored
from tests.support.jobs import claim, submit
from workers.rescue import rescue_lapsed, resend_lost, tell_unheard


async def test_a_dead_workers_job_is_queued_again_without_using_an_attempt(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            [job] = await claim(tx, *await submit(tx), lease_seconds=0)
        assert await rescue_lapsed(bench.use) == 1
        back = await stored(bench.use.database, job)
        assert (back.state, back.attempt, back.crashes) == (State.QUEUED, 0, 1)
        async with bench.use.database.read() as tx:
            assert [attempt.code for attempt in await list_attempts(tx, [job.id])] == ["crashed"]


async def test_a_job_that_keeps_killing_its_workers_is_a_dead_letter(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            [job] = await submit(tx)
        for _ in range(MOST_CRASHES):
            async with bench.use.database.begin() as tx:
                assert len(await claim(tx, job, lease_seconds=0)) == 1
            await rescue_lapsed(bench.use)
        dead = await stored(bench.use.database, job)
        assert (dead.state, dead.crashes) == (State.FAILED, MOST_CRASHES)
        assert b'"code":"crashed"' in (dead.error or b"")


async def test_a_live_lease_is_left_alone(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            [job] = await claim(tx, *await submit(tx))
        assert await rescue_lapsed(bench.use) == 0
        assert (await stored(bench.use.database, job)).state is State.RUNNING


async def test_what_got_lost_in_the_broker_is_due_again(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            await submit(tx)
            await tx.execute(text("UPDATE outbox SET stage = 'sent', sends = 1, sent_at = now() - interval '16 s'"))
        assert await resend_lost(bench.use, resend_seconds=15) == 1
        assert await resend_lost(bench.use, resend_seconds=15) == 0


async def test_right_after_postgres_came_up_nobody_is_called_dead(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            [job] = await claim(tx, *await submit(tx), lease_seconds=0)
        assert await rescue_lapsed(bench.use, up_seconds=1e9) == 0
        assert (await stored(bench.use.database, job)).state is State.RUNNING


@pytest.mark.parametrize(
    ("queues", "running", "is_unheard"),
    [((), 0, True), (("others",), 0, True), (("tests",), 7, True), (("tests", "others"), 8, False)],
)
async def test_a_queue_is_unheard_unless_all_who_take_from_it_are_busy(
    queues: tuple[str, ...], running: int, database_url: str, redis_url: str, *, is_unheard: bool
) -> None:
    async with open_bench(database_url, redis_url, heartbeat_seconds=600, lease_seconds=3600) as bench:
        async with asyncio.timeout(10), bench.use.database.read() as tx:
            while not (await tx.execute(text("DELETE FROM workers RETURNING name"))).all():
                await asyncio.sleep(0.01)  # the bench's own, after its first heartbeat
        async with bench.use.database.begin() as tx:
            await submit(tx)
            await tx.execute(text("UPDATE outbox SET stage = 'sent', sends = 3, sent_at = now()"))
            if queues:
                report = WorkerReport(
                    name="worker-1", pid=1, queues=queues, concurrency=8, running=running, stopping=False
                )
                await report_worker(tx, report)
        unheard = await tell_unheard(bench.use, frozenset(), seen_seconds=30)
        assert unheard == ({"tests"} if is_unheard else frozenset())
        async with bench.use.database.begin() as tx:
            await tx.execute(text("UPDATE outbox SET sends = 2"))
        assert await tell_unheard(bench.use, unheard, seen_seconds=30) == frozenset()
