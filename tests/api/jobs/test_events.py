"""A job's events as a stream, read from a real server."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

import api.jobs.stream
from domain.jobs.events import EventType
from domain.jobs.job import JobError
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from runtime.wakeups import open_wakeups
from storage.events import append_event
from storage.jobs import note_progress
from tests.api.conftest import House
from tests.support.sse import Frame
from tests.support.sse import frames as tell

DONE = Verdict(state=State.SUCCEEDED, result=b'{"summary":"short"}')
FAILED = Verdict(state=State.FAILED, error=JobError(code="rejected", title="No", detail="Not this one."))


def frames(house: House, url: str, **headers: str) -> AsyncGenerator[Frame, None]:
    """The frames of a stream, read by the house's client."""
    return tell(url, {"Authorization": house.client.headers["Authorization"], **headers})


async def read_all(house: House, url: str, **headers: str) -> list[Frame]:
    return [frame async for frame in frames(house, url, **headers)]


async def test_the_whole_story_is_told_to_who_comes_late(house: House, address: str) -> None:
    job = await house.submit()
    await house.run(job["id"], DONE)
    told = await read_all(house, f"{address}/v1/jobs/{job['id']}/events")
    assert [frame["event"] for frame in told] == ["snapshot", "queued", "started", "succeeded"]
    assert told[0]["data"]["result"] == {"summary": "short"}
    assert "id" not in told[0]
    assert [frame["id"] for frame in told[1:]] == ["1", "2", "3"]
    assert told[2]["data"]["attempt"] == 1
    assert told[2]["data"]["job_id"] == job["id"]
    assert told[2]["data"]["at"].endswith("Z")


async def test_events_are_told_as_they_happen_until_the_last(house: House, address: str) -> None:
    job = await house.submit()
    stream = frames(house, f"{address}/v1/jobs/{job['id']}/events")
    assert (await anext(stream))["data"]["state"] == "queued"
    assert (await anext(stream))["event"] == "queued"
    lease = await house.claim(job["id"])
    assert (await anext(stream))["event"] == "started"
    async with house.database.begin() as tx:
        assert await note_progress(tx, job["id"], lease, 0.5)
        assert await append_event(tx, job["id"], lease, EventType.DELTA, b'{"text":"once\\nupon"}')
    house.wakeups.tell_jobs([job["id"]])
    progress = await anext(stream)
    assert (progress["event"], progress["data"]["progress"]) == ("progress", 0.5)
    assert (await anext(stream))["data"]["text"] == "once\nupon"
    await house.settle(job["id"], lease, DONE)
    assert (await anext(stream))["event"] == "succeeded"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_lost_wake_up_delays_an_event_by_no_more_than_a_poll(house: House, address: str) -> None:
    job = await house.submit()
    stream = frames(house, f"{address}/v1/jobs/{job['id']}/events?after=1")
    assert (await anext(stream))["event"] == "snapshot"
    unheard = open_wakeups("unix:///nowhere/s.sock")
    await replace(house, wakeups=unheard).run(job["id"], DONE)
    assert [frame["event"] async for frame in stream] == ["started", "succeeded"]
    await unheard.close()


@pytest.mark.parametrize(("query", "header"), [("?after=2", ""), ("", "2"), ("?after=1", "2")])
async def test_a_stream_is_taken_up_where_it_broke_off(house: House, address: str, query: str, header: str) -> None:
    job = await house.submit()
    await house.run(job["id"], DONE)
    headers = {"Last-Event-ID": header} if header else {}
    told = await read_all(house, f"{address}/v1/jobs/{job['id']}/events{query}", **headers)
    assert [frame["event"] for frame in told] == ["snapshot", "succeeded"]


@pytest.mark.parametrize("seen", ["3", "99", "9" * 19, "9" * 50])
async def test_who_has_seen_the_end_is_told_no_more(house: House, address: str, seen: str) -> None:
    job = await house.submit()
    await house.run(job["id"], DONE)
    told = await read_all(house, f"{address}/v1/jobs/{job['id']}/events", **{"Last-Event-ID": seen})
    assert [frame["event"] for frame in told][:1] == ["snapshot"]
    assert "succeeded" not in [frame["event"] for frame in told] or len(seen) == 50


async def test_a_job_queued_again_goes_on_after_its_failure(house: House, address: str) -> None:
    job = await house.submit()
    await house.run(job["id"], FAILED)
    await house.client.post(f"/v1/jobs/{job['id']}/retry")
    stream = frames(house, f"{address}/v1/jobs/{job['id']}/events")
    told = [(await anext(stream))["event"] for _ in range(5)]
    assert told == ["snapshot", "queued", "started", "failed", "queued"]
    await house.run(job["id"], DONE)
    assert [frame["event"] async for frame in stream] == ["started", "succeeded"]


async def test_a_stream_ends_when_the_process_is_about_to_stop(house: House, address: str) -> None:
    job = await house.submit()
    stream = frames(house, f"{address}/v1/jobs/{job['id']}/events")
    assert (await anext(stream))["event"] == "snapshot"
    house.draining.set()
    rest = [frame async for frame in stream]
    assert rest[-1]["retry"] == "1000"


async def test_a_quiet_stream_says_it_is_still_there(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.jobs.stream, "_HEARTBEAT_SECONDS", 0.0)
    job = await house.submit()
    stream = frames(house, f"{address}/v1/jobs/{job['id']}/events?after=1")
    assert (await anext(stream))["event"] == "snapshot"
    assert "comment" in await anext(stream)
    await stream.aclose()


async def test_a_job_of_many_events_is_told_in_full(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.jobs.stream, "_AT_ONCE", 2)
    job = await house.submit()
    lease = await house.claim(job["id"])
    for step in range(5):
        async with house.database.begin() as tx:
            await note_progress(tx, job["id"], lease, step / 5)
    await house.settle(job["id"], lease, DONE)
    told = await read_all(house, f"{address}/v1/jobs/{job['id']}/events")
    assert [frame["id"] for frame in told[1:]] == [str(number) for number in range(1, 9)]


async def test_a_number_from_nowhere_hides_nothing_that_is_still_to_come(house: House) -> None:
    job = await house.submit()
    await house.client.post(f"/v1/jobs/{job['id']}/cancel")
    answer = await house.client.get(f"/v1/jobs/{job['id']}/events", params={"after": 999_999})
    assert answer.status_code == 200
    assert "event: snapshot" in answer.text
