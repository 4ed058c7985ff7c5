"""`"mode": "economy"` of POST /v1/batches: which jobs wait, who gathers them, what it is without a key or for lines."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import text

from api.app import make_app
from domain.ids import BatchId
from domain.text.economize import gatherer_of
from tests.api.conftest import SUMMARIZE, House, Problem

ORDERED = {"kind": "emails.send", "input": {"to": ["ada@example.org"], "subject": "Rain", "text": "It rained."}}


@asynccontextmanager
async def without_key(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """The same API, where nobody has a key for Gemini."""
    app = make_app(house.database, house.wakeups, replace(house.settings, gemini_api_key=None))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://headrace.test", headers=house.client.headers
    ) as client:
        yield client


async def test_texts_of_an_economy_batch_wait_and_one_job_gathers_them(house: House) -> None:
    later = {**SUMMARIZE, "expires_in": "1h"}
    jobs = [SUMMARIZE, ORDERED, later, SUMMARIZE]
    answer = await house.client.post("/v1/batches", json={"jobs": jobs, "mode": "economy"})
    batch = answer.json()
    gathering = (await house.client.get(f"/v1/jobs/{gatherer_of(BatchId(batch['id']))}")).json()
    cancelled = (await house.client.post(f"/v1/batches/{batch['id']}/cancel")).json()
    assert (answer.status_code, batch["mode"], batch["total"]) == (202, "economy", 4)
    assert (batch["counts"]["scheduled"], batch["counts"]["queued"]) == (2, 2)
    assert (gathering["kind"], gathering["batch_id"], gathering["state"]) == ("text.economize", None, "queued")
    assert (cancelled["mode"], cancelled["counts"]["cancelled"]) == ("economy", 4)
    async with house.database.read() as tx:
        waits = (await tx.execute(text("SELECT count(*) FROM provider_answers"))).scalar_one()
    assert waits == 2


async def test_without_a_key_a_batch_is_standard_and_says_so(house: House) -> None:
    async with without_key(house) as client:
        answer = await client.post("/v1/batches", json={"jobs": [SUMMARIZE], "mode": "economy"})
    assert (answer.status_code, answer.json()["mode"]) == (202, "standard")
    assert answer.json()["counts"]["queued"] == 1


@pytest.mark.parametrize("mode", ["cheap", 1, None])
async def test_another_mode_is_named(house: House, problem: Problem, mode: object) -> None:
    said = problem(await house.client.post("/v1/batches", json={"jobs": [SUMMARIZE], "mode": mode}))
    assert [error["pointer"] for error in said["errors"]] == ["/mode"]


async def test_lines_say_their_mode_in_the_query(house: House) -> None:
    lines = f"{msgspec.json.encode(SUMMARIZE).decode()}\n" * 2
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await house.client.post("/v1/batches?mode=economy", content=lines, headers=headers)
    assert (answer.status_code, answer.json()["mode"]) == (202, "economy")
    assert answer.json()["counts"]["scheduled"] == 2


@pytest.mark.parametrize(
    ("body", "mode"), [({}, "economy"), ({"mode": "economy"}, "economy"), ({"mode": "standard"}, "standard")], ids=str
)
async def test_what_an_object_says_itself_goes_before_the_query(house: House, body: dict[str, str], mode: str) -> None:
    answer = await house.client.post("/v1/batches?mode=economy", json={"jobs": [SUMMARIZE], **body})
    assert (answer.status_code, answer.json()["mode"]) == (202, mode)


async def test_another_mode_in_the_query_is_named(house: House, problem: Problem) -> None:
    said = problem(await house.client.post("/v1/batches?mode=cheap", json={"jobs": [SUMMARIZE]}))
    assert [error["pointer"] for error in said["errors"]] == ["query:mode"]
