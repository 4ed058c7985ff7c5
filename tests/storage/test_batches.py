"""A batch's counts are the truth whoever moves its jobs, and what follows it is submitted once."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

import pytest
from sqlalchemy import text

from domain.ids import JobId, is_id
from domain.jobs.batch import Batch
from domain.jobs.job import Job, JobError
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from storage.batches import ask_cancel, find_batch, jobs_to_cancel, list_batches
from storage.database import Database, Tx
from storage.jobs import Moved, Settlement, cancel_jobs, expire_jobs, find_job, retry_jobs, settle_jobs
from tests.support.batches import jobs_of, make_batch, stored
from tests.support.jobs import TENANT, claim

SUCCESS = Verdict(state=State.SUCCEEDED, result=b'{"text":"because"}')
FAILURE = Verdict(state=State.FAILED, error=JobError(code="rejected", title="No", detail="Not this one."))


async def true_counts(tx: Tx, batch: Batch) -> dict[State, int]:
    counts = Counter(job.state for job in await jobs_of(tx, batch))
    return {state: counts[state] for state in State}


async def followers(tx: Tx, batch: Batch) -> list[str]:
    rows = await tx.execute(text("SELECT id FROM jobs WHERE metadata ->> 'batch_id' = :id"), {"id": batch.id})
    return list(rows.scalars())


async def settle(tx: Tx, jobs: Iterable[Job], verdict: Verdict = SUCCESS) -> Moved:
    return await settle_jobs(tx, [Settlement(job_id=job.id, lease=job.lease or "", verdict=verdict) for job in jobs])


async def test_a_batch_and_its_jobs_are_written_together_and_in_order(database: Database) -> None:
    async with database.begin() as tx:
        batch = await make_batch(tx, 600)
    async with database.read() as tx:
        found = await stored(tx, batch.id)
        assert (found.total, found.finished_at, found.on_finished_job_id) == (600, None, None)
        assert found.counts == await true_counts(tx, batch) == dict.fromkeys(State, 0) | {State.QUEUED: 600}
        assert [job.batch_index for job in await jobs_of(tx, batch)] == list(range(600))
        assert await find_batch(tx, "tenant_other", batch.id) is None


async def test_a_batch_that_fails_half_way_was_never_there(database: Database) -> None:
    made: list[Batch] = []
    with pytest.raises(RuntimeError):  # noqa: PT012 - what is raised inside the block is the point
        async with database.begin() as tx:
            made.append(await make_batch(tx, 3))
            raise RuntimeError
    async with database.read() as tx:
        assert await find_batch(tx, TENANT, made[0].id) is None
        assert await jobs_of(tx, made[0]) == []


async def test_counts_follow_every_move_and_add_up(database: Database) -> None:
    async with database.begin() as tx:
        batch = await make_batch(tx, 6)
        done, failed, again, cancelled, running, _ = await jobs_of(tx, batch)
        done, failed, again, running = await claim(tx, done, failed, again, running)
        await settle(tx, [done])
        await settle(tx, [failed], FAILURE)
        await settle(tx, [again], Verdict(state=State.SCHEDULED, error=FAILURE.error, delay=timedelta(hours=1)))
        await cancel_jobs(tx, TENANT, [cancelled.id])
        found = await stored(tx, batch.id)
        assert found.counts == await true_counts(tx, batch)
        assert found.counts == {
            State.SUCCEEDED: 1,
            State.FAILED: 1,
            State.SCHEDULED: 1,
            State.CANCELLED: 1,
            State.RUNNING: 1,
            State.QUEUED: 1,
            State.EXPIRED: 0,
        }
        assert sum(found.counts.values()) == found.total


async def test_the_last_job_to_end_finishes_the_batch_and_what_follows_is_queued(database: Database) -> None:
    async with database.begin() as tx:
        batch = await make_batch(tx, 3)
        jobs = await claim(tx, *await jobs_of(tx, batch))
        assert (await settle(tx, jobs[:2])).finished == ()
        assert (await stored(tx, batch.id)).finished_at is None
        assert (await settle(tx, jobs[2:], FAILURE)).finished == (batch.id,)
        found = await stored(tx, batch.id)
        assert found.finished_at is not None
        assert await followers(tx, batch) == [found.on_finished_job_id]
        following = await find_job(tx, TENANT, found.on_finished_job_id or "")
        assert following is not None
        assert is_id("job", following.id)
        assert (following.state, following.priority, following.batch_id) == (State.QUEUED, 7, None)
        made_at = int(following.id.removeprefix("job_")[:12], 16)
        assert made_at == int(found.finished_at.timestamp() * 1000)


async def test_a_batch_may_be_followed_by_nothing(database: Database) -> None:
    async with database.begin() as tx:
        batch = await make_batch(tx, 1, follows=False)
        assert (await settle(tx, await claim(tx, *await jobs_of(tx, batch)))).finished == (batch.id,)
        assert (await stored(tx, batch.id)).on_finished_job_id is None


async def test_a_batch_whose_last_job_is_cancelled_is_finished(database: Database) -> None:
    async with database.begin() as tx:
        batch = await make_batch(tx, 2)
        first, last = await jobs_of(tx, batch)
        await settle(tx, await claim(tx, first))
        assert (await cancel_jobs(tx, TENANT, [last.id])).finished == (batch.id,)
        assert len(await followers(tx, batch)) == 1


async def test_a_batch_whose_last_job_expires_is_finished(database: Database) -> None:
    async with database.begin() as tx:
        batch = await make_batch(tx, 2, expires_in=timedelta(microseconds=1))
    async with database.begin() as tx:
        assert (await expire_jobs(tx, limit=1)).finished == ()
        assert (await expire_jobs(tx, limit=1)).finished == (batch.id,)
        found = await stored(tx, batch.id)
        assert (found.counts[State.EXPIRED], len(await followers(tx, batch))) == (2, 1)


async def test_what_a_rolled_back_transaction_counted_was_never_counted(database: Database) -> None:
    async with database.begin() as tx:
        batch = await make_batch(tx, 1)
        jobs = await claim(tx, *await jobs_of(tx, batch))
    with pytest.raises(RuntimeError):  # noqa: PT012 - what is raised inside the block is the point
        async with database.begin() as tx:
            await settle(tx, jobs)
            raise RuntimeError
    async with database.begin() as tx:
        found = await stored(tx, batch.id)
        assert (found.finished_at, found.counts) == (None, await true_counts(tx, batch))
        assert await followers(tx, batch) == []


async def test_a_job_queued_again_is_counted_back_and_its_end_is_followed_by_nothing_more(database: Database) -> None:
    async with database.begin() as tx:
        batch = await make_batch(tx, 3)
        first, second, third = await claim(tx, *await jobs_of(tx, batch))
        await settle(tx, [first])
        await settle(tx, [second, third], FAILURE)
        before = await stored(tx, batch.id)
        assert len(await retry_jobs(tx, TENANT, [first.id, second.id, third.id])) == 2
        live = await stored(tx, batch.id)
        assert (live.finished_at, live.counts) == (None, await true_counts(tx, batch))
        assert (await settle(tx, await claim(tx, second, third))).finished == (batch.id,)
        found = await stored(tx, batch.id)
        assert found.finished_at is not None
        assert (found.counts, found.counts[State.SUCCEEDED]) == (await true_counts(tx, batch), 3)
        assert await followers(tx, batch) == [before.on_finished_job_id] == [found.on_finished_job_id]


async def test_a_job_of_no_batch_moves_as_ever(database: Database) -> None:
    async with database.begin() as tx:
        batch = await make_batch(tx, 1)
        [job] = await jobs_of(tx, batch)
        await tx.execute(text("UPDATE jobs SET batch_id = NULL WHERE id = :id"), {"id": job.id})
        assert (await settle(tx, await claim(tx, job))).finished == ()


async def test_racing_ends_of_all_sorts_neither_wait_in_circles_nor_drift(database: Database) -> None:
    spread = random.Random(7)  # noqa: S311 - a seed, so that the race repeats as far as races do
    async with database.begin() as tx:
        batches = [await make_batch(tx, 60) for _ in range(4)]
        jobs = [job for batch in batches for job in await jobs_of(tx, batch)]
        claimed = {job.id: job for job in await claim(tx, *jobs[::2])}
    told: list[str] = []

    async def end(some: list[JobId]) -> None:
        async with database.begin() as tx:
            verdict = spread.choice([SUCCESS, FAILURE])
            told.extend((await settle(tx, [claimed[one] for one in some if one in claimed], verdict)).finished)

    async def cancel(some: list[JobId]) -> None:
        async with database.begin() as tx:
            told.extend((await cancel_jobs(tx, TENANT, some)).finished)

    async def revive(some: list[JobId]) -> None:
        async with database.begin() as tx:
            await retry_jobs(tx, TENANT, some)

    ids = [job.id for job in jobs]
    hands = [end] * 3 + [cancel] * 2 + [revive]
    for _ in range(6):
        # each hand takes from all batches, in an order of its own
        await asyncio.gather(*(hand(spread.sample(ids, 40)) for hand in hands))
    async with database.begin() as tx:
        for batch in batches:
            found = await stored(tx, batch.id)
            assert found.counts == await true_counts(tx, batch)
    await end(ids)
    await cancel(ids)
    async with database.begin() as tx:
        for batch in batches:
            found = await stored(tx, batch.id)
            assert found.counts == await true_counts(tx, batch)
            assert found.finished_at is not None
            assert await followers(tx, batch) == [found.on_finished_job_id]
    assert set(told) == {batch.id for batch in batches}


async def test_ends_of_other_jobs_of_the_same_batches_never_wait_in_circles(database: Database) -> None:
    spread = random.Random(7)  # noqa: S311 - as above
    async with database.begin() as tx:
        batches = [await make_batch(tx, 40) for _ in range(8)]
        claimed = [await claim(tx, *await jobs_of(tx, batch)) for batch in batches]
    rows = [list(row) for row in zip(*claimed, strict=True)]  # a job of each batch

    async def end(row: list[Job]) -> None:
        spread.shuffle(row)
        async with database.begin() as tx:
            await settle(tx, row)

    await asyncio.gather(*map(end, rows))
    async with database.read() as tx:
        for batch in batches:
            assert (await stored(tx, batch.id)).counts[State.SUCCEEDED] == batch.total


async def test_of_two_who_end_the_last_two_jobs_at_once_one_finishes_the_batch(database: Database) -> None:
    async with database.begin() as tx:
        batches = [await make_batch(tx, 2) for _ in range(20)]
        pairs = [await claim(tx, *await jobs_of(tx, batch)) for batch in batches]

    async def end(job: Job) -> tuple[str, ...]:
        async with database.begin() as tx:
            return (await settle(tx, [job])).finished

    for batch, pair in zip(batches, pairs, strict=True):
        told = await asyncio.gather(*map(end, pair))
        assert sorted(told) == [(), (batch.id,)]
        async with database.read() as tx:
            assert len(await followers(tx, batch)) == 1


async def test_the_database_itself_refuses_a_batch_that_is_finished_while_a_job_is_live(database: Database) -> None:
    async with database.begin() as tx:
        batch = await make_batch(tx, 2)
    with pytest.raises(Exception, match="ck_batches_finished_when_all_ended"):
        async with database.begin() as tx:
            await tx.execute(text("UPDATE batches SET finished_at = now() WHERE id = :id"), {"id": batch.id})


async def test_what_is_to_be_cancelled_is_live_and_was_not_asked_for_before(database: Database) -> None:
    async with database.begin() as tx:
        batch = await make_batch(tx, 4)
        done, running, asked, waiting = await jobs_of(tx, batch)
        done, running, asked = await claim(tx, done, running, asked)
        await settle(tx, [done])
        await cancel_jobs(tx, TENANT, [asked.id])
        assert await jobs_to_cancel(tx, batch.id, limit=10) == [running.id, waiting.id]
        assert await jobs_to_cancel(tx, batch.id, limit=1) == [running.id]
        assert await ask_cancel(tx, TENANT, batch.id)
        assert not await ask_cancel(tx, "tenant_other", batch.id)
        await settle(tx, [running, asked])
        await cancel_jobs(tx, TENANT, [waiting.id])
        assert not await ask_cancel(tx, TENANT, batch.id)


async def test_batches_are_listed_newest_first_from_where_the_page_before_ended(database: Database) -> None:
    async with database.begin() as tx:
        ids = [(await make_batch(tx, 1)).id for _ in range(3)]
        assert [batch.id for batch in await list_batches(tx, TENANT, limit=2)] == [ids[2], ids[1]]
        assert [batch.id for batch in await list_batches(tx, TENANT, limit=2, before=ids[1])] == [ids[0]]
        assert await list_batches(tx, "tenant_other", limit=2) == []
