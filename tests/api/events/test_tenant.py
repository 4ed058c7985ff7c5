"""What happens to a tenant's jobs as a stream, read from a real server."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import httpx
import msgspec
import pytest
from sqlalchemy import text

import api.events.stream
import api.key_ring
import api.streams
import api.tail
from api.app import make_app
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from domain.text.summarize import SUMMARIZE
from runtime.wakeups import open_wakeups
from storage.database import Tx
from storage.events import event_writers
from storage.jobs import submit_jobs
from tests.api.conftest import House, served
from tests.support.jobs import make_job
from tests.support.sse import Frame, frames

DONE = Verdict(state=State.SUCCEEDED, result=b'{"summary":"short"}')


def follow(house: House, address: str, query: str = "", **headers: str) -> AsyncGenerator[Frame, None]:
    """The stream of the house's tenant."""
    return frames(f"{address}/v1/events{query}", {"Authorization": house.client.headers["Authorization"], **headers})


async def take(stream: AsyncGenerator[Frame, None], count: int) -> list[Frame]:
    """So many events of it; comments are passed over."""
    taken: list[Frame] = []
    while len(taken) < count:
        frame = await anext(stream)
        if "event" in frame:
            taken.append(frame)
    return taken


async def test_what_happens_from_now_on_is_told_of_every_job(house: House, address: str) -> None:
    await house.submit()
    stream = follow(house, address)
    (snapshot,) = await take(stream, 1)
    assert snapshot["event"] == "snapshot"
    assert snapshot["id"] == str(snapshot["data"]["after"]) == str(snapshot["data"]["newest"])
    assert snapshot["retry"] == "1000"
    first, second = await house.submit(), await house.submit(tags=["news"])
    await house.run(second["id"], DONE)
    told = await take(stream, 4)
    assert [(one["event"], one["data"]["job_id"]) for one in told] == [
        ("queued", first["id"]),
        ("queued", second["id"]),
        ("started", second["id"]),
        ("succeeded", second["id"]),
    ]
    assert [one["data"]["state"] for one in told] == ["queued", "queued", "running", "succeeded"]
    assert {one["data"]["kind"] for one in told} == {"text.summarize"}
    numbers = [int(one["id"]) for one in (snapshot, *told)]
    assert numbers == sorted(set(numbers))
    await stream.aclose()


@pytest.mark.parametrize("way", ["query", "header"])
async def test_it_is_taken_up_where_it_broke_off(house: House, address: str, way: str) -> None:
    stream = follow(house, address)
    await take(stream, 1)
    jobs = [await house.submit() for _ in range(3)]
    seen = (await take(stream, 1))[0]["id"]
    await stream.aclose()
    again = (
        follow(house, address, f"?after={seen}")
        if way == "query"
        else follow(house, address, **{"Last-Event-ID": seen})
    )
    snapshot, *told = await take(again, 3)
    assert snapshot["id"] == seen
    assert [one["data"]["job_id"] for one in told] == [job["id"] for job in jobs[1:]]
    await again.aclose()


async def test_all_that_is_kept_is_told_to_who_asks_from_the_beginning(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_AT_ONCE", "_BACK_AT_ONCE", "_BACK"):
        monkeypatch.setattr(api.tail, name, 2)
    jobs = [await house.submit() for _ in range(7)]
    stream = follow(house, address, "?after=0")
    _, *told = await take(stream, 8)
    assert [one["data"]["job_id"] for one in told] == [job["id"] for job in jobs]
    await stream.aclose()


async def test_a_reader_whom_memory_has_left_behind_reads_the_store_and_misses_nothing(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.tail, "KEPT_BYTES", 0)
    stream = follow(house, address)
    await take(stream, 1)
    jobs = [await house.submit() for _ in range(5)]
    assert [one["data"]["job_id"] for one in await take(stream, 5)] == [job["id"] for job in jobs]
    await stream.aclose()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?kind=text.moderate", ["moderate queued"]),
        ("?tag=news", ["tagged queued"]),
        ("?state=running&state=succeeded", ["plain started", "plain succeeded"]),
        ("?kind=text.summarize&state=queued", ["plain queued", "tagged queued"]),
    ],
)
async def test_only_what_is_wanted_is_told(house: House, address: str, query: str, expected: list[str]) -> None:
    stream = follow(house, address, f"{query}&after=0")
    names = {
        (await house.submit())["id"]: "plain",
        (await house.submit(kind="text.moderate", input={"text": "so"}))["id"]: "moderate",
        (await house.submit(tags=["news", "old"]))["id"]: "tagged",
    }
    await house.run(next(iter(names)), DONE)
    _, *told = await take(stream, 1 + len(expected))
    assert [f"{names[one['data']['job_id']]} {one['event']}" for one in told] == expected
    await stream.aclose()


async def test_nobody_hears_of_another_tenants_jobs(house: House, address: str) -> None:
    stream = frames(f"{address}/v1/events?after=0", {"Authorization": house.stranger.headers["Authorization"]})
    await house.submit()
    theirs = await house.stranger.post("/v1/jobs", json={"kind": "text.summarize", "input": {"text": "Theirs."}})
    _, told = await take(stream, 2)
    assert told["data"]["job_id"] == theirs.json()["id"]
    await stream.aclose()


async def test_an_event_that_is_committed_after_a_later_one_is_told_and_in_order(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def counted(tx: Tx) -> frozenset[str]:
        nonlocal asked
        asked += 1
        return await event_writers(tx)

    stream = follow(house, address)
    await take(stream, 1)
    monkeypatch.setattr(api.tail, "event_writers", counted)
    late = msgspec.structs.replace(make_job(SUMMARIZE), tenant_id=house.tenant_id)
    async with house.database.begin() as slow:
        await submit_jobs(slow, [late])
        quick = await house.submit()
        async with asyncio.timeout(10):
            while asked < 10:  # the later one is there to be seen, and is not told
                await asyncio.sleep(0.01)
    told = await take(stream, 2)
    assert [one["data"]["job_id"] for one in told] == [late.id, quick["id"]]
    await stream.aclose()


async def test_what_a_transaction_that_was_rolled_back_took_leaves_a_gap_and_holds_nothing_up(
    house: House, address: str
) -> None:
    stream = follow(house, address)
    await take(stream, 1)
    async with house.database.begin() as tx:
        await submit_jobs(tx, [msgspec.structs.replace(make_job(SUMMARIZE), tenant_id=house.tenant_id)])
        await tx.rollback()
    job = await house.submit()
    assert [one["data"]["job_id"] for one in await take(stream, 1)] == [job["id"]]
    await stream.aclose()


async def test_a_number_from_nowhere_hides_nothing_that_is_still_to_come(house: House, address: str) -> None:
    stream = follow(house, address, "?after=999999999")
    (snapshot,) = await take(stream, 1)
    assert snapshot["data"]["after"] == snapshot["data"]["newest"]
    job = await house.submit()
    assert [one["data"]["job_id"] for one in await take(stream, 1)] == [job["id"]]
    await stream.aclose()


async def test_a_lost_wake_up_delays_an_event_by_no_more_than_a_poll(house: House, address: str) -> None:
    job = await house.submit()
    stream = follow(house, address)
    await take(stream, 1)
    unheard = open_wakeups("unix:///nowhere/s.sock")
    await replace(house, wakeups=unheard).run(job["id"], DONE)
    assert [one["event"] for one in await take(stream, 2)] == ["started", "succeeded"]
    await unheard.close()
    await stream.aclose()


async def test_a_quiet_stream_says_it_is_still_there_and_how_far_it_has_looked(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.events.stream, "_HEARTBEAT_SECONDS", 0.2)
    stream = follow(house, address, "?tag=nobody")
    (snapshot,) = await take(stream, 1)
    await house.submit()
    async with asyncio.timeout(10):
        while (beat := await anext(stream)).get("id") == snapshot["id"]:
            assert beat["comment"]
    assert int(beat["id"]) > int(snapshot["id"])
    await stream.aclose()


async def test_a_stream_of_a_tenant_ends_when_the_process_is_about_to_stop(house: House, address: str) -> None:
    stream = follow(house, address)
    await take(stream, 1)
    house.draining.set()
    assert [frame async for frame in stream][-1] == {"retry": "1000"}


@pytest.mark.parametrize("path", ["/v1/events", "/v1/jobs/{id}/events"])
async def test_a_stream_ends_soon_after_its_key_was_revoked(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(api.streams, "_ASKED_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(api.key_ring, "KEPT_SECONDS", 0.0)
    job = await house.submit()
    key = await house.key(permissions=["jobs:read"])
    stream = frames(f"{address}{path.format(id=job['id'])}", {"Authorization": f"Bearer {key}"})
    assert (await take(stream, 1))[0]["event"] == "snapshot"
    async with house.database.begin() as tx:
        await tx.execute(text("UPDATE api_keys SET revoked_at = now() WHERE permissions = ARRAY['jobs:read']"))
    await house.submit()
    await house.claim(job["id"])
    assert "may not read" in [frame async for frame in stream][-1]["comment"]


@pytest.mark.parametrize("bound", ["most_streams", "most_streams_per_tenant", "most_streams_per_key"])
@pytest.mark.parametrize("path", ["/v1/events", "/v1/jobs/{id}/events"])
async def test_only_so_many_streams_are_open_at_once(house: House, bound: str, path: str) -> None:
    job = await house.submit()
    settings = msgspec.structs.replace(house.settings, **{bound: 1})
    async with served(make_app(house.database, house.wakeups, settings, draining=house.draining)) as address:
        stream = follow(house, address)
        await take(stream, 1)
        headers = {"Authorization": house.client.headers["Authorization"]}
        async with httpx.AsyncClient(headers=headers) as client:
            answer = await client.get(f"{address}{path.format(id=job['id'])}")
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_streams")
        assert int(answer.headers["retry-after"]) >= 1
        await stream.aclose()


async def test_a_parameter_that_a_stream_does_not_take_is_refused(house: House) -> None:
    answer = await house.client.get("/v1/events", params={"kinds": "x"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "query:kinds")
