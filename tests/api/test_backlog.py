"""So many jobs may wait to be run, of one tenant and in all; what stands already is answered all the same."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import httpx
import pytest
from msgspec.structs import replace

from api.app import make_app
from api.backlog import Backlog, BacklogFull, QueuesFull
from storage.database import DatabaseDown, open_database
from tests.api.conftest import SUMMARIZE, House, Problem, served
from tests.support.jobs import TENANT, make_job, open_store, submit

OTHER = "tenant_" + "2" * 32
Bounded = Callable[..., AbstractAsyncContextManager[tuple[httpx.AsyncClient, httpx.AsyncClient]]]


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def bounded(house: House) -> Bounded:
    """The API with bounds of its own: clients of the house's tenant and of another."""

    @asynccontextmanager
    async def serve(**bounds: int) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
        app = make_app(house.database, house.wakeups, replace(house.settings, **bounds))
        async with served(app) as url:
            mine = {"Authorization": house.client.headers["Authorization"], "Host": "headrace.test"}
            theirs = mine | {"Authorization": house.stranger.headers["Authorization"]}
            async with (
                httpx.AsyncClient(base_url=url, headers=mine) as client,
                httpx.AsyncClient(base_url=url, headers=theirs) as stranger,
            ):
                yield client, stranger

    return serve


async def test_past_its_bound_a_tenant_is_refused_and_no_other(bounded: Bounded, problem: Problem) -> None:
    async with bounded(most_queued_per_tenant=3) as (client, stranger):
        answers = await asyncio.gather(*(client.post("/v1/jobs", json=SUMMARIZE) for _ in range(10)))
        refused = [answer for answer in answers if answer.status_code != 202]
        assert len(refused) == 7
        for answer in refused:
            found = problem(answer)
            assert (answer.status_code, found["code"], found["retryable"]) == (429, "backlog_full", True)
            assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert (await stranger.post("/v1/jobs", json=SUMMARIZE)).status_code == 202


async def test_past_the_bound_of_all_everybody_is_refused(bounded: Bounded, problem: Problem) -> None:
    async with bounded(most_queued=2) as (client, stranger):
        for door in (client, stranger):
            assert (await door.post("/v1/jobs", json=SUMMARIZE)).status_code == 202
        for door in (client, stranger):
            refused = await door.post("/v1/text/summarize", json={"text": "A long story."})
            assert (refused.status_code, problem(refused)["code"]) == (503, "queues_full")


async def test_once_jobs_are_claimed_there_is_room_again(house: House, bounded: Bounded) -> None:
    async with bounded(most_queued_per_tenant=1) as (client, _):
        job = (await client.post("/v1/jobs", json=SUMMARIZE)).json()
        assert (await client.post("/v1/jobs", json=SUMMARIZE)).status_code == 429
        await house.claim(job["id"])
        async with asyncio.timeout(20):
            while (await client.post("/v1/jobs", json=SUMMARIZE)).status_code != 202:
                await asyncio.sleep(0.01)


async def test_what_others_accepted_counts_once_it_is_counted(house: House, bounded: Bounded) -> None:
    for _ in range(2):
        await house.submit()
    async with bounded(most_queued_per_tenant=2) as (client, _):
        async with asyncio.timeout(20):
            while (await client.post("/v1/jobs", json=SUMMARIZE)).status_code != 429:
                await asyncio.sleep(0.01)


async def test_a_request_sent_again_is_answered_though_there_is_no_room(bounded: Bounded, problem: Problem) -> None:
    async with bounded(most_queued_per_tenant=1) as (client, _):
        first = await client.post("/v1/jobs", json=SUMMARIZE, headers={"Idempotency-Key": "k-1"})
        again = await client.post("/v1/jobs", json=SUMMARIZE, headers={"Idempotency-Key": "k-1"})
        assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
        assert again.json()["id"] == first.json()["id"]
        other = await client.post("/v1/jobs", json={**SUMMARIZE, "priority": 1}, headers={"Idempotency-Key": "k-1"})
        assert (other.status_code, problem(other)["code"]) == (422, "idempotency_key_reused")
        fresh = await client.post("/v1/jobs", json=SUMMARIZE, headers={"Idempotency-Key": "k-2"})
        assert (fresh.status_code, problem(fresh)["code"]) == (429, "backlog_full")


async def test_a_refused_key_is_not_used_up(house: House, bounded: Bounded) -> None:
    async with bounded(most_queued_per_tenant=1) as (client, _):
        job = (await client.post("/v1/jobs", json=SUMMARIZE)).json()
        keyed = {"Idempotency-Key": "k-1"}
        assert (await client.post("/v1/jobs", json=SUMMARIZE, headers=keyed)).status_code == 429
        await house.claim(job["id"])
        async with asyncio.timeout(20):
            while (taken := await client.post("/v1/jobs", json=SUMMARIZE, headers=keyed)).status_code != 202:
                await asyncio.sleep(0.01)
        assert "idempotency-replayed" not in taken.headers


async def test_a_job_alike_is_the_answer_though_there_is_no_room(bounded: Bounded, problem: Problem) -> None:
    unique = {**SUMMARIZE, "unique": {"for": "1h"}}
    async with bounded(most_queued_per_tenant=1) as (client, _):
        first = await client.post("/v1/jobs", json=unique)
        alike = await client.post("/v1/jobs", json=unique)
        assert (alike.status_code, alike.json()["id"]) == (200, first.json()["id"])
        other = await client.post("/v1/jobs", json={**unique, "unique": {"for": "1h", "key": "other"}})
        assert (other.status_code, problem(other)["code"]) == (429, "backlog_full")


async def test_replies_and_firings_by_hand_are_bounded_too(bounded: Bounded, problem: Problem) -> None:
    async with bounded(most_queued_per_tenant=1) as (client, _):
        conversation = (await client.post("/v1/conversations", json={})).json()
        said = f"/v1/conversations/{conversation['id']}/messages"
        assert (await client.post(said, json={"text": "Hello"})).status_code == 202
        refused = await client.post(said, json={"text": "Hello?"})
        assert (refused.status_code, problem(refused)["code"]) == (429, "backlog_full")
        schedule = await client.post("/v1/schedules", json={"name": "n", "every": "1h", "job": SUMMARIZE})
        assert schedule.status_code == 201, schedule.text
        fired = await client.post(f"/v1/schedules/{schedule.json()['id']}/trigger")
        assert (fired.status_code, problem(fired)["code"]) == (429, "backlog_full")


async def test_a_batch_counts_as_its_jobs_and_comes_whole_or_not_at_all(bounded: Bounded, problem: Problem) -> None:
    async with bounded(most_queued_per_tenant=3) as (client, _):
        keyed = {"Idempotency-Key": "k-1"}
        taken = await client.post("/v1/batches", json={"jobs": [SUMMARIZE] * 2}, headers=keyed)
        assert taken.status_code == 202, taken.text
        refused = await client.post("/v1/batches", json={"jobs": [SUMMARIZE] * 2})
        assert (refused.status_code, problem(refused)["code"]) == (429, "backlog_full")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        again = await client.post("/v1/batches", json={"jobs": [SUMMARIZE] * 2}, headers=keyed)
        assert again.json()["id"] == taken.json()["id"]
        assert (await client.post("/v1/batches", json={"jobs": [SUMMARIZE]})).status_code == 202
        assert (await client.post("/v1/jobs", json=SUMMARIZE)).status_code == 429


async def test_a_batch_past_the_bound_of_all_is_refused(bounded: Bounded, problem: Problem) -> None:
    async with bounded(most_queued=3) as (client, _):
        refused = await client.post("/v1/batches", json={"jobs": [SUMMARIZE] * 4})
        assert (refused.status_code, problem(refused)["code"]) == (503, "queues_full")


def accept(backlog: Backlog, jobs: int) -> None:
    """So many jobs of the tenant are written."""
    with backlog.taking(TENANT) as take:
        take(jobs)


def test_what_could_not_be_written_takes_no_room() -> None:
    backlog = Backlog(most_of_one=2, most=10)
    with suppress(LookupError), backlog.taking(TENANT) as take:
        take(2)
        assert isinstance(backlog.full(TENANT), BacklogFull)
        raise LookupError
    assert backlog.full(TENANT, 2) is None
    with pytest.raises(BacklogFull), backlog.taking(TENANT) as take:
        take(3)
    assert backlog.full(TENANT, 2) is None


async def test_what_is_under_way_is_not_forgotten_by_counts(database_url: str) -> None:
    async with open_store(database_url) as database:
        backlog = Backlog(most_of_one=3, most=100)
        with backlog.taking(TENANT) as take:
            take(3)
            await backlog.count(database)  # sees nothing of it: it is not committed
            await backlog.count(database)
            assert isinstance(backlog.full(TENANT), BacklogFull)
        assert isinstance(backlog.full(TENANT), BacklogFull)
        await backlog.count(database)  # it was committed before, and is gone again
        assert backlog.full(TENANT, 3) is None


async def test_what_the_platform_makes_itself_is_never_refused(database_url: str) -> None:
    async with open_store(database_url) as database:
        backlog = Backlog(most_of_one=1, most=1)
        async with database.begin() as tx:
            await submit(tx, make_job(), make_job(), make_job())  # as handlers and the tick do: no door in the way
        await backlog.count(database)
        assert isinstance(backlog.full(TENANT), QueuesFull)


async def test_the_count_takes_the_place_of_what_was_added(database_url: str) -> None:
    async with open_store(database_url) as database:
        backlog = Backlog(most_of_one=3, most=100)
        accept(backlog, 3)
        assert isinstance(backlog.full(TENANT), BacklogFull)
        assert backlog.full(OTHER) is None
        async with database.begin() as tx:
            await submit(tx, make_job(), make_job())
        await backlog.count(database)
        assert backlog.full(TENANT) is None
        assert isinstance(backlog.full(TENANT, 2), BacklogFull)


async def test_the_wait_told_follows_how_fast_jobs_are_claimed(database_url: str) -> None:
    async with open_store(database_url) as database:
        clock = Clock()
        backlog = Backlog(most_of_one=1_000, most=10_000, clock=clock)
        accept(backlog, 1_000)
        clock.now += 5
        await backlog.count(database)  # none is left: 200 a second were claimed
        accept(backlog, 1_000)
        full = backlog.full(TENANT)
        assert full is not None
        assert full.retry_after_seconds == 1  # ten, a hundredth of the bound, will have been sooner
        clock.now += 500
        await backlog.count(database)  # two a second
        accept(backlog, 1_000)
        full = backlog.full(TENANT)
        assert full is not None
        assert full.retry_after_seconds == 5


async def test_without_a_count_what_was_known_stands() -> None:
    database = open_database("postgresql://nobody@/none?host=/nowhere", name="test")
    backlog = Backlog(most_of_one=1, most=10)
    accept(backlog, 1)
    with pytest.raises(DatabaseDown):
        await backlog.count(database)
    assert isinstance(backlog.full(TENANT), BacklogFull)
    await database.close()
