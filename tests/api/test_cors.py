"""What pages of other origins may do."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from api.app import make_app
from api.cors import EXPOSED
from api.envelope import Envelope
from api.headers import SECURITY
from runtime.settings import SettingInvalid, read_settings
from tests.api.conftest import SUMMARIZE, House, exchange, served
from tests.support.sse import frames

ALLOWED = "https://app.example.com"
ASK = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest.fixture
async def opened(house: House) -> AsyncIterator[str]:
    """The house's API behind a real server, which allows one origin."""
    settings = msgspec.structs.replace(house.settings, cors_origins=f"{ALLOWED}, http://localhost:3000")
    app = make_app(house.database, house.wakeups, settings, draining=house.draining)
    house.app = app
    async with served(app) as address:
        yield address


@pytest.fixture
async def browser(house: House, opened: str) -> AsyncIterator[httpx.AsyncClient]:
    """What a page of the allowed origin sends."""
    headers = {"Origin": ALLOWED, "Authorization": house.client.headers["Authorization"]}
    async with httpx.AsyncClient(base_url=opened, headers=headers) as client:
        yield client


def allows(answer: httpx.Response) -> bool:
    assert "access-control-allow-credentials" not in answer.headers
    return answer.headers.get("access-control-allow-origin") == ALLOWED and "Origin" in answer.headers["vary"]


async def test_a_browser_that_asks_first_is_answered_without_a_key(opened: str) -> None:
    async with httpx.AsyncClient(base_url=opened) as client:
        answer = await client.options("/v1/jobs", headers={"Origin": ALLOWED, **ASK})
    assert (answer.status_code, answer.content) == (204, b"")
    assert allows(answer)
    assert "POST" in answer.headers["access-control-allow-methods"]
    taken = answer.headers["access-control-allow-headers"].lower()
    assert all(name in taken for name in ("authorization", "content-type", "idempotency-key", "last-event-id"))
    assert int(answer.headers["access-control-max-age"]) > 0
    assert "ratelimit" in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "https://app.example.com.evil.org", ""])
async def test_another_origin_is_allowed_nothing(opened: str, house: House, origin: str) -> None:
    async with httpx.AsyncClient(base_url=opened, headers={"Origin": origin}) as client:
        asked = await client.options("/v1/jobs", headers=ASK)
        sent = await client.get("/v1/jobs", headers={"Authorization": house.client.headers["Authorization"]})
    assert "access-control-allow-origin" not in asked.headers
    assert "access-control-allow-origin" not in sent.headers
    assert "Origin" in sent.headers["vary"], "what a cache keeps for one origin is not for another"


async def test_no_origin_is_allowed_unless_it_is_set(house: House) -> None:
    answer = await house.client.get("/v1/jobs", headers={"Origin": ALLOWED})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert "vary" not in answer.headers


async def test_answers_of_every_sort_may_be_read(house: House, browser: httpx.AsyncClient) -> None:
    accepted = await browser.post("/v1/jobs", json=SUMMARIZE)
    answers = {
        202: accepted,
        200: await browser.get(f"/v1/jobs/{accepted.json()['id']}"),
        401: await browser.get("/v1/jobs", headers={"Authorization": "Bearer none"}),
        404: await browser.get("/v1/nowhere"),
        422: await browser.post("/v1/jobs", json={"kind": "text.summarize", "input": {}}),
    }
    once = await house.key(permissions=["jobs:read"], per_minute=1)
    for status in (200, 429):
        answers[status] = await browser.get("/v1/jobs", headers={"Authorization": f"Bearer {once}"})
    for status, answer in answers.items():
        assert answer.status_code == status
        assert allows(answer), status
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert set(EXPOSED) == set(exposed)
        # whatever the API says by a header may be read; those of every answer only guard the browser
        said = {name for name in answer.headers if name not in {name.decode() for name, _ in SECURITY}}
        own = {name for name in said if not name.startswith("access-control-")} - {
            "cache-control",
            "content-type",
            "vary",
        }
        assert own - {"content-length", "date", "server"} <= {name.lower() for name in exposed}, status


async def test_a_refusal_at_the_door_may_be_read(house: House, browser: httpx.AsyncClient, opened: str) -> None:
    assert isinstance(house.app, Envelope)
    house.app.shedding.under_way.limit = 0
    body = b'{"kind":"text.summarize","input":{"text":"so"}}'
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nOrigin: {ALLOWED}\r\nContent-Type: application/json\r\n"
    said = await asyncio.to_thread(exchange, opened, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert said.startswith(b"HTTP/1.1 503")
    assert f"access-control-allow-origin: {ALLOWED}\r\n".encode() in said
    assert b"vary: Origin\r\n" in said


async def test_a_stream_may_be_read(house: House, browser: httpx.AsyncClient) -> None:
    job = await house.submit()
    async with browser.stream("GET", f"/v1/jobs/{job['id']}/events") as answer:
        assert allows(answer)
    stream = frames(f"{browser.base_url}/v1/events", dict(browser.headers))
    assert (await anext(stream))["event"] == "snapshot"
    await stream.aclose()


async def test_any_origin_is_any(house: House) -> None:
    settings = msgspec.structs.replace(house.settings, cors_origins="*")
    app = make_app(house.database, house.wakeups, settings, draining=house.draining)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://headrace.test") as client:
        answer = await client.options("/v1/jobs", headers={"Origin": "https://x.example", **ASK})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["example.com", "https://example.com/", "https://*.example.com", "ftp://x", "null"])
def test_what_is_no_origin_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(SettingInvalid, match="HEADRACE_CORS_ORIGINS"):
        read_settings({"HEADRACE_CORS_ORIGINS": f"https://fine.example, {origin}"})
