"""Endpoints over HTTP: made, changed, tested; their secrets shown once; their deliveries listed and sent again."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from api.app import make_app
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from domain.webhooks.endpoint import PATTERNS
from providers.http.outbound import Outbound
from providers.http.target import Rules
from runtime.secret_box import SecretBox, SecretUnreadable
from runtime.settings import Settings
from tests.api.conftest import House, Problem
from tests.support.ssrf_forms import FORMS, resolve

PUBLIC = "https://93.184.215.14/hook"
WANTED = {"url": PUBLIC, "events": ["job.succeeded", "order.*"], "description": "The shop"}


@pytest.fixture
async def guarded(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """The house's API, where every name leads inside and no connection is ever made."""

    async def never(*_: object) -> socket.socket:
        raise AssertionError("a connection was asked for")

    outbound = Outbound(Rules(), resolve=resolve, connect=never)
    app = make_app(house.database, house.wakeups, house.settings, outbound=outbound)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://headrace.test", headers=house.client.headers
    ) as client:
        yield client


async def make(house: House, **changes: object) -> dict[str, Any]:
    made = await house.client.post("/v1/webhooks", json={**WANTED, **changes})
    assert made.status_code == 201, made.text
    return dict(made.json())


async def deliveries(house: House, webhook_id: str) -> list[dict[str, Any]]:
    answer = await house.client.get(f"/v1/webhooks/{webhook_id}/deliveries")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_an_endpoint_is_made_shown_listed_changed_and_deleted(house: House, problem: Problem) -> None:
    answer = await house.client.post("/v1/webhooks", json=WANTED)
    made = answer.json()
    assert answer.headers["location"] == f"/v1/webhooks/{made['id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert (made["url"], made["events"], made["description"], made["state"], made["reason"]) == (
        PUBLIC, ["job.succeeded", "order.*"], "The shop", "active", None,
    )  # fmt: skip
    assert made["secret"].startswith("whsec_")
    shown = (await house.client.get(f"/v1/webhooks/{made['id']}")).json()
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert (await house.client.get("/v1/webhooks")).json()["items"] == [shown]
    changes = {"events": ["*", "*"], "state": "paused", "url": f"{PUBLIC}/2"}
    changed = (await house.client.patch(f"/v1/webhooks/{made['id']}", json=changes)).json()
    assert (changed["events"], changed["state"], changed["url"]) == (["*"], "paused", f"{PUBLIC}/2")
    assert (changed["reason"], changed["description"]) == ("It was paused by hand.", "The shop")
    active = (await house.client.patch(f"/v1/webhooks/{made['id']}", json={"state": "active"})).json()
    assert (active["state"], active["reason"]) == ("active", None)
    assert (await house.client.delete(f"/v1/webhooks/{made['id']}")).status_code == 204
    assert problem(await house.client.get(f"/v1/webhooks/{made['id']}"))["code"] == "webhook_not_found"
    assert problem(await house.client.delete(f"/v1/webhooks/{made['id']}"))["code"] == "webhook_not_found"


async def test_what_is_wrong_with_an_endpoint_is_named_all_at_once(house: House, problem: Problem) -> None:
    body: dict[str, object] = {"url": "http://127.0.0.1/", "events": ["job.succeeded", "job.finished"]}
    found = problem(await house.client.post("/v1/webhooks", json=body))
    assert [one["pointer"] for one in found["errors"]] == ["/url", "/events/1"]
    assert ", ".join(PATTERNS) in found["errors"][1]["detail"]
    changes: list[dict[str, object]] = [{"events": []}, {"secret": "mine"}, {"url": 1}, {"description": "x" * 501}]
    for one in changes:
        assert problem(await house.client.post("/v1/webhooks", json={**WANTED, **one}))["status"] == 422
    made = await make(house)
    found = problem(await house.client.patch(f"/v1/webhooks/{made['id']}", json={"state": "disabled"}))
    assert found["errors"][0]["pointer"] == "/state"


@pytest.mark.parametrize("place", ["make", "change", "submit", "batch"])
async def test_no_form_of_a_url_that_leads_inside_is_taken(
    house: House, guarded: httpx.AsyncClient, place: str
) -> None:
    made = await make(house)
    said: set[int] = set()
    for url in FORMS:
        if place == "make":
            answer = await guarded.post("/v1/webhooks", json={**WANTED, "url": url})
        elif place == "change":
            answer = await guarded.patch(f"/v1/webhooks/{made['id']}", json={"url": url})
        else:
            job = {"kind": "text.moderate", "input": {"text": "x"}, "webhook": {"url": url}}
            if place == "submit":
                answer = await guarded.post("/v1/jobs", json=job)
            else:
                answer = await guarded.post("/v1/batches", json={"jobs": [job]})
        is_name = url.partition("//")[2].partition("/")[0].removesuffix(".example.com") in _NAMES
        # a name is resolved when a job's webhook is sent, and refused there
        assert answer.status_code == (202 if is_name and place in {"submit", "batch"} else 422), url
        said.add(answer.status_code)
    assert 422 in said
    assert [one["url"] for one in (await house.client.get("/v1/webhooks")).json()["items"]] == [PUBLIC]


_NAMES = {"here", "mixed", "mapped", "metadata", "six", "nat64", "zone", "nonsense"}


async def test_a_secret_is_kept_sealed_and_shown_again_only_to_the_same_request(house: House) -> None:
    headers = {"Idempotency-Key": "once"}
    first = await house.client.post("/v1/webhooks", json=WANTED, headers=headers)
    again = await house.client.post("/v1/webhooks", json=WANTED, headers=headers)
    assert (first.json(), again.headers["idempotency-replayed"]) == (again.json(), "true")
    made = first.json()
    assert len((await house.client.get("/v1/webhooks")).json()["items"]) == 1
    rotated = await house.client.post(f"/v1/webhooks/{made['id']}/rotate-secret", headers=headers)
    repeated = await house.client.post(f"/v1/webhooks/{made['id']}/rotate-secret", headers=headers)
    assert rotated.json()["secret"] == repeated.json()["secret"] != made["secret"]
    assert rotated.json()["secret_rotated_at"] == repeated.json()["secret_rotated_at"] is not None
    late = await house.client.post("/v1/webhooks", json=WANTED, headers=headers)
    assert (late.status_code, "secret" in late.json()) == (201, False)
    async with house.database.read() as tx:
        rows = [
            str(row)
            for table in ("webhook_endpoints", "idempotency_keys")
            for row in await tx.execute(text(f"SELECT {table}::text FROM {table}"))  # noqa: S608
        ]
    assert rows
    for secret in (made["secret"], rotated.json()["secret"]):
        raw = base64.b64decode(secret.removeprefix("whsec_"))
        assert not any(secret.removeprefix("whsec_") in row or raw.hex() in row for row in rows)


async def test_the_secret_that_signs_for_single_jobs_is_shown_and_rotated(house: House) -> None:
    first = await house.client.get("/v1/webhooks/signing-secret")
    assert first.headers["cache-control"] == "no-store"
    assert first.json() == (await house.client.get("/v1/webhooks/signing-secret")).json()
    other = (await house.stranger.get("/v1/webhooks/signing-secret")).json()
    rotated = (await house.client.post("/v1/webhooks/signing-secret/rotate")).json()
    assert rotated == (await house.client.get("/v1/webhooks/signing-secret")).json()
    assert len({first.json()["secret"], other["secret"], rotated["secret"]}) == 3


async def test_a_rotation_that_is_asked_for_twice_with_one_key_is_one(house: House) -> None:
    again = {"Idempotency-Key": "once"}
    first, second = [await house.client.post("/v1/webhooks/signing-secret/rotate", headers=again) for _ in range(2)]
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert [entry.act.action for entry in await house.acts()] == ["signing_secret.rotated"]
    third = await house.client.post("/v1/webhooks/signing-secret/rotate", headers={"Idempotency-Key": "twice"})
    assert third.json() != first.json()


async def test_the_end_of_a_job_stands_among_the_deliveries_and_can_be_sent_again(
    house: House, problem: Problem
) -> None:
    made = await make(house)
    job = await house.submit()
    await house.run(
        job["id"], Verdict(state=State.SUCCEEDED, result=b'{"summary": "x", "engine": "e", "cached": false}')
    )
    [delivery] = await deliveries(house, made["id"])
    assert (delivery["type"], delivery["subject"], delivery["state"]) == ("job.succeeded", job["id"], "pending")
    assert (delivery["attempts"], delivery["status_code"], delivery["answer"]) == (0, None, None)
    delivering = (await house.client.get(f"/v1/jobs/{delivery['job_id']}")).json()
    assert (delivering["kind"], delivering["parent_id"]) == ("webhooks.deliver", job["id"])
    path = f"/v1/webhooks/{made['id']}/deliveries/{delivery['id']}"
    assert (await house.client.get(path)).json() == delivery
    headers = {"Idempotency-Key": "again"}
    again = await house.client.post(f"{path}/redeliver", headers=headers)
    assert (await house.client.post(f"{path}/redeliver", headers=headers)).json() == again.json()
    assert again.status_code == 202
    assert (again.json()["event_id"], again.json()["redelivery_of"]) == (delivery["event_id"], delivery["id"])
    assert again.headers["location"] == f"/v1/webhooks/{made['id']}/deliveries/{again.json()['id']}"
    assert [one["id"] for one in await deliveries(house, made["id"])] == [again.json()["id"], delivery["id"]]
    page = (await house.client.get(f"/v1/webhooks/{made['id']}/deliveries?limit=1")).json()
    rest = await house.client.get(f"/v1/webhooks/{made['id']}/deliveries?limit=1&cursor={page['next_cursor']}")
    assert [one["id"] for one in rest.json()["items"]] == [delivery["id"]]
    await house.client.patch(f"/v1/webhooks/{made['id']}", json={"state": "paused"})
    assert problem(await house.client.post(f"{path}/redeliver"))["code"] == "webhook_inactive"
    missing = f"/v1/webhooks/{made['id']}/deliveries/dlv_{'0' * 32}"
    assert problem(await house.client.get(missing))["code"] == "delivery_not_found"


async def test_a_test_is_sent_even_to_a_paused_endpoint(house: House) -> None:
    made = await make(house, events=["user.banned"])
    await house.client.patch(f"/v1/webhooks/{made['id']}", json={"state": "paused"})
    sent = await house.client.post(f"/v1/webhooks/{made['id']}/test")
    assert (sent.status_code, sent.json()["type"], sent.json()["state"]) == (202, "webhook.test", "pending")
    assert await deliveries(house, made["id"]) == [sent.json()]


async def test_a_tenant_has_so_many_endpoints_and_no_more_however_many_are_made_at_once(
    house: House, problem: Problem
) -> None:
    for _ in range(48):
        await make(house)
    answers = await asyncio.gather(*(house.client.post("/v1/webhooks", json=WANTED) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert problem(refused)["code"] == "too_many_webhooks"


async def test_nobody_sees_or_touches_the_endpoints_of_another_tenant(house: House, problem: Problem) -> None:
    made = await make(house)
    job = await house.submit()
    await house.run(job["id"], Verdict(state=State.SUCCEEDED, result=b"{}"))
    [delivery] = await deliveries(house, made["id"])
    path = f"/v1/webhooks/{made['id']}"
    tries = [
        ("GET", path), ("PATCH", path), ("DELETE", path), ("POST", f"{path}/test"), ("POST", f"{path}/rotate-secret"),
        ("GET", f"{path}/deliveries"), ("GET", f"{path}/deliveries/{delivery['id']}"),
        ("POST", f"{path}/deliveries/{delivery['id']}/redeliver"),
    ]  # fmt: skip
    for method, url in tries:
        body = {"description": "mine"} if method == "PATCH" else None
        assert problem(await house.stranger.request(method, url, json=body))["code"] == "webhook_not_found"
    assert (await house.stranger.get("/v1/webhooks")).json()["items"] == []


async def test_permissions_tell_who_looks_and_who_changes(house: House) -> None:
    made = await make(house)
    reader = {"Authorization": f"Bearer {await house.key(permissions=['webhooks:read'])}"}
    nobody = {"Authorization": f"Bearer {await house.key(permissions=['jobs:read'])}"}
    path = f"/v1/webhooks/{made['id']}"
    assert (await house.client.get(path, headers=reader)).status_code == 200
    assert (await house.client.get(path, headers=nobody)).status_code == 403
    for method, url in (
        ("POST", "/v1/webhooks"), ("DELETE", path), ("POST", f"{path}/test"), ("POST", f"{path}/rotate-secret"),
        ("GET", "/v1/webhooks/signing-secret"),
    ):  # fmt: skip
        answer = await house.client.request(method, url, headers=reader, json=WANTED if url == "/v1/webhooks" else None)
        assert answer.status_code == 403, url


async def test_without_a_secret_key_no_endpoint_is_made_and_it_is_said_why(house: House, problem: Problem) -> None:
    app = make_app(house.database, house.wakeups, Settings())
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://headrace.test", headers=house.client.headers
    ) as client:
        found = problem(await client.post("/v1/webhooks", json=WANTED))
    assert (found["status"], found["code"]) == (503, "secret_key_missing")


async def test_a_jobs_own_webhook_is_kept_with_it_and_delivered_at_its_end(house: House) -> None:
    job = await house.submit(webhook={"url": PUBLIC})
    await house.run(job["id"], Verdict(state=State.SUCCEEDED, result=b"{}"))
    listed = (await house.client.get("/v1/jobs?kind=webhooks.deliver")).json()["items"]
    assert [one["parent_id"] for one in listed] == [job["id"]]


def test_a_secret_opens_only_under_its_key_and_for_its_owner() -> None:
    sealed = SecretBox("one").seal(b"secret", "hook_1")
    assert SecretBox("one").open(sealed, "hook_1") == b"secret"
    for key, owner in (("two", "hook_1"), ("one", "hook_2")):
        with pytest.raises(SecretUnreadable):
            SecretBox(key).open(sealed, owner)
