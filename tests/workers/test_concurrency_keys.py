"""Of the jobs that share a concurrency key, one runs at a time, whatever the broker does with its messages."""

import asyncio

import pytest
from msgspec.structs import replace

from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from runtime.broker import Sender
from storage.accounts import add_tenant
from storage.jobs import Settlement, settle_jobs, submit_jobs
from storage.outbox import look_at, put_back, take_due
from tests.support.bench import open_bench, stored
from tests.support.jobs import TENANT, Ask, Reply, claim, make_job, portions, submit
from workers.context import Context
from workers.execute import execute
from workers.relay import Relay

QUEUES = ("tests",)


async def test_one_job_of_a_key_is_sent_and_the_next_when_it_has_ended(
    database_url: str, redis_url: str, sender: Sender
) -> None:
    running = 0
    most = 0

    async def ask(given: Ask, ctx: Context) -> Reply:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return Reply(text=given.question)

    async with open_bench(database_url, redis_url, ask=ask) as bench:
        async with bench.use.database.begin() as tx:
            keyed = await submit(tx, *(make_job(concurrency_key="account-7") for _ in range(5)))
            [free] = await submit(tx)
        relay = Relay(bench.use, sender, queues=QUEUES)
        ids = [job.id for job in (*keyed, free)]
        for _ in range(len(keyed)):
            await relay.release()
            # every message ever sent comes again, and many at once
            await asyncio.gather(*(execute(ids, bench) for _ in range(3)))
        states = [(await stored(bench.use.database, job)).state for job in (*keyed, free)]
        assert states == [State.SUCCEEDED] * 6
        assert most == 2  # one of the key, and the one without


async def test_a_late_message_of_a_job_that_was_put_back_cannot_claim_it(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench, bench.use.database.begin() as tx:
        first, second = await submit(tx, make_job(concurrency_key="k", priority=1), make_job(concurrency_key="k"))
        assert [due.job_id for due in await take_due(tx, "tests", portions(TENANT, most=10))] == [first.id]
        await put_back(tx, [first.id])
        assert await claim(tx, first, are_sent=True) == []
        assert [due.job_id for due in await take_due(tx, "tests", portions(TENANT, most=10))] == [first.id]
        assert len(await claim(tx, first, second, are_sent=True)) == 1
        assert await take_due(tx, "tests", portions(TENANT, most=10)) == []


async def test_only_one_relay_at_a_time_decides_about_keys(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            await submit(tx, make_job(concurrency_key="k"))
            [free] = await submit(tx)
        async with bench.use.database.begin() as one, bench.use.database.begin() as other:
            assert (await look_at(one, "tests", most=1)).may_decide_keys
            assert not (await look_at(other, "tests", most=1)).may_decide_keys
            taken = await take_due(other, "tests", portions(TENANT, most=10), with_keys=False)
            assert [due.job_id for due in taken] == [free.id]


async def test_a_relay_whose_queue_has_no_job_with_a_key_leaves_them_to_others(
    database_url: str, redis_url: str
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            await submit(tx)
            await submit_jobs(tx, [replace(make_job(concurrency_key="k"), queue="others")])
        async with bench.use.database.begin() as one, bench.use.database.begin() as other:
            look = await look_at(one, "tests", most=1)
            assert look.lanes
            assert not look.may_decide_keys
            assert (await look_at(other, "others", most=1)).may_decide_keys


async def test_the_same_key_of_another_tenant_is_another_key(database_url: str, redis_url: str) -> None:
    other = "tenant_" + "2" * 32
    async with open_bench(database_url, redis_url) as bench, bench.use.database.begin() as tx:
        await add_tenant(tx, other, "other")
        jobs = [make_job(concurrency_key="k"), replace(make_job(concurrency_key="k"), tenant_id=other)]
        await submit_jobs(tx, jobs)
        taken = await take_due(tx, "tests", portions(TENANT, other, most=5))
        assert sorted(due.job_id for due in taken) == sorted(job.id for job in jobs)


@pytest.mark.parametrize("ended", [True, False])
async def test_a_job_that_is_given_back_frees_its_key(database_url: str, redis_url: str, *, ended: bool) -> None:
    async with open_bench(database_url, redis_url) as bench, bench.use.database.begin() as tx:
        first, second = await submit(tx, make_job(concurrency_key="k", priority=1), make_job(concurrency_key="k"))
        await take_due(tx, "tests", portions(TENANT, most=10))
        [running] = await claim(tx, first)
        assert await take_due(tx, "tests", portions(TENANT, most=10)) == []
        verdict = (
            Verdict(state=State.SUCCEEDED, result=b"{}")
            if ended
            else Verdict(state=State.QUEUED, counts_as_attempt=False)
        )
        await settle_jobs(tx, [Settlement(job_id=running.id, lease=running.lease or "", verdict=verdict)])
        expected = second.id if ended else first.id
        assert [due.job_id for due in await take_due(tx, "tests", portions(TENANT, most=10))] == [expected]
