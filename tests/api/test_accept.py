"""The group commit: many callers, few commits; each fails or is answered alone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from api.accept import Accept, Overloaded
from domain.accounts.user import Caller
from domain.catalog import BY_NAME
from domain.ids import JobId
from domain.jobs.job import JobOptions, NewJob, new_job
from runtime.kill_points import KillPointReached, KillPoints
from runtime.unique_ids import new_id
from runtime.wakeups import Wakeups, open_wakeups
from storage.accounts import add_tenant
from storage.database import Database, DatabaseDown, open_database

TENANT = "tenant_" + "1" * 32
KIND = BY_NAME["text.summarize"]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = open_database(database_url, name="test")
    async with opened.begin() as tx:
        await add_tenant(tx, TENANT, "t")
    yield opened
    await opened.close()


@pytest.fixture
async def wakeups(redis_url: str) -> AsyncIterator[Wakeups]:
    opened = open_wakeups(redis_url)
    yield opened
    await opened.close()


def job(*, tenant_id: str = TENANT, delay: timedelta | None = None) -> NewJob:
    caller = Caller(tenant_id=tenant_id, user_id="user_1", permissions=frozenset())
    return new_job(KIND, KIND.example, caller, job_id=JobId(new_id("job")), options=JobOptions(delay=delay))


async def count(database: Database) -> int:
    async with database.read() as tx:
        return int((await tx.execute(text("SELECT count(*) FROM jobs"))).scalar_one())


async def test_what_comes_at_once_is_committed_in_few_batches(database: Database, wakeups: Wakeups) -> None:
    batches: list[int] = []
    accept = Accept(database, wakeups, KillPoints(), on_batch=batches.append)
    new = [job() for _ in range(300)]
    accepted = await asyncio.gather(*(accept.accept(one) for one in new))
    assert [one.job.id for one in accepted] == [one.id for one in new]
    assert sum(batches) == await count(database) == 300
    assert len(batches) < 10


async def test_one_bad_row_fails_alone(database: Database, wakeups: Wakeups) -> None:
    accept = Accept(database, wakeups, KillPoints())
    new = [job(), job(), job(tenant_id="tenant_unknown"), job()]
    first = asyncio.create_task(accept.accept(job()))
    answers = await asyncio.gather(*(accept.accept(one) for one in new), return_exceptions=True)
    await first
    assert [isinstance(answer, Exception) for answer in answers] == [False, False, True, False]
    assert await count(database) == 4


async def test_a_caller_who_goes_away_takes_no_batch_along(database: Database, wakeups: Wakeups) -> None:
    accept = Accept(database, wakeups, KillPoints())
    tasks = [asyncio.create_task(accept.accept(job())) for _ in range(10)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert not any(isinstance(answer, BaseException) for answer in answers[1:])
    await accept.close()
    assert await count(database) == 10


async def test_too_many_waiting_are_turned_away(database: Database, wakeups: Wakeups) -> None:
    accept = Accept(database, wakeups, KillPoints(), waiting_limit=5)
    answers = await asyncio.gather(*(accept.accept(job()) for _ in range(50)), return_exceptions=True)
    turned_away = [answer for answer in answers if isinstance(answer, Overloaded)]
    assert turned_away
    assert all(answer.retry_after_seconds for answer in turned_away)
    assert await count(database) == 50 - len(turned_away)


async def test_a_database_that_is_down_is_said_to_everybody_soon(wakeups: Wakeups) -> None:
    database = open_database("postgresql://nobody@/none?host=/nowhere", name="test")
    accept = Accept(database, wakeups, KillPoints())
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*(accept.accept(job()) for _ in range(100)), return_exceptions=True)
    assert all(isinstance(answer, DatabaseDown) for answer in answers)
    await database.close()


async def test_jobs_are_accepted_while_redis_is_down(database: Database) -> None:
    wakeups = open_wakeups("unix:///nowhere/s.sock")
    accepted = await Accept(database, wakeups, KillPoints()).accept(job())
    assert accepted.job.state == "queued"
    await wakeups.close()


async def test_the_relay_is_rung_after_the_commit(database: Database, wakeups: Wakeups) -> None:
    accept = Accept(database, wakeups, KillPoints())
    async with wakeups.listen_relay() as news:
        assert await news.wait(5)
        await accept.accept(job(delay=timedelta(hours=1)))
        assert await news.wait(5)


async def test_the_relay_is_told_where_a_job_queues_and_to_look_everywhere_for_when_one_is_due(
    database: Database, wakeups: Wakeups
) -> None:
    accept = Accept(database, wakeups, KillPoints())
    async with wakeups.listen_relay() as news:
        assert await news.wait(5)
        assert news.queues() is None
        accepted = await accept.accept(job())
        assert await news.wait(5)
        assert news.queues() == frozenset({accepted.job.queue})
        await accept.accept(job(delay=timedelta(hours=1)))
        assert await news.wait(5)
        assert news.queues() is None


@pytest.mark.parametrize(("point", "kept"), [("api.before_commit", 0), ("api.after_commit", 1)])
async def test_the_kill_points_stand_on_either_side_of_the_commit(
    database: Database, wakeups: Wakeups, point: str, kept: int
) -> None:
    accept = Accept(database, wakeups, KillPoints(f"{point}=raise"))
    with pytest.raises(KillPointReached):
        await accept.accept(job())
    assert await count(database) == kept
