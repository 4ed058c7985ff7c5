"""The client over a network that loses answers, resets connections and falls silent, and an API that stops."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from headrace import AsyncHeadrace, Event, Headrace, NoAnswer, Unreachable
from headrace.models import Money, Summary
from storage.jobs import note_progress
from tests.api.conftest import House
from tests.faults.proxy import Proxy, Weather, open_proxy

DONE = Verdict(state=State.SUCCEEDED, result=b'{"summary":"short","engine":"local"}')
LOSES_ANSWERS = Weather(cut_after_bytes=0)


@pytest.fixture
async def proxy(address: str) -> AsyncIterator[Proxy]:
    where = urlsplit(address)
    async with open_proxy(where.hostname or "", where.port or 0) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: Proxy, key: str) -> AsyncIterator[AsyncHeadrace]:
    async with AsyncHeadrace(f"http://127.0.0.1:{proxy.port}", key, max_retries=20) as client:
        yield client


async def jobs_there_are(house: House) -> list[str]:
    return [job["id"] for job in (await house.client.get("/v1/jobs")).json()["items"]]


async def comes_to_be(house: House) -> None:
    async with asyncio.timeout(20):
        while not await jobs_there_are(house):
            await asyncio.sleep(0.01)  # a row is what is waited for; nothing tells of it


async def test_a_submission_whose_answer_is_lost_makes_one_job_and_is_answered(
    house: House, proxy: Proxy, client: AsyncHeadrace
) -> None:
    proxy.change(LOSES_ANSWERS)
    submission = asyncio.create_task(client.text.summarize("A long story."))
    await comes_to_be(house)
    proxy.change(Weather())
    job = await submission
    assert await jobs_there_are(house) == [job.id]


async def test_the_sync_client_submits_once_too(house: House, proxy: Proxy, key: str) -> None:
    def submitted() -> str:
        with Headrace(f"http://127.0.0.1:{proxy.port}", key, max_retries=20) as client:
            return client.text.summarize("A long story.").id

    proxy.change(LOSES_ANSWERS)
    submission = asyncio.create_task(asyncio.to_thread(submitted))
    await comes_to_be(house)
    proxy.change(Weather())
    assert await jobs_there_are(house) == [await submission]


async def test_a_batch_from_a_generator_is_sent_whole_each_time(
    house: House, proxy: Proxy, client: AsyncHeadrace
) -> None:
    proxy.change(LOSES_ANSWERS)
    jobs = ({"kind": "text.moderate", "input": {"text": f"{number}"}} for number in range(20))
    submission = asyncio.create_task(client.batches.submit(jobs))
    await comes_to_be(house)
    proxy.change(Weather())
    batch = await submission
    assert batch.total == len(await jobs_there_are(house)) == 20


async def test_money_whose_receipt_is_lost_is_given_once(
    proxy: Proxy, client: AsyncHeadrace, address: str, key: str
) -> None:
    proxy.change(LOSES_ANSWERS)
    deposit = asyncio.create_task(client.customers.deposit(Money(amount=500, currency="USD")))
    async with AsyncHeadrace(address, key) as near, asyncio.timeout(20):
        while not (await near.customers.balance(currency="USD")).balance.amount:
            await asyncio.sleep(0.01)  # as above
        proxy.change(Weather())
        await deposit
        assert (await near.customers.balance(currency="USD")).balance.amount == 500


async def test_what_must_not_be_done_twice_is_not_sent_again_after_a_lost_answer(
    house: House, proxy: Proxy, client: AsyncHeadrace
) -> None:
    job = await client.text.summarize("A long story.")
    await job.cancel()
    proxy.change(LOSES_ANSWERS)
    with pytest.raises(Unreachable, match="broke"):
        await job.retry()
    proxy.change(Weather())
    assert (await job.refresh()).state == "queued"
    assert house.tenant_id


async def test_an_answer_that_does_not_come_is_not_waited_for_longer_than_was_said(proxy: Proxy, key: str) -> None:
    async with AsyncHeadrace(f"http://127.0.0.1:{proxy.port}", key, timeout=0.2, max_retries=1) as client:
        await client.me()
        proxy.change(Weather(is_stalled=True))
        with pytest.raises(NoAnswer, match="did not answer in time"):
            await client.me()


async def test_a_wait_goes_on_over_connections_that_are_reset(
    house: House, proxy: Proxy, client: AsyncHeadrace
) -> None:
    job = await client.text.summarize("A long story.")
    waiting = asyncio.create_task(job.result(timeout=30))
    for _ in range(3):
        async with asyncio.timeout(20):
            while not proxy.reset_all():
                await asyncio.sleep(0.01)  # the client is between two tries
    await house.run(job.id, DONE)
    assert await waiting == Summary(summary="short", engine="local")


async def test_a_story_over_many_broken_connections_has_no_gap_and_no_repeat(
    house: House, proxy: Proxy, client: AsyncHeadrace
) -> None:
    job = await client.text.summarize("A long story.")
    heard: list[Event] = []
    news = asyncio.Event()

    async def listen() -> None:
        async for event in job.events(timeout=60):
            heard.append(event)
            news.set()

    listening = asyncio.create_task(listen())
    lease = await house.claim(job.id)
    for number in range(1, 11):
        async with house.database.begin() as tx:
            await note_progress(tx, job.id, lease, number / 100)
        house.wakeups.tell_jobs([job.id])
        if number % 2:
            proxy.reset_all()
            continue
        # Every other time it is heard first, so that connections break both between events and in the middle of them.
        async with asyncio.timeout(30):
            while not any(event.facts.get("progress") == number / 100 for event in heard):
                news.clear()
                await news.wait()
        house.draining.set()
        proxy.reset_all()
        house.draining.clear()
    await house.settle(job.id, lease, DONE)
    await listening
    numbers = [int(event.id) for event in heard if event.id]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [event.facts["progress"] for event in heard if event.type == "progress"] == [n / 100 for n in range(1, 11)]
    assert [event.type for event in heard[:2] + heard[-1:]] == ["snapshot", "queued", "succeeded"]


async def test_a_stream_that_an_api_about_to_stop_ends_is_taken_up_again(house: House, client: AsyncHeadrace) -> None:
    job = await client.text.summarize("A long story.")
    story = job.events(timeout=30)
    assert [(await anext(story)).type, (await anext(story)).type] == ["snapshot", "queued"]
    following = asyncio.ensure_future(anext(story))
    house.draining.set()  # each stream tells what there is, asks the client to come again in a second, and ends
    await house.run(job.id, DONE)
    told = [(await following).type, *[event.type async for event in story]]
    assert told == ["started", "succeeded"]


async def test_nobody_at_all_is_told_at_once_to_who_makes_no_retries(proxy: Proxy, key: str) -> None:
    proxy.change(Weather(refuses=True))
    async with AsyncHeadrace(f"http://127.0.0.1:{proxy.port}", key, max_retries=0) as client:
        with pytest.raises(Unreachable):
            await client.me()
        with pytest.raises(Unreachable):
            await anext(client.jobs.events("job_" + "0" * 32))
