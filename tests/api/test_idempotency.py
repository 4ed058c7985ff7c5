"""Idempotency-Key: whatever is repeated, raced or killed, it is done once, and the first answer is the answer."""

import asyncio
import ssl
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from api.app import make_app
from runtime.settings import Settings
from storage.once import prune_keys
from tests.api.conftest import SUMMARIZE, House, Problem, served

SCHEDULE = {"name": "hourly", "every": "1h", "job": SUMMARIZE}
TEXT = {"text": "A long story."}

# every route that makes something, with a body it takes and another
CREATES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/v1/jobs", SUMMARIZE, {**SUMMARIZE, "priority": 1}),
    ("/v1/text/summarize", TEXT, {"text": "Another."}),
    ("/v1/text/moderate", TEXT, {"text": "Another."}),
    ("/v1/text/classify", TEXT, {"text": "Another."}),
    ("/v1/text/generate", {"format": "blog", "brief": "Mills"}, {"format": "blog", "brief": "Wheels"}),
    ("/v1/emails", {"to": ["a@example.com"], "subject": "Hi", "text": "Hi"},
     {"to": ["b@example.com"], "subject": "Hi", "text": "Hi"}),
    ("/v1/orders", {"lines": [{"product_id": "product_" + "0" * 32, "quantity": 1}]},
     {"lines": [{"product_id": "product_" + "0" * 32, "quantity": 2}]}),
    ("/v1/customers/me/deposits", {"amount": {"amount": 5, "currency": "USD"}},
     {"amount": {"amount": 6, "currency": "USD"}}),
    ("/v1/conversations", {"title": "One"}, {"title": "Two"}),
    ("/v1/schedules", SCHEDULE, {**SCHEDULE, "name": "other"}),
    ("/v1/batches", {"jobs": [SUMMARIZE]}, {"jobs": [SUMMARIZE] * 2}),
]  # fmt: skip


async def post(
    house: House, path: str, body: object, key: str = "k", *, client: httpx.AsyncClient | None = None, **headers: str
) -> httpx.Response:
    return await (client or house.client).post(path, json=body, headers={"Idempotency-Key": key, **headers})


async def rows(house: House, table: str) -> int:
    async with house.database.read() as tx:
        return int((await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())  # noqa: S608 - a test's own


@pytest.mark.parametrize(("path", "body", "other"), CREATES)
async def test_the_same_request_again_is_the_first_answer_again(
    house: House, problem: Problem, path: str, body: dict[str, Any], other: dict[str, Any]
) -> None:
    first = await post(house, path, body)
    again = await post(house, path, body)
    assert first.status_code in {201, 202}, first.text
    assert "idempotency-replayed" not in first.headers
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers.get("location") == first.headers.get("location")
    refused = await post(house, path, other)
    assert (refused.status_code, problem(refused)["code"]) == (422, "idempotency_key_reused")
    elsewhere = await post(house, path, body, "l")
    assert elsewhere.json()["id"] != first.json()["id"]


async def message_and_trigger(house: House) -> list[tuple[str, object]]:
    """What is asked, and with which body, for a reply to a message and for a job of a schedule."""
    conversation = (await house.client.post("/v1/conversations", json={})).json()["id"]
    schedule = (await house.client.post("/v1/schedules", json=SCHEDULE)).json()["id"]
    return [
        (f"/v1/conversations/{conversation}/messages", {"text": "Hello?"}),
        (f"/v1/schedules/{schedule}/trigger", None),
    ]


async def test_a_message_and_a_triggered_job_are_made_once(house: House) -> None:
    for path, body in await message_and_trigger(house):
        first = await post(house, path, body)
        again = await post(house, path, body, Prefer="wait=0")
        assert (first.status_code, again.status_code) == (202, 202), first.text
        assert first.json()["id"] == again.json()["id"]
        assert again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers
    assert await rows(house, "messages") == 1
    assert await rows(house, "jobs") == 2


async def test_five_hundred_racing_submits_with_one_key_make_one_job_and_one_answer(house: House, address: str) -> None:
    # two processes' worth of API over one database, so that two transactions race as well as two requests
    other = make_app(house.database, house.wakeups, Settings())
    async with served(other) as second, AsyncExitStack() as clients:
        # ten of ten connections each: one of a hundred would spend most of the race on looking for the next free one
        tls = ssl.create_default_context()
        several = [
            await clients.enter_async_context(
                httpx.AsyncClient(
                    headers=house.client.headers, timeout=30, verify=tls, limits=httpx.Limits(max_connections=10)
                )
            )
            for _ in range(10)
        ]

        async def submit(number: int) -> httpx.Response:
            url = f"{(address, second)[number % 2]}/v1/jobs"
            return await several[number // 50].post(url, json=SUMMARIZE, headers={"Idempotency-Key": "race"})

        answers = await asyncio.gather(*map(submit, range(500)))
        # On a busy machine some of so many find no room. Who is told to come back comes back, but not all at once: they
        # would only keep each other out.
        for number in range(500):
            while answers[number].status_code == 503:
                assert answers[number].json()["retryable"]
                answers[number] = await submit(number)
    assert {answer.status_code for answer in answers} == {202}
    # the links are spelled by the host that was asked
    assert len({answer.text.replace(second, address) for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await rows(house, "jobs") == await rows(house, "outbox") == 1


async def test_racing_submits_of_many_keys_in_any_order_neither_wait_in_circles_nor_mix(house: House) -> None:
    second = make_app(house.database, house.wakeups, Settings())
    transport = httpx.ASGITransport(app=second)
    names = [f"key-{number}" for number in range(50)]
    async with httpx.AsyncClient(
        transport=transport, base_url="http://headrace.test", headers=house.client.headers
    ) as other:
        posts = [(house.client, name) for name in names] + [(other, name) for name in reversed(names)]
        bodies = {name: {**SUMMARIZE, "metadata": {"key": name}} for name in names}
        answers = await asyncio.gather(
            *(post(house, "/v1/jobs", bodies[name], name, client=client) for client, name in posts)
        )
    assert {answer.status_code for answer in answers} == {202}
    for (_, name), answer in zip(posts, answers, strict=True):
        assert answer.json()["metadata"] == {"key": name}
    assert await rows(house, "jobs") == 50


async def test_racing_requests_with_one_key_and_two_bodies_make_one_job(house: House) -> None:
    bodies = [{**SUMMARIZE, "priority": number % 2} for number in range(60)]
    answers = await asyncio.gather(*(post(house, "/v1/jobs", body) for body in bodies))
    won = {answer.json()["priority"] for answer in answers if answer.status_code == 202}
    assert len(won) == 1
    assert sorted(answer.status_code for answer in answers) == [202] * 30 + [422] * 30
    assert await rows(house, "jobs") == 1


async def test_racing_deposits_with_one_key_are_one_deposit(house: House, problem: Problem) -> None:
    body = {"amount": {"amount": 5, "currency": "USD"}}
    answers = await asyncio.gather(*(post(house, "/v1/customers/me/deposits", body) for _ in range(30)))
    made = [answer.json() for answer in answers if answer.status_code == 201]
    assert made
    assert all(one == made[0] for one in made)
    turned_away = [answer for answer in answers if answer.status_code != 201]
    assert {problem(answer)["code"] for answer in turned_away} <= {"idempotency_in_progress"}
    assert await rows(house, "ledger_entries") == 2


async def test_while_the_first_is_under_way_the_second_is_told_so(house: House, problem: Problem) -> None:
    body = {"amount": {"amount": 5, "currency": "USD"}}
    await post(house, "/v1/customers/me/deposits", body, "before")
    # whoever comes first is held up inside its transaction, by a lock on the customer's balance
    async with house.database.begin() as tx:
        await tx.execute(text("SELECT FROM balances FOR UPDATE"))
        racing = {asyncio.create_task(post(house, "/v1/customers/me/deposits", body)) for _ in range(2)}
        [second], first = await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
        found = problem(await second)
        assert (found["status"], found["code"], found["retryable"]) == (409, "idempotency_in_progress", True)
        assert (await second).headers["retry-after"] == "1"
    made = await first.pop()
    assert made.status_code == 201
    assert (await post(house, "/v1/customers/me/deposits", body)).json() == made.json()


@pytest.mark.parametrize(("point", "kept"), [("api.before_commit", 0), ("api.after_commit", 1)])
async def test_after_a_crash_the_same_request_makes_what_is_missing_and_nothing_twice(
    house: House, point: str, kept: int
) -> None:
    dying = make_app(house.database, house.wakeups, Settings(kill_points=f"{point}=raise"))
    transport = httpx.ASGITransport(app=dying, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://headrace.test", headers=house.client.headers
    ) as client:
        died = await post(house, "/v1/jobs", SUMMARIZE, client=client)
    assert died.status_code == 500
    assert await rows(house, "jobs") == await rows(house, "idempotency_keys") == kept
    answer = await post(house, "/v1/jobs", SUMMARIZE)
    assert ("idempotency-replayed" in answer.headers) == bool(kept)
    assert await rows(house, "jobs") == 1


async def test_a_refused_request_does_not_use_its_key_up(house: House) -> None:
    assert (await post(house, "/v1/jobs", {"kind": "text.summarize"})).status_code == 422
    assert (await post(house, "/v1/jobs", SUMMARIZE)).status_code == 202
    conversation = f"/v1/conversations/conv_{'0' * 32}/messages"
    assert (await post(house, conversation, {"text": "Hello?"})).status_code == 404
    assert await rows(house, "idempotency_keys") == 1


async def test_a_key_is_the_tenants_and_the_routes(house: House) -> None:
    ours = (await post(house, "/v1/jobs", SUMMARIZE)).json()
    theirs = (await post(house, "/v1/jobs", SUMMARIZE, client=house.stranger)).json()
    other_route = (await post(house, "/v1/text/summarize", TEXT)).json()
    assert len({ours["id"], theirs["id"], other_route["id"]}) == 3


async def test_query_and_caller_are_part_of_the_request(house: House, problem: Problem) -> None:
    await post(house, "/v1/text/summarize?priority=1", TEXT)
    other_query = await post(house, "/v1/text/summarize?priority=2", TEXT)
    assert problem(other_query)["code"] == "idempotency_key_reused"
    key = await house.key(permissions=("jobs:submit",))
    colleague = await post(house, "/v1/text/summarize?priority=1", TEXT, Authorization=f"Bearer {key}")
    assert problem(colleague)["code"] == "idempotency_key_reused"


async def test_a_key_is_quoted_or_bare(house: House) -> None:
    bare = await post(house, "/v1/jobs", SUMMARIZE, "a b")
    quoted = await post(house, "/v1/jobs", SUMMARIZE, '"a b"')
    assert quoted.json()["id"] == bare.json()["id"]
    assert (await post(house, "/v1/jobs", SUMMARIZE, "k" * 255)).status_code == 202
    assert (await post(house, "/v1/jobs", SUMMARIZE, '"' + "q" * 255 + '"')).status_code == 202


@pytest.mark.parametrize("key", ["", '""', "k" * 256, "k\tk", "k\x7f", "\xe9"])
async def test_a_key_that_is_none_is_refused(house: House, problem: Problem, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    answer = await house.client.post("/v1/jobs", json=SUMMARIZE, headers=headers)
    assert (answer.status_code, problem(answer)["code"]) == (422, "idempotency_key_invalid")
    assert await rows(house, "jobs") == 0


async def test_two_keys_are_none(house: House, problem: Problem) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    answer = await house.client.post("/v1/jobs", json=SUMMARIZE, headers=headers)
    assert problem(answer)["code"] == "idempotency_key_invalid"


async def test_a_key_is_forgotten_after_seven_days(house: House) -> None:
    for key, age in (("old", "7 days 1 minute"), ("young", "6 days 23 hours")):
        assert (await post(house, "/v1/jobs", SUMMARIZE, key)).status_code == 202
        async with house.database.begin() as tx:
            aged = "UPDATE idempotency_keys SET created_at = now() - CAST(:age AS interval) WHERE key = :key"
            await tx.execute(text(aged), {"age": age, "key": key})
    async with house.database.begin() as tx:
        await prune_keys(tx, limit=100)
    assert "idempotency-replayed" not in (await post(house, "/v1/jobs", SUMMARIZE, "old")).headers
    assert "idempotency-replayed" in (await post(house, "/v1/jobs", SUMMARIZE, "young")).headers


async def test_a_job_that_is_kept_no_more_is_said_to_be_gone(house: House, problem: Problem) -> None:
    await post(house, "/v1/jobs", SUMMARIZE)
    async with house.database.begin() as tx:
        await tx.execute(text("DELETE FROM jobs"))
    answer = await post(house, "/v1/jobs", SUMMARIZE)
    assert (answer.status_code, problem(answer)["code"]) == (404, "idempotency_answer_gone")
