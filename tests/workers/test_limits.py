"""Limits of queues hold across relays and workers, whatever happens to jobs and messages on the way.

Long because a limit holds only where every way round it is closed, and a gap would not be seen across files.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from domain.emails.send_email import SEND_EMAIL
from domain.jobs.job import Job
from domain.jobs.limits import Limit, QueueLimits, Rate
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from runtime.broker import Sender
from runtime.unique_ids import new_id
from storage.accounts import add_tenant
from storage.jobs import Settlement, cancel_jobs, claim_jobs, settle_jobs
from storage.queues import limit_queue, pause_queue
from tests.support.bench import open_bench, sender_to
from tests.support.jobs import ASK, TENANT, Ask, Reply, make_job, submit
from workers.context import Context
from workers.execute import Bench, execute
from workers.relay import Relay
from workers.rescue import rescue_lapsed, resend_lost

OTHER = "tenant_" + "2" * 32
MINUTE = 60.0


def at_most(number: int) -> QueueLimits:
    return QueueLimits(whole=Limit(max_running=number))


def a_minute(number: int) -> QueueLimits:
    return QueueLimits(whole=Limit(rate=Rate(count=number, per_seconds=MINUTE)))


class Floor:
    """A limited queue, the relays that release it, and a worker's hands."""

    def __init__(self, bench: Bench, *senders: Sender) -> None:
        self.bench = bench
        self.relays = [Relay(bench.use, sender, queues=["tests"]) for sender in senders]

    async def limit(self, limits: QueueLimits) -> None:
        async with self.bench.use.database.begin() as tx:
            await limit_queue(tx, "tests", limits)

    async def submit(self, number: int, *, kind: str = ASK.name, tenant_id: str = TENANT, priority: int = 0) -> None:
        """Submit so many jobs; of another kind, as if it went through the same queue."""
        async with self.bench.use.database.begin() as tx:
            await add_tenant(tx, tenant_id, tenant_id)
            new = (replace(make_job(priority=priority), kind=kind, tenant_id=tenant_id) for _ in range(number))
            await submit(tx, *new)

    async def release(self) -> list[float]:
        """Let every relay look, all at the same time; answers with how long each would pause."""
        return await asyncio.gather(*(relay.release() for relay in self.relays))

    async def sent(self, *, kind: str | None = None, tenant_id: str | None = None) -> int:
        """How many are with the broker."""
        async with self.bench.use.database.read() as tx:
            statement = text("""
                SELECT count(*) FROM outbox WHERE stage = 'sent' AND kind = coalesce(CAST(:kind AS text), kind)
                    AND tenant_id = coalesce(CAST(:tenant_id AS text), tenant_id)
            """)
            return int((await tx.execute(statement, {"kind": kind, "tenant_id": tenant_id})).scalar_one())

    async def claim(self, *, most: int = 100, lease_seconds: float = 30) -> list[Job]:
        """Claim what is queued, sent or not: so many of all messages that ever were come at once."""
        async with self.bench.use.database.begin() as tx:
            ids = (await tx.execute(text("SELECT id FROM jobs WHERE state = 'queued' ORDER BY id"))).scalars()
            return await claim_jobs(
                tx,
                list(ids)[: most if most < 100 else None],
                worker="worker-1",
                lease=new_id("lease"),
                lease_seconds=lease_seconds,
                kinds=[ASK.name, SEND_EMAIL.name],
            )

    async def settle(self, jobs: Sequence[Job], verdict: Verdict | None = None) -> None:
        done = verdict or Verdict(state=State.SUCCEEDED, result=b"{}")
        async with self.bench.use.database.begin() as tx:
            await settle_jobs(tx, [Settlement(job_id=job.id, lease=job.lease or "", verdict=done) for job in jobs])

    async def pass_time(self, seconds: float) -> None:
        """Make everything that was sent or has started older."""
        async with self.bench.use.database.begin() as tx:
            for table, column in (("starts", "at"), ("outbox", "sent_at"), ("jobs", "started_at")):
                statement = f"UPDATE {table} SET {column} = {column} - make_interval(secs => :seconds)"  # noqa: S608 - ours
                await tx.execute(text(statement), {"seconds": seconds})


@pytest.fixture
async def floor(database_url: str, redis_url: str) -> AsyncIterator[Floor]:
    async with open_floor(database_url, redis_url) as opened:
        yield opened


@asynccontextmanager
async def open_floor(database_url: str, redis_url: str) -> AsyncIterator[Floor]:
    async with open_bench(database_url, redis_url) as bench:
        senders = [sender_to(redis_url) for _ in range(2)]
        yield Floor(bench, *senders)
        for sender in senders:
            sender.close()


async def test_two_relays_at_once_send_no_more_than_may_run(floor: Floor) -> None:
    await floor.limit(at_most(3))
    await floor.submit(20)
    ended = 0
    while ended < 20:
        await floor.release()
        running = await floor.claim()
        await floor.release()
        assert 0 < len(running) + await floor.sent() <= 3
        await floor.settle(running[:2])
        ended += len(running[:2])
        await floor.settle(running[2:], Verdict(state=State.QUEUED, counts_as_attempt=False))


async def test_a_rescued_job_and_one_sent_again_take_no_place_of_others(floor: Floor) -> None:
    await floor.limit(at_most(2))
    await floor.submit(5)
    await floor.release()
    [_] = await floor.claim(most=1, lease_seconds=0)
    await floor.pass_time(3600)
    assert await rescue_lapsed(floor.bench.use) == 1
    assert await resend_lost(floor.bench.use, resend_seconds=15) == 1
    # the messages of both are still about, and neither is let in by them
    assert await floor.claim() == []
    await floor.release()
    assert await floor.sent() == 2
    assert len(await floor.claim()) == 2
    await floor.release()
    assert await floor.sent() == 0


async def test_no_more_jobs_run_at_once_than_the_limit_though_every_message_comes_again(
    database_url: str, redis_url: str, sender: Sender
) -> None:
    running = most = 0

    async def ask(given: Ask, ctx: Context) -> Reply:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return Reply(text=given.question)

    async with open_bench(database_url, redis_url, ask=ask) as bench:
        async with bench.use.database.begin() as tx:
            await limit_queue(tx, "tests", at_most(2))
            ids = [job.id for job in await submit(tx, *(make_job() for _ in range(8)))]
        relay = Relay(bench.use, sender, queues=["tests"])
        for _ in range(4):
            await relay.release()
            await asyncio.gather(*(execute(ids, bench) for _ in range(3)))
        async with bench.use.database.read() as tx:
            states = (await tx.execute(text("SELECT DISTINCT state FROM jobs"))).scalars()
            assert list(states) == ["succeeded"]
        assert most == 2


async def test_a_settled_job_of_a_limited_queue_wakes_the_relay(floor: Floor) -> None:
    await floor.limit(at_most(1))
    await floor.submit(2)
    async with floor.bench.use.database.begin() as tx:
        await floor.relays[0].release()
        [job] = await floor.claim()
        settled = await settle_jobs(
            tx,
            [Settlement(job_id=job.id, lease=job.lease or "", verdict=Verdict(state=State.SUCCEEDED, result=b"{}"))],
        )
    assert settled.frees


async def test_in_no_minute_start_more_jobs_than_the_rate(floor: Floor) -> None:
    await floor.limit(a_minute(3))
    await floor.submit(60)
    for step in range(24):
        await floor.release()
        # workers are quick, or slow, or away for a while, and then take all there is at once
        await floor.settle(await floor.claim(most=(0, 1, 100, 0, 0, 0, 100)[step % 7]))
        await floor.release()
        await floor.settle(await floor.claim(most=1))
        await floor.pass_time(11)
    async with floor.bench.use.database.read() as tx:
        found = await tx.execute(
            text("""
            SELECT count(*) OVER (ORDER BY started_at RANGE BETWEEN CURRENT ROW AND '59.999 s' FOLLOWING)
            FROM jobs WHERE started_at IS NOT NULL
            """)
        )
        counts = list(found.scalars())
    assert max(counts) == 3
    assert len(counts) >= 8


async def test_what_no_worker_has_claimed_counts_against_a_rate_however_long_ago_it_was_sent(floor: Floor) -> None:
    await floor.limit(a_minute(3))
    await floor.submit(10)
    for _ in range(3):
        await floor.release()
        await floor.pass_time(100)
        await resend_lost(floor.bench.use, resend_seconds=15)
    await floor.release()
    assert await floor.sent() == 3


async def test_the_relay_pauses_until_the_rate_lets_the_next_job_go(floor: Floor) -> None:
    await floor.limit(a_minute(1))
    await floor.submit(3)
    await floor.release()
    await floor.settle(await floor.claim())
    assert await floor.relays[0].release() == pytest.approx(0.5)
    await floor.pass_time(59.6)
    assert 0 < await floor.relays[0].release() <= 0.4
    await floor.pass_time(0.4)
    assert await floor.relays[0].release() < 0.1
    assert await floor.sent() == 1


async def test_a_kind_at_its_limit_holds_up_no_other_of_its_queue(floor: Floor) -> None:
    await floor.limit(QueueLimits(per_kind={ASK.name: Limit(max_running=1)}))
    await floor.submit(150, priority=100)
    await floor.submit(5, kind=SEND_EMAIL.name)
    await floor.release()
    assert (await floor.sent(kind=ASK.name), await floor.sent(kind=SEND_EMAIL.name)) == (1, 5)


async def test_a_tenant_at_its_limit_holds_up_no_other(floor: Floor) -> None:
    await floor.limit(QueueLimits(per_tenant=Limit(max_running=2)))
    await floor.submit(150, priority=100)
    await floor.submit(5, tenant_id=OTHER)
    await floor.release()
    assert (await floor.sent(tenant_id=TENANT), await floor.sent(tenant_id=OTHER)) == (2, 2)


async def test_tenants_have_the_only_place_of_a_queue_in_turns(floor: Floor) -> None:
    await floor.limit(at_most(1))
    await floor.submit(10)
    await floor.submit(10, tenant_id=OTHER)
    served = []
    for _ in range(6):
        while not await floor.sent():
            await floor.relays[0].release()
        await floor.relays[0].release()
        [job] = await floor.claim()
        served.append(job.tenant_id)
        await floor.settle([job])
    assert served.count(OTHER) == 3


async def test_a_limit_that_is_lifted_or_raised_takes_effect_with_the_next_look(floor: Floor) -> None:
    await floor.limit(at_most(1))
    await floor.submit(10)
    await floor.release()
    await floor.limit(at_most(4))
    await floor.release()
    assert await floor.sent() == 4
    await floor.limit(QueueLimits())
    await floor.release()
    assert await floor.sent() == 10


async def test_a_paused_queue_sends_nothing_and_keeps_its_limits(floor: Floor) -> None:
    await floor.limit(at_most(2))
    await floor.submit(5)
    for paused, expected in ((True, 0), (False, 2)):
        async with floor.bench.use.database.begin() as tx:
            await pause_queue(tx, "tests", paused=paused)
        await floor.release()
        assert await floor.sent() == expected


async def test_cancelling_what_was_sent_frees_its_place(floor: Floor) -> None:
    await floor.limit(at_most(1))
    await floor.submit(2)
    await floor.release()
    async with floor.bench.use.database.begin() as tx:
        ids = list((await tx.execute(text("SELECT job_id FROM outbox WHERE stage = 'sent'"))).scalars())
        await cancel_jobs(tx, TENANT, ids)
    await floor.release()
    assert await floor.sent() == 1


@pytest.mark.parametrize(("per_key", "expected"), [(1, 1), (2, 2), (None, 5)])
async def test_so_many_jobs_of_a_key_are_sent_at_once(floor: Floor, per_key: int | None, expected: int) -> None:
    await floor.limit(QueueLimits(per_key=per_key))
    async with floor.bench.use.database.begin() as tx:
        await submit(tx, *(make_job(concurrency_key="account-7") for _ in range(5)))
    for _ in range(4):
        await floor.release()
        assert len(await floor.claim(most=1)) <= 1
    async with floor.bench.use.database.read() as tx:
        running = int((await tx.execute(text("SELECT count(*) FROM jobs WHERE state = 'running'"))).scalar_one())
    assert await floor.sent() + running == expected


async def test_a_job_that_is_not_yet_due_takes_no_place(floor: Floor) -> None:
    await floor.limit(at_most(1))
    async with floor.bench.use.database.begin() as tx:
        await submit(tx, make_job(delay=timedelta(hours=1), priority=100))
    await floor.submit(1)
    await floor.release()
    assert await floor.sent() == 1
