"""What happens to all jobs of a tenant, followed through the client, against the real API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from urllib.parse import urlsplit

import httpx
import pytest

from api.events import stream
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from headrace import AsyncHeadrace, NewJob
from headrace.events import Event, EventReader, Place
from headrace.models import Moderate
from tests.api.conftest import House
from tests.faults.proxy import Proxy, open_proxy

DONE = Verdict(state=State.SUCCEEDED, result=b'{"summary":"short","engine":"local"}')


@pytest.fixture
async def proxy(address: str) -> AsyncIterator[Proxy]:
    where = urlsplit(address)
    async with open_proxy(where.hostname or "", where.port or 0) as proxy:
        yield proxy


@pytest.fixture
async def far(proxy: Proxy, key: str) -> AsyncIterator[AsyncHeadrace]:
    async with AsyncHeadrace(f"http://127.0.0.1:{proxy.port}", key, max_retries=20) as client:
        yield client


async def test_the_story_of_all_jobs_begins_with_where_it_begins_and_tells_what_is_wanted(
    house: House, client: AsyncHeadrace
) -> None:
    async with aclosing(client.events(kind="text.summarize", tag="news", state="succeeded", timeout=30)) as story:
        begins = await anext(story)
        assert (begins.type, begins.job, begins.job_id) == ("snapshot", None, "")
        assert begins.facts["after"] == int(begins.id)
        assert begins.at is not None
        await house.run((await client.text.summarize("Of another tag.")).id, DONE)
        await (await client.text.summarize("It ends otherwise.", tags=["news"])).cancel()
        await client.text.moderate("Of another kind.", tags=["news"])
        wanted = await client.text.summarize("A long story.", tags=["news"])
        await house.run(wanted.id, DONE)
        told = await anext(story)
        assert (told.type, told.job_id, told.facts["kind"]) == ("succeeded", wanted.id, "text.summarize")
        assert int(told.id) > int(begins.id)


async def test_it_is_narrowed_to_a_batch_and_to_several_states_and_begins_after_an_event(client: AsyncHeadrace) -> None:
    await client.text.moderate("On its own.")
    batch = await client.batches.submit([NewJob(Moderate(text="a")), NewJob(Moderate(text="b"))])
    ids = [job.id async for job in batch.results()]
    await batch.cancel()
    async with aclosing(client.events(batch_id=batch.id, state=["queued", "cancelled"], after=0, timeout=30)) as story:
        assert (await anext(story)).id == "0"
        told = [await anext(story) for _ in range(4)]
    assert {(event.type, event.job_id) for event in told} == {
        (kind, job_id) for kind in ("queued", "cancelled") for job_id in ids
    }
    async with aclosing(client.events(batch_id=batch.id, after=told[2].id, timeout=30)) as story:
        assert [(await anext(story)).id, (await anext(story)).id] == [told[2].id, told[3].id]


async def test_it_goes_on_over_broken_connections_without_gap_or_repeat(
    house: House, proxy: Proxy, far: AsyncHeadrace, client: AsyncHeadrace
) -> None:
    submitted: list[str] = []
    async with aclosing(far.events(tag="told", timeout=60)) as story:
        heard = [await anext(story)]
        for number in range(1, 9):
            job = await client.text.moderate(f"{number}", tags=["told"])
            submitted.append(job.id)
            if number % 2:
                proxy.reset_all()  # between two events, or in the middle of one
                continue
            while len(heard) <= number:
                heard.append(await anext(story))
            house.draining.set()  # the API ends its streams as one does that is about to stop
            proxy.reset_all()
            house.draining.clear()
        assert [event.type for event in heard] == ["snapshot", *["queued"] * 8]
        assert [event.job_id for event in heard[1:]] == submitted


async def test_who_wants_little_comes_back_to_where_the_search_had_got_to(
    proxy: Proxy, key: str, client: AsyncHeadrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_HEARTBEAT_SECONDS", 0.05)
    asked_after: list[str | None] = []
    has_come_back = asyncio.Event()
    newest = ""

    async def note(request: httpx.Request) -> None:
        asked_after.append(request.headers.get("Last-Event-ID"))
        if newest and asked_after[-1] == newest:
            has_come_back.set()

    async with httpx.AsyncClient(event_hooks={"request": [note]}) as noted:
        far = AsyncHeadrace(f"http://127.0.0.1:{proxy.port}", key, http_client=noted)
        async with aclosing(far.events(kind="orders.place", timeout=60)) as story, aclosing(client.events()) as all_:
            await anext(story)
            await anext(all_)
            following = asyncio.ensure_future(anext(story))
            await client.text.moderate("Not wanted.")
            newest = (await anext(all_)).id
            async with asyncio.timeout(20):
                while not has_come_back.is_set():
                    proxy.reset_all()  # perhaps before the comment came that told it; then once more
                    with suppress(TimeoutError):
                        await asyncio.wait_for(has_come_back.wait(), 0.3)
            following.cancel()
            await asyncio.wait([following])
    assert asked_after[0] is None


def test_a_comment_with_an_id_moves_the_place_and_never_backwards() -> None:
    reader, place = EventReader(), Place(is_of_one_job=False)
    stream = b"event: queued\nid: 7\ndata: {}\n\n: still here\nid: 9\n\n"
    assert [place.hears(event) for event in reader.feed(stream)] == [True]
    place.passes(reader.searched_id)
    assert (reader.searched_id, place.last_id) == ("9", "9")
    place.passes("8")
    assert place.last_id == "9"


def test_a_snapshot_is_told_again_only_if_the_story_goes_on_from_elsewhere() -> None:
    place = Place(is_of_one_job=False)
    story = [
        (Event(type="snapshot", id="40"), True),
        (Event(type="queued", id="41"), True),
        (Event(type="snapshot", id="41"), False),
        (Event(type="started", id="42"), True),
        (Event(type="snapshot", id="7"), True),
        (Event(type="queued", id="8"), True),
    ]
    assert [place.hears(event) for event, _ in story] == [is_news for _, is_news in story]
