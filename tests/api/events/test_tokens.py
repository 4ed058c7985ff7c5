"""Tokens that open events, and nothing else, to those who can send no key."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import text

import api.token_holders
from api.app import make_app
from domain.accounts.event_token import EventToken, EventTokenRefused, EventTokens
from domain.accounts.permissions import Role
from runtime.settings import Settings
from tests.api.conftest import SUMMARIZE, House, Problem
from tests.support.sse import frames

SECRET = "s" * 64
NOW = datetime(2030, 1, 1, tzinfo=UTC)
TOKEN = EventToken(tenant_id="tenant_1", user_id="user_1", key_id="key_1", expires_at=NOW, job_id="job_1")


@pytest.fixture
def anybody(house: House) -> httpx.AsyncClient:
    """A client without a key."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=house.app), base_url="http://headrace.test")


async def token_for(house: House, **scope: object) -> str:
    answer = await house.client.post("/v1/event-tokens", json=scope)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["token"])


async def opens(address: str, path: str, token: str) -> bool:
    async with (
        httpx.AsyncClient(base_url=address) as client,
        client.stream("GET", path, params={"token": token}) as answer,
    ):
        assert answer.status_code in {200, 401}
        return answer.status_code == 200


async def test_a_token_opens_the_events_of_its_job_alone(house: House, address: str) -> None:
    job, other = await house.submit(), await house.submit()
    answer = await house.client.post("/v1/event-tokens", json={"job_id": job["id"]})
    given = answer.json()
    left = datetime.fromisoformat(given["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=4) < left <= timedelta(minutes=5)
    assert given["url"] == f"http://headrace.test/v1/jobs/{job['id']}/events?token={given['token']}"
    stream = frames(given["url"].replace("http://headrace.test", address), {})
    assert (await anext(stream))["data"]["id"] == job["id"]
    await stream.aclose()
    assert not await opens(address, f"/v1/jobs/{other['id']}/events", given["token"])
    assert not await opens(address, "/v1/events", given["token"])


async def test_a_token_of_a_filter_opens_what_the_filter_wants_and_the_query_narrows_it(
    house: House, address: str
) -> None:
    token = await token_for(house, tag="news")
    stream = frames(f"{address}/v1/events?token={token}&kind=text.summarize", {})
    assert (await anext(stream))["event"] == "snapshot"
    await house.submit()
    await house.submit(kind="text.moderate", input={"text": "so"}, tags=["news"])
    wanted = await house.submit(tags=["news"])
    assert (await anext(stream))["data"]["job_id"] == wanted["id"]
    await stream.aclose()
    assert not await opens(address, f"/v1/jobs/{wanted['id']}/events", token)


async def test_a_token_of_a_batch_opens_the_events_of_its_jobs(house: House, address: str) -> None:
    batch = (await house.client.post("/v1/batches", json={"jobs": [SUMMARIZE]})).json()
    token = await token_for(house, batch_id=batch["id"])
    await house.submit()
    stream = frames(f"{address}/v1/events?token={token}&after=0", {})
    assert [(await anext(stream))["event"] for _ in range(2)] == ["snapshot", "queued"]
    other = (await house.client.post("/v1/batches", json={"jobs": [SUMMARIZE]})).json()
    await house.client.post(f"/v1/batches/{batch['id']}/cancel")
    assert (await anext(stream))["event"] == "cancelled", other
    await stream.aclose()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/jobs"),
        ("GET", "/v1/jobs/{id}"),
        ("GET", "/v1/jobs/{id}/result"),
        ("POST", "/v1/jobs/{id}/cancel"),
        ("POST", "/v1/jobs"),
        ("POST", "/v1/event-tokens"),
        ("GET", "/v1/me"),
    ],
)
async def test_a_token_is_of_no_use_for_anything_else(
    house: House, anybody: httpx.AsyncClient, method: str, path: str
) -> None:
    job = await house.submit()
    token = await token_for(house, job_id=job["id"])
    path = path.format(id=job["id"])
    for where in ({"params": {"token": token}}, {"headers": {"Authorization": f"Bearer {token}"}}):
        answer = await anybody.request(method, path, **where)  # type: ignore[arg-type] # either of two
        assert answer.status_code == 401


async def test_a_token_dies_with_the_key_it_was_asked_with(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.token_holders, "_KEPT_SECONDS", 0.0)
    job = await house.submit()
    key = await house.key(permissions=["jobs:read"])
    answer = await house.client.post(
        "/v1/event-tokens", json={"job_id": job["id"]}, headers={"Authorization": f"Bearer {key}"}
    )
    token, path = answer.json()["token"], f"/v1/jobs/{job['id']}/events"
    assert await opens(address, path, token)
    async with house.database.begin() as tx:
        await tx.execute(text("UPDATE api_keys SET revoked_at = now() WHERE permissions = ARRAY['jobs:read']"))
    assert not await opens(address, path, token)


async def test_a_token_dies_with_the_login_it_was_asked_with(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.token_holders, "_KEPT_SECONDS", 0.0)
    job, ada = await house.submit(), await house.person(Role.USER)
    logins = [await house.log_in(ada) for _ in range(2)]
    asked = [
        await house.as_(one["access_token"], "POST", "/v1/event-tokens", {"job_id": job["id"], "expires_in": "1h"})
        for one in logins
    ]
    ended, other = [answer.json()["token"] for answer in asked]
    path = f"/v1/jobs/{job['id']}/events"
    assert await opens(address, path, ended)
    await house.client.post("/v1/auth/revoke", data={"token": logins[0]["refresh_token"]})
    assert not await opens(address, path, ended)
    assert await opens(address, path, other)


async def test_a_token_of_another_tenant_opens_nothing_of_ours(house: House, address: str) -> None:
    job = await house.submit()
    theirs = (await house.stranger.post("/v1/event-tokens", json={})).json()["token"]
    assert not await opens(address, f"/v1/jobs/{job['id']}/events", theirs)
    stream = frames(f"{address}/v1/events?token={theirs}&after=0", {})
    assert (await anext(stream))["data"]["newest"] == 0
    await stream.aclose()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"job_id": "job_" + "0" * 32}, "/job_id"),
        ({"batch_id": "batch_" + "0" * 32}, "/batch_id"),
        ({"expires_in": "2h"}, "/expires_in"),
        ({"expires_in": "0s"}, "/expires_in"),
        ({"expires_in": "soon"}, "/expires_in"),
        ({"job_id": "x", "tag": "y"}, "/job_id"),
        ({"jobs": []}, "/jobs"),
    ],
)
async def test_what_cannot_be_opened_is_refused_and_named(
    house: House, problem: Problem, body: dict[str, Any], pointer: str
) -> None:
    answer = await house.client.post("/v1/event-tokens", json=body)
    assert answer.status_code == 422
    assert pointer in {error["pointer"] for error in problem(answer)["errors"]}


async def test_who_may_not_read_jobs_is_given_no_token(house: House) -> None:
    key = await house.key(permissions=["jobs:submit"])
    answer = await house.client.post("/v1/event-tokens", json={}, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 403


async def test_another_tenants_job_is_as_unknown_as_one_that_is_none(house: House) -> None:
    job = await house.submit()
    known, unknown = [
        await house.stranger.post("/v1/event-tokens", json={"job_id": one}) for one in (job["id"], "job_" + "0" * 32)
    ]
    assert known.status_code == unknown.status_code == 422
    assert known.json()["errors"] == unknown.json()["errors"]


async def test_no_log_and_no_problem_tells_a_token(
    house: House, anybody: httpx.AsyncClient, capfd: pytest.CaptureFixture[str]
) -> None:
    job = await house.submit()
    token = await token_for(house, job_id=job["id"])
    path = f"/v1/jobs/{job['id']}"
    for asked in (f"{path}/events?token={token}x", f"{path}?token={token}", f"/v1/events?token={token}&nothing=1"):
        answer = await anybody.get(asked)
        assert answer.status_code in {401, 422}
        assert token[:20] not in answer.text + str(answer.headers)
    logged = capfd.readouterr()
    assert "http.answered" in logged.out + logged.err
    assert token[:20] not in logged.out + logged.err


async def test_two_processes_with_one_secret_take_each_others_tokens(house: House) -> None:
    job = await house.submit()
    asked: list[int] = []
    for secret in (SECRET, "another " * 8):
        settings = msgspec.structs.replace(Settings(), secret_key=SECRET)
        other = msgspec.structs.replace(Settings(), secret_key=secret)
        maker, taker = (make_app(house.database, house.wakeups, one) for one in (settings, other))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=maker), base_url="http://a") as client:
            headers = {"Authorization": house.client.headers["Authorization"]}
            token = (await client.post("/v1/event-tokens", json={"job_id": job["id"]}, headers=headers)).json()["token"]
        await house.client.post(f"/v1/jobs/{job['id']}/cancel")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=taker), base_url="http://b") as client:
            asked.append((await client.get(f"/v1/jobs/{job['id']}/events", params={"token": token})).status_code)
    assert asked == [200, 401]


def test_a_token_is_read_as_it_was_spelled_until_it_expires() -> None:
    tokens = EventTokens(SECRET)
    spelled = tokens.spell(TOKEN)
    assert tokens.read(spelled, now=NOW - timedelta(seconds=1)) == TOKEN
    with pytest.raises(EventTokenRefused, match="expired"):
        tokens.read(spelled, now=NOW)


def test_a_token_that_was_changed_anywhere_or_signed_by_others_is_refused() -> None:
    tokens, before = EventTokens(SECRET), NOW - timedelta(seconds=1)
    spelled = tokens.spell(TOKEN)
    said, _, signature = spelled.removeprefix("hrt_").partition(".")
    wider = base64.urlsafe_b64encode(msgspec.json.encode(msgspec.structs.replace(TOKEN, job_id=None))).rstrip(b"=")
    forged = [
        *(spelled[:at] + ("A" if spelled[at] != "A" else "B") + spelled[at + 1 :] for at in range(len(spelled) - 1)),
        *(spelled[:length] for length in range(0, len(spelled), 7)),
        f"hrt_{wider.decode()}.{signature}",
        f"hrt_{said}.",
        f"hrt_{said}",
        "hrt_.",
        "",
        "hrt_é.é",
        spelled + "A",
        EventTokens("x" * 64).spell(TOKEN),
        EventTokens("").spell(TOKEN),
    ]
    for text_ in forged:
        with pytest.raises(EventTokenRefused):
            tokens.read(text_, now=before)


def test_the_key_that_signs_is_not_the_secret_itself() -> None:
    said, _, signature = EventTokens(SECRET).spell(TOKEN).removeprefix("hrt_").partition(".")
    plain = base64.urlsafe_b64encode(hmac.digest(SECRET.encode(), said.encode(), hashlib.sha256)).rstrip(b"=").decode()
    assert signature != plain
