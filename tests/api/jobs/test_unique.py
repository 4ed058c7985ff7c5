"""`unique`: a live job that is alike answers in place of a new one, however many are submitted at once."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from api.app import make_app
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from runtime.settings import Settings
from storage.once import prune_keys
from tests.api.conftest import SUMMARIZE, House, Problem

HOUR = {"for": "1h"}
DONE = Verdict(state=State.SUCCEEDED, result=b'{"summary":"short"}')


async def submit(house: House, unique: dict[str, Any] | None = None, **changes: object) -> httpx.Response:
    return await house.client.post("/v1/jobs", json={**SUMMARIZE, "unique": unique or HOUR, **changes})


async def jobs(house: House) -> int:
    async with house.database.read() as tx:
        return int((await tx.execute(text("SELECT count(*) FROM jobs"))).scalar_one())


async def test_a_live_job_alike_is_the_answer(house: House) -> None:
    first = await submit(house)
    second = await submit(house, priority=5)
    assert (first.status_code, "deduplicated" in first.json()) == (202, False)
    assert (second.status_code, second.json()) == (200, {**first.json(), "deduplicated": True})
    assert second.headers["location"] == first.headers["location"]
    await house.claim(first.json()["id"])
    assert (await submit(house)).json()["state"] == "running"
    assert await jobs(house) == 1


async def test_a_finished_job_stands_for_no_other(house: House) -> None:
    first = (await submit(house)).json()
    await house.run(first["id"], DONE)
    second = await submit(house)
    assert second.status_code == 202
    assert (await submit(house)).json()["id"] == second.json()["id"] != first["id"]


async def test_a_job_older_than_the_window_stands_for_no_other(house: House) -> None:
    first = (await submit(house)).json()
    async with house.database.begin() as tx:
        await tx.execute(text("UPDATE jobs SET created_at = now() - interval '10 minutes'"))
    assert (await submit(house, {"for": "1h"})).json()["id"] == first["id"]
    second = await submit(house, {"for": "5m"})
    assert second.status_code == 202
    assert (await submit(house, {"for": "1h"})).json()["id"] == second.json()["id"]


async def test_another_input_kind_key_or_tenant_is_another_job(house: House) -> None:
    answers = [
        await submit(house),
        await submit(house, input={"text": "Another story."}),
        await submit(house, kind="text.moderate"),
        await submit(house, {"for": "1h", "key": "a"}),
        await submit(house, {"for": "1h", "key": "b"}),
        await submit(house, {"for": "1h", "key": "a"}, kind="text.moderate"),
        await house.stranger.post("/v1/jobs", json={**SUMMARIZE, "unique": HOUR}),
        await house.client.post("/v1/jobs", json=SUMMARIZE),
    ]
    assert [answer.status_code for answer in answers] == [202] * 8
    assert await jobs(house) == 8


async def test_what_is_alike_by_key_may_differ_in_input(house: House) -> None:
    first = await submit(house, {"for": "1h", "key": "a"})
    second = await submit(house, {"for": "1h", "key": "a"}, input={"text": "Another story."})
    assert (second.status_code, second.json()["id"]) == (200, first.json()["id"])


async def test_inputs_are_alike_as_they_are_stored(house: House) -> None:
    first = await submit(house, input={"text": "A story.", "max_chars": 100})
    assert (await submit(house, input={"text": "A story."})).json()["id"] == first.json()["id"]


async def test_racing_submits_of_unique_jobs_make_one_of_each(house: House) -> None:
    second = httpx.ASGITransport(app=make_app(house.database, house.wakeups, Settings()))
    bodies = [{**SUMMARIZE, "unique": {"for": "1h", "key": f"key-{number % 10}"}} for number in range(100)]
    async with httpx.AsyncClient(
        transport=second, base_url="http://headrace.test", headers=house.client.headers
    ) as other:
        posts = [(house.client, body) for body in bodies] + [(other, body) for body in reversed(bodies)]
        answers = await asyncio.gather(*(client.post("/v1/jobs", json=body) for client, body in posts))
    assert {answer.status_code for answer in answers} == {200, 202}
    assert sum(answer.status_code == 202 for answer in answers) == 10
    assert await jobs(house) == 10


async def test_a_replay_of_a_deduplicated_answer_says_so(house: House) -> None:
    first = (await submit(house)).json()
    body, headers = {**SUMMARIZE, "unique": HOUR}, {"Idempotency-Key": "k"}
    racing = (house.client.post("/v1/jobs", json=body, headers=headers) for _ in range(20))
    answers = await asyncio.gather(*racing)
    await house.run(first["id"], DONE)
    answers.append(await house.client.post("/v1/jobs", json=body, headers=headers))
    for answer in answers:
        assert (answer.status_code, answer.json()["id"], answer.json()["deduplicated"]) == (200, first["id"], True)
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 20
    assert await jobs(house) == 1


@pytest.mark.parametrize(
    ("unique", "pointer"),
    [
        ({"for": "soon"}, "/unique/for"),
        ({"for": "0s"}, "/unique/for"),
        ({"for": "31d"}, "/unique/for"),
        ({"key": "a"}, "/unique/for"),
        ({"for": "1h", "key": ""}, "/unique/key"),
        ({"for": "1h", "by": "a"}, "/unique/by"),
    ],
)
async def test_a_wish_that_is_none_is_refused(
    house: House, problem: Problem, unique: dict[str, Any], pointer: str
) -> None:
    answer = await submit(house, unique)
    assert answer.status_code == 422
    assert [error["pointer"] for error in problem(answer)["errors"]] == [pointer]


async def test_all_that_is_wrong_is_told_at_once(house: House, problem: Problem) -> None:
    answer = await submit(house, {"for": "soon"}, delay="later")
    assert {error["pointer"] for error in problem(answer)["errors"]} == {"/unique/for", "/delay"}


async def test_keys_older_than_any_window_are_forgotten(house: House) -> None:
    await submit(house)
    async with house.database.begin() as tx:
        await tx.execute(text("UPDATE unique_keys SET created_at = now() - interval '31 days'"))
        await prune_keys(tx, limit=10)
        assert (await tx.execute(text("SELECT count(*) FROM unique_keys"))).scalar_one() == 0
