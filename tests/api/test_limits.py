"""Requests counted for all processes at once, and by each alone while Redis is away."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import redis

import runtime.quotas
from api.app import make_app
from api.limits import SharedLimiter
from runtime.quotas import Quotas, Wanted, open_quotas
from tests.api.conftest import House, served

NAME = "key_1"
PATIENT_SECONDS = 10.0  # it is counting that is tried, and the machine may be busy


@pytest.fixture
async def quotas(redis_url: str) -> AsyncIterator[Quotas]:
    opened = open_quotas(redis_url, answer_seconds=PATIENT_SECONDS)
    yield opened
    await opened.close()


async def let_through(limiter: SharedLimiter, count: int, per_minute: int) -> int:
    answers = await asyncio.gather(*(limiter.take(NAME, per_minute) for _ in range(count)))
    return sum(wait == 0 for _, wait in answers)


@pytest.mark.parametrize("per_minute", [1, 30, 600])
async def test_processes_let_through_no_more_than_the_limit_together(redis_url: str, per_minute: int) -> None:
    several = [open_quotas(redis_url, answer_seconds=PATIENT_SECONDS) for _ in range(3)]
    limiters = [SharedLimiter("default", each) for each in several]
    began = time.monotonic()
    await asyncio.gather(*(each.meet() for each in several))
    let = sum(await asyncio.gather(*(let_through(one, per_minute, per_minute) for one in limiters)))
    grown = (time.monotonic() - began) * per_minute / 60
    assert per_minute <= let <= per_minute + grown + 1
    for each in several:
        await each.close()


async def test_where_the_limit_is_high_most_requests_ask_nobody(quotas: Quotas, redis_url: str) -> None:
    limiter = SharedLimiter("default", quotas)
    with redis.Redis.from_url(redis_url) as client:
        before = client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
        for _ in range(1_000):
            assert (await limiter.take(NAME, 1_000_000))[1] == 0
        after = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert after - before < 10


async def test_what_is_left_is_told_and_when_to_come_back(quotas: Quotas) -> None:
    limiter = SharedLimiter("default", quotas)
    told = [(await limiter.take(NAME, 3))[0].remaining for _ in range(3)]
    assert told == [2, 1, 0]
    standing, wait = await limiter.take(NAME, 3)
    assert (standing.remaining, standing.quota) == (0, 3)
    assert 18 < wait <= 20
    assert limiter.look(NAME, 3).remaining == 0
    assert limiter.look("key_2", 3).remaining == 3


async def test_who_is_over_the_limit_costs_redis_nothing_more(quotas: Quotas, redis_url: str) -> None:
    limiter = SharedLimiter("default", quotas)
    assert await let_through(limiter, 5, 1) == 1
    with redis.Redis.from_url(redis_url) as client:
        before = client.info("commandstats")["cmdstat_evalsha"]["calls"]
        assert await let_through(limiter, 100, 1) == 0
        assert client.info("commandstats")["cmdstat_evalsha"]["calls"] == before


async def test_an_emptied_redis_is_told_again_what_to_do(quotas: Quotas, redis_url: str) -> None:
    wanted = Wanted("x", 60, 60.0, 1)
    assert await quotas.draw(wanted)
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    drawn = await quotas.draw(wanted)
    assert drawn is not None
    assert drawn.count == 1


async def test_without_redis_each_process_counts_for_itself_and_redis_is_found_again(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.quotas, "_PROBE_SECONDS", 0.01)
    place = tmp_path / "r.sock"
    quotas = open_quotas(f"unix://{place}")
    limiter = SharedLimiter("default", quotas)
    assert await let_through(limiter, 5, 2) == 2
    assert quotas.is_away
    place.symlink_to(redis_url.removeprefix("unix://").partition("?")[0])
    async with asyncio.timeout(5):
        while quotas.is_away:
            await asyncio.sleep(0.01)
    assert await quotas.draw(Wanted("x", 60, 60.0, 1))
    await quotas.close()


async def test_a_redis_that_hangs_is_waited_for_once_and_briefly(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    place = str(tmp_path / "r.sock")
    async with await asyncio.start_unix_server(silent, place):
        quotas = open_quotas(f"unix://{place}")
        limiter = SharedLimiter("default", quotas)
        began = time.monotonic()
        assert (await limiter.take(NAME, 600))[1] == 0
        first, began = time.monotonic() - began, time.monotonic()
        for _ in range(100):
            await limiter.take(NAME, 600)
        rest = time.monotonic() - began
        assert first < 0.5
        assert rest < 0.05, "nobody waits for what is known to hang"
        await quotas.close()


async def test_a_full_redis_counts_for_away(quotas: Quotas, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", "1")
        try:
            assert await quotas.draw(Wanted("x", 60, 60.0, 1)) is None
        finally:
            client.config_set("maxmemory", "0")
    assert quotas.is_away


async def test_two_apis_count_a_key_together(house: House, redis_url: str) -> None:
    other = open_quotas(redis_url, answer_seconds=PATIENT_SECONDS)
    again = make_app(house.database, house.wakeups, house.settings, quotas=other, draining=house.draining)
    key = {"Authorization": f"Bearer {await house.key(permissions=['jobs:read'], per_minute=3)}"}
    statuses = []
    async with served(house.app) as here, served(again) as there, httpx.AsyncClient(headers=key) as client:
        for address in (here, there, here, there, here):
            answer = await client.get(f"{address}/v1/jobs")
            statuses.append(answer.status_code)
            assert answer.headers["ratelimit-policy"] == '"default";q=3;w=60'
    assert statuses == [200, 200, 200, 429, 429]
    await other.close()


async def test_a_refusal_tells_the_limit_of_a_key_that_was_seen(house: House) -> None:
    key = {"Authorization": f"Bearer {await house.key(permissions=['jobs:read'], per_minute=77)}"}
    assert '"anonymous"' in (await house.client.get("/v1/nowhere", headers=key)).headers["ratelimit"]
    await house.client.get("/v1/jobs", headers=key)
    for answer in (
        await house.client.get("/v1/nowhere", headers=key),
        await house.client.get("/v1/jobs/x", headers=key),
        await house.client.post("/v1/jobs", headers=key, content=b"x"),
    ):
        assert answer.headers["ratelimit-policy"] == '"default";q=77;w=60'
    house.shedding.under_way.limit = 0
    shed = await house.client.post("/v1/jobs", headers=key, json={})
    assert (shed.status_code, shed.headers["ratelimit-policy"]) == (503, '"default";q=77;w=60')
