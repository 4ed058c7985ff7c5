"""A Postgres that is slow, silent or out of connections: submissions are refused soon and in order, none hangs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from api import accept, spent
from api.app import make_app
from storage.database import open_database
from tests.api.conftest import SUMMARIZE, House, Problem, served
from tests.faults.proxy import Proxy, Weather, open_proxy

STALLED = Weather(is_stalled=True)
REFUSED = {"overloaded", "database_unavailable"}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the real patience."""
    monkeypatch.setattr(accept, "_PATIENCE_SECONDS", 0.25)
    monkeypatch.setattr(accept, "_WITHIN_SECONDS", 0.5)
    monkeypatch.setattr(spent, "_WITHIN_SECONDS", 0.5)


@asynccontextmanager
async def behind_a_network(house: House, database_url: str) -> AsyncGenerator[tuple[Proxy, httpx.AsyncClient]]:
    """Another process of the house's API, that reaches Postgres through a network of its own."""
    where = urlsplit(database_url)
    query = parse_qs(where.query)
    async with open_proxy(query["host"][0], int(query["port"][0])) as proxy:
        database = open_database(
            f"postgresql://postgres@127.0.0.1:{proxy.port}{where.path}", name="far", wait_seconds=0.2
        )
        app = make_app(database, house.wakeups, house.settings)
        headers = {"Authorization": house.client.headers["Authorization"], "Host": "headrace.test"}
        async with served(app) as url, httpx.AsyncClient(base_url=url, headers=headers) as client:
            await until_accepted(client)
            yield proxy, client
            proxy.change(Weather())
        await database.close()


async def until_accepted(client: httpx.AsyncClient) -> None:
    """Submit until a job is taken."""
    async with asyncio.timeout(20):
        while (await client.post("/v1/jobs", json=SUMMARIZE)).status_code != 202:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("budget_known_seconds", [1.0, 0.0])
async def test_while_postgres_hangs_submissions_are_refused_and_afterwards_taken_again(
    house: House, database_url: str, problem: Problem, monkeypatch: pytest.MonkeyPatch, budget_known_seconds: float
) -> None:
    monkeypatch.setattr(spent, "_KNOWN_SECONDS", budget_known_seconds)
    async with behind_a_network(house, database_url) as (proxy, client):
        proxy.change(STALLED)
        async with asyncio.timeout(8):
            answers = await asyncio.gather(*(client.post("/v1/jobs", json=SUMMARIZE) for _ in range(100)))
            answers.append(await client.post("/v1/jobs", json=SUMMARIZE))
        assert {answer.status_code for answer in answers} == {503}
        assert {problem(answer)["code"] for answer in answers} <= REFUSED
        proxy.change(Weather())
        await until_accepted(client)


async def test_while_postgres_is_slow_submissions_are_answered_or_refused_and_never_fail(
    house: House, database_url: str, problem: Problem
) -> None:
    async with behind_a_network(house, database_url) as (proxy, client):
        proxy.change(Weather(latency_seconds=0.25))
        async with asyncio.timeout(20):
            answers = await asyncio.gather(*(client.post("/v1/jobs", json=SUMMARIZE) for _ in range(50)))
        for answer in answers:
            assert answer.status_code == 503
            assert problem(answer)["code"] in REFUSED
