"""POST /v1/batches and what follows: all or none, every bad job named, counted, waited for, cancelled, read back.

Long because what is refused and what becomes of the rest are read together: a gap between them would not be seen.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from api.batches import results, routes
from api.bodies import MOST_BATCH_BYTES
from domain.accounts.permissions import PERMISSIONS
from domain.jobs.job import JobError
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from storage.retention import prune_batches, prune_jobs
from tests.api.conftest import SUMMARIZE, House, Problem

DONE = Verdict(state=State.SUCCEEDED, result=b'{"summary":"short"}')
FAILED = Verdict(state=State.FAILED, error=JobError(code="rejected", title="No", detail="Not this one."))
MODERATE = {"kind": "text.moderate", "input": {"text": "hello"}}
NDJSON = {"Content-Type": "application/x-ndjson"}
UNKNOWN = "batch_" + "0" * 32


def numbered(count: int) -> list[dict[str, Any]]:
    return [{**SUMMARIZE, "metadata": {"n": str(number)}} for number in range(count)]


def lines(jobs: Sequence[object]) -> bytes:
    return b"".join(json.dumps(job).encode() + b"\n" for job in jobs)


async def submit(house: House, jobs: Sequence[object], **more: object) -> dict[str, Any]:
    answer = await house.client.post("/v1/batches", json={"jobs": jobs, **more})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def job_ids(house: House, batch: dict[str, Any]) -> list[str]:
    answer = await house.client.get(f"/v1/batches/{batch['id']}/results")
    return [json.loads(line)["id"] for line in answer.text.splitlines()]


async def shown(house: House, batch: dict[str, Any]) -> dict[str, Any]:
    answer = await house.client.get(f"/v1/batches/{batch['id']}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def count(house: House, table: str) -> int:
    async with house.database.read() as tx:
        return int((await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())  # noqa: S608 - a test's own


def counts(**given: int) -> dict[str, int]:
    return {state.value: given.get(state.value, 0) for state in State}


async def test_a_batch_is_accepted_with_its_jobs_in_order(house: House) -> None:
    answer = await house.client.post("/v1/batches", json={"jobs": [*numbered(3), {**MODERATE, "delay": "1h"}]})
    assert answer.status_code == 202, answer.text
    batch = answer.json()
    path = f"http://headrace.test/v1/batches/{batch['id']}"
    assert answer.headers["location"] == f"/v1/batches/{batch['id']}"
    assert answer.headers["retry-after"] == "1"
    assert (batch["total"], batch["finished_at"], batch["on_finished_job_id"]) == (4, None, None)
    assert batch["counts"] == counts(queued=3, scheduled=1)
    assert batch["links"] == {
        "self": path,
        "jobs": f"http://headrace.test/v1/jobs?batch_id={batch['id']}",
        "results": f"{path}/results",
        "cancel": f"{path}/cancel",
    }
    assert await shown(house, batch) == batch
    listed = (await house.client.get(batch["links"]["jobs"])).json()["items"]
    assert {job["batch_id"] for job in listed} == {batch["id"]}
    assert [job["metadata"].get("n") for job in listed] == [None, "2", "1", "0"]


async def test_lines_are_jobs_whether_or_not_the_last_one_ends(house: House) -> None:
    for body in (lines(numbered(3)), lines(numbered(3)).rstrip(b"\n"), lines(numbered(3)).replace(b"\n", b"\r\n\r\n")):
        answer = await house.client.post("/v1/batches", content=body, headers=NDJSON)
        assert (answer.status_code, answer.json()["total"]) == (202, 3), answer.text


async def test_every_bad_job_is_named_and_none_is_accepted(house: House, problem: Problem) -> None:
    jobs = numbered(20)
    jobs[3] = {"kind": "text.summarize", "input": {"text": 5, "max_char": 1}}
    jobs[7] = {"kind": "text.sumarize", "input": {}}
    jobs[11] = {**SUMMARIZE, "delay": "soon"}
    jobs[19] = {**SUMMARIZE, "unique": {"for": "1h"}}
    following = {"kind": "emails.send"}
    for answer, prefix in (
        (await house.client.post("/v1/batches", json={"jobs": jobs, "on_finished": following}), "/jobs"),
        (await house.client.post("/v1/batches", content=lines(jobs), headers=NDJSON), ""),
    ):
        found = problem(answer)
        assert (answer.status_code, found["code"]) == (422, "body_invalid")
        wanted = ["/3/input/max_char", "/3/input/text", "/7/kind", "/11/delay", "/19/unique"]
        pointers = [one["pointer"] for one in found["errors"] if not one["pointer"].startswith("/on_finished")]
        assert sorted(pointers) == sorted(prefix + one for one in wanted)
    assert "Line 4: " in found["errors"][0]["detail"]
    assert (await count(house, "jobs"), await count(house, "batches")) == (0, 0)


async def test_a_line_that_is_no_json_is_named_as_any_bad_job(house: House, problem: Problem) -> None:
    body = lines(numbered(1)) + b'\n{"kind": \n[]\n{"a": NaN}\n' + b'{"kind": "x", "kind": "y"}\n'
    found = problem(await house.client.post("/v1/batches", content=body, headers=NDJSON))
    assert [one["pointer"] for one in found["errors"]] == ["/1", "/2", "/3", "/4"]
    assert [one["detail"].split(":")[0] for one in found["errors"]] == ["Line 3", "Line 4", "Line 5", "Line 6"]


async def test_however_many_jobs_are_wrong_each_is_named_and_beyond_a_hundred_faults_once(
    house: House, problem: Problem
) -> None:
    wrong = {"kind": "text.summarize", "input": {"text": 5}, "priority": 101}
    found = problem(await house.client.post("/v1/batches", json={"jobs": [wrong, SUMMARIZE] * 250}))
    told = [one["pointer"].split("/")[2] for one in found["errors"]]
    assert list(dict.fromkeys(told)) == [str(index) for index in range(0, 500, 2)]
    assert len(told) == 100 + 250 - 50
    assert found["detail"].endswith("Beyond 100, of each job only the first fault is listed.")


async def test_what_is_wrong_with_the_whole_is_said_in_words(house: House, problem: Problem) -> None:
    for body, pointer, said in (
        (b"[]", "", "Expected an object, not a list."),
        (b'{"jobs": 1}', "/jobs", "Expected a list."),
        (b'{"jobs": [], "mode": "fast"}', "/mode", "Expected one of: standard, economy."),
    ):
        headers = {"Content-Type": "application/json"}
        [error] = problem(await house.client.post("/v1/batches", content=body, headers=headers))["errors"]
        assert (error["pointer"], error["detail"]) == (pointer, said)
    found = problem(await house.client.post("/v1/batches", content=lines(numbered(1)) + b"{x", headers=NDJSON))
    assert found["errors"][0]["detail"].startswith("Line 2: ")
    assert found["errors"][0]["detail"].endswith(" in column 2.")


@pytest.mark.parametrize(
    ("body", "status", "pointers"),
    [
        (b"", 400, []),
        (b"{", 400, []),
        (b'{"jobs": [1,]}', 400, []),
        (b"\xef\xbb\xbf{}", 400, []),
        (b'{"jobs": ["\xff"]}', 400, []),
        (b"[]", 422, [""]),
        (b"{}", 422, ["/jobs"]),
        (b'{"jobs": {}}', 422, ["/jobs"]),
        (b'{"jobs": []}', 422, ["/jobs"]),
        (b'{"jobs": [], "tobs": 1}', 422, ["/tobs"]),
        (b'{"jobs": [1, null]}', 422, ["/jobs/0", "/jobs/1"]),
        (b'{"jobs": [{}], "jobs": [{}]}', 422, [""]),
        (b'{"jobs": [1], "on_finished": {"x": [{}]}, "jobs": [{}]}', 422, [""]),
        (b'{"on_finished": {}, "jobs": [{}], "on_finished": {}}', 422, [""]),
        (b' {\n"on_finished" : "jobs" , "jobs":\t[ {} ]\n} ', 422, ["/jobs/0/kind", "/jobs/0/input", "/on_finished"]),
        (b'{"jobs": [' + b"[" * 2000 + b"]" * 2000 + b"]}", 422, [""]),
        (b'{"jobs": [' + b"[" * 70 + b"]" * 70 + b"]}", 422, ["/jobs/0"]),
        (b'{"jobs": [{"kind": "text.moderate", "input": {"text": "\\u0000"}}]}', 422, ["/jobs/0/input/text"]),
        (b'{"jobs": [{"kind": "text.moderate", "input": {"text": "\\ud800"}}]}', 400, []),
        (b'{"jobs": [' + b"1," * 10_000 + b"1]}", 422, ["/jobs"]),
    ],
)
async def test_a_body_that_is_no_batch_is_refused(
    house: House, problem: Problem, body: bytes, status: int, pointers: list[str]
) -> None:
    answer = await house.client.post("/v1/batches", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, [one["pointer"] for one in problem(answer)["errors"]]) == (status, pointers)


@pytest.mark.parametrize("body", [b"\n\n", b"\n" * 30_000, lines([MODERATE] * 10_001)])
async def test_lines_that_are_none_or_too_many_are_refused(house: House, problem: Problem, body: bytes) -> None:
    answer = await house.client.post("/v1/batches", content=body, headers=NDJSON)
    assert (answer.status_code, [one["pointer"] for one in problem(answer)["errors"]]) == (422, [""])


async def test_a_body_of_another_sort_is_refused(house: House, problem: Problem) -> None:
    answer = await house.client.post("/v1/batches", content=b"x", headers={"Content-Type": "text/csv"})
    assert (answer.status_code, problem(answer)["code"]) == (415, "media_type_unsupported")
    assert "application/x-ndjson" in problem(answer)["detail"]


async def test_a_batch_has_room_for_sixteen_mebibytes_and_each_job_for_one(house: House, problem: Problem) -> None:
    room = MOST_BATCH_BYTES - len(json.dumps({"jobs": [MODERATE]}))
    just = json.dumps({"jobs": [MODERATE]}).encode() + b" " * room
    headers = {"Content-Type": "application/json"}
    assert (await house.client.post("/v1/batches", content=just, headers=headers)).status_code == 202
    answer = await house.client.post("/v1/batches", content=just + b" ", headers=headers)
    assert (answer.status_code, problem(answer)["code"]) == (413, "body_too_large")
    large = {"kind": "text.moderate", "input": {"text": "x" * (1 << 20)}}
    answer = await house.client.post("/v1/batches", json={"jobs": [MODERATE, large]})
    assert (answer.status_code, problem(answer)["errors"][0]["pointer"]) == (422, "/jobs/1")
    assert "1 MiB" in problem(answer)["detail"]
    answer = await house.client.post("/v1/jobs", content=just, headers=headers)
    assert answer.status_code == 413


async def test_ten_thousand_jobs_are_accepted_while_others_are_answered(house: House) -> None:
    asked = asyncio.create_task(house.client.post("/v1/batches", content=lines(numbered(10_000)), headers=NDJSON))
    answered = 0
    while not asked.done():
        assert (await house.client.get("/health/live")).status_code == 200
        answered += 1
        await asyncio.sleep(0)  # what is answered in process does not wait for anything
    answer = await asked
    assert (answer.status_code, answer.json()["counts"]["queued"]) == (202, 10_000), answer.text
    assert answered > 10
    indexes = [
        (found["index"], found["metadata"]["n"])
        for found in map(json.loads, (await house.client.get(answer.json()["links"]["results"])).text.splitlines())
    ]
    assert indexes == [(number, str(number)) for number in range(10_000)]


@pytest.mark.parametrize(
    "job",
    [
        {"kind": "orders.ship", "input": {"order_id": "order_" + "0" * 32}},
        {
            "kind": "orders.place",
            "input": {
                "lines": [{"product_id": "product_" + "0" * 32, "quantity": 1}],
                "customer_id": "user_" + "0" * 32,
            },
        },
    ],
)
async def test_a_key_without_the_permission_for_one_of_the_jobs_submits_nothing(
    house: House, problem: Problem, job: dict[str, Any]
) -> None:
    key = await house.key(permissions=[one for one in PERMISSIONS if not one.startswith("orders:")])
    headers = {"Authorization": f"Bearer {key}"}
    answer = await house.client.post("/v1/batches", json={"jobs": [MODERATE, job]}, headers=headers)
    assert (answer.status_code, problem(answer)["code"]) == (403, "permission_missing")
    assert await count(house, "jobs") == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", ""), ("GET", ""), ("GET", f"/{UNKNOWN}"), ("POST", f"/{UNKNOWN}/cancel"), ("GET", f"/{UNKNOWN}/results")],
)
async def test_every_route_asks_for_a_permission(house: House, problem: Problem, method: str, path: str) -> None:
    headers = {"Authorization": f"Bearer {await house.key(permissions=[])}"}
    answer = await house.client.request(method, f"/v1/batches{path}", headers=headers, json={"jobs": [MODERATE]})
    assert (answer.status_code, problem(answer)["code"]) == (403, "permission_missing")


async def test_another_tenants_batch_is_not_there(house: House, problem: Problem) -> None:
    batch = await submit(house, [MODERATE])
    for batch_id in (batch["id"], UNKNOWN, "batch_x", batch["id"].replace("batch", "job")):
        client = house.stranger if batch_id == batch["id"] else house.client
        for answer in (
            await client.get(f"/v1/batches/{batch_id}"),
            await client.get(f"/v1/batches/{batch_id}", headers={"Prefer": "wait=5"}),
            await client.get(f"/v1/batches/{batch_id}/results"),
            await client.post(f"/v1/batches/{batch_id}/cancel"),
        ):
            assert (answer.status_code, problem(answer)["code"]) == (404, "batch_not_found")
    assert (await house.stranger.get("/v1/batches")).json()["items"] == []
    assert (await shown(house, batch))["counts"] == counts(queued=1)


async def test_the_same_request_again_is_the_first_answer_again(house: House, problem: Problem) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await house.client.post("/v1/batches", json={"jobs": numbered(3)}, headers=headers)
    again = await house.client.post("/v1/batches", json={"jobs": numbered(3)}, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    other = await house.client.post("/v1/batches", json={"jobs": numbered(4)}, headers=headers)
    assert (other.status_code, problem(other)["code"]) == (422, "idempotency_key_reused")
    assert (await count(house, "batches"), await count(house, "jobs")) == (1, 3)


async def test_more_batches_at_once_than_may_be_are_told_to_come_again(house: House, problem: Problem) -> None:
    answers = await asyncio.gather(
        *(house.client.post("/v1/batches", content=lines(numbered(300)), headers=NDJSON) for _ in range(30))
    )
    statuses = {answer.status_code for answer in answers}
    assert statuses == {202, 503}
    assert {problem(answer)["code"] for answer in answers if answer.status_code == 503} == {"overloaded"}
    assert (await house.client.post("/v1/batches", content=lines(numbered(1)), headers=NDJSON)).status_code == 202


async def test_what_follows_is_submitted_when_the_last_job_ends_and_knows_its_batch(house: House) -> None:
    following = {**MODERATE, "priority": 5, "delay": "1h", "metadata": {"ticket": "42"}, "tags": ["after"]}
    batch = await submit(house, numbered(2), on_finished=following)
    first, last = await job_ids(house, batch)
    await house.run(first, DONE)
    assert (await shown(house, batch))["on_finished_job_id"] is None
    await house.run(last, FAILED)
    finished = await shown(house, batch)
    assert finished["finished_at"] is not None
    assert finished["counts"] == counts(succeeded=1, failed=1)
    job = (await house.client.get(f"/v1/jobs/{finished['on_finished_job_id']}")).json()
    assert job["metadata"] == {"ticket": "42", "batch_id": batch["id"]}
    assert (job["state"], job["kind"], job["priority"], job["tags"]) == ("scheduled", "text.moderate", 5, ["after"])
    assert (job["batch_id"], job["input"]) == (None, MODERATE["input"])


async def test_what_follows_is_held_to_the_same_rules(house: House, problem: Problem) -> None:
    for following, pointer in (
        ({**MODERATE, "metadata": {"batch_id": "mine"}}, "/on_finished/metadata/batch_id"),
        ({**MODERATE, "metadata": {str(n): "" for n in range(16)}}, "/on_finished/metadata"),
        ({**MODERATE, "unique": {"for": "1h"}}, "/on_finished/unique"),
        ({"kind": "text.moderate"}, "/on_finished/input"),
    ):
        answer = await house.client.post("/v1/batches", json={"jobs": [MODERATE], "on_finished": following})
        assert [one["pointer"] for one in problem(answer)["errors"]] == [pointer]
    assert (await submit(house, [MODERATE], on_finished=None))["total"] == 1


async def test_waiting_answers_as_soon_as_the_last_job_has_ended(house: House) -> None:
    batch = await submit(house, numbered(2))
    first, last = await job_ids(house, batch)
    short = await house.client.get(f"/v1/batches/{batch['id']}", headers={"Prefer": "wait=0"})
    assert (short.status_code, short.headers["preference-applied"]) == (202, "wait=0")
    waiting = asyncio.create_task(house.client.get(f"/v1/batches/{batch['id']}", headers={"Prefer": "wait=30"}))
    await house.run(first, DONE)
    await house.run(last, DONE)
    answer = await waiting
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=30")
    assert answer.json()["counts"] == counts(succeeded=2)
    assert "retry-after" not in answer.headers


async def test_who_submits_may_wait_for_the_end_and_the_same_request_again_waits_too(house: House) -> None:
    headers = {"Idempotency-Key": "k", "Prefer": "wait=30"}
    sent = {"jobs": numbered(2)}
    waiting = asyncio.create_task(house.client.post("/v1/batches", json=sent, headers=headers))
    while not (known := (await house.client.get("/v1/batches")).json()["items"]):
        await asyncio.sleep(0.01)
    short = await house.client.post("/v1/batches", json=sent, headers=headers | {"Prefer": "wait=0"})
    assert (short.status_code, short.headers["preference-applied"]) == (202, "wait=0")
    assert short.headers["idempotency-replayed"] == "true"
    for job_id in await job_ids(house, known[0]):
        await house.run(job_id, DONE)
    answer = await waiting
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=30")
    assert (answer.json()["counts"], answer.headers["location"]) == (
        counts(succeeded=2),
        f"/v1/batches/{known[0]['id']}",
    )
    assert "idempotency-replayed" not in answer.headers
    again = await house.client.post("/v1/batches", json=sent, headers=headers)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert again.json()["counts"] == counts(succeeded=2)


async def test_a_wait_ends_when_the_process_is_about_to_stop(house: House) -> None:
    batch = await submit(house, [MODERATE])
    house.draining.set()
    answer = await house.client.get(f"/v1/batches/{batch['id']}", headers={"Prefer": "wait=30"})
    assert answer.status_code == 202


async def test_what_is_known_already_is_not_sent_again(house: House) -> None:
    batch = await submit(house, numbered(2))
    path = f"/v1/batches/{batch['id']}"
    tag = (await house.client.get(path)).headers["etag"]
    unchanged = await house.client.get(path, headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag)
    await house.claim((await job_ids(house, batch))[0])
    changed = await house.client.get(path, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.headers["etag"] != tag) == (200, True)


async def test_cancelling_ends_what_waits_and_tells_workers_of_the_rest(
    house: House, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_CANCELLED_AT_ONCE", 2)
    batch = await submit(house, numbered(7), on_finished=MODERATE)
    ids = await job_ids(house, batch)
    await house.run(ids[0], DONE)
    lease = await house.claim(ids[1])
    path = f"/v1/batches/{batch['id']}/cancel"
    answer = await house.client.post(path)
    assert (answer.status_code, answer.json()["counts"]) == (202, counts(succeeded=1, running=1, cancelled=5))
    assert answer.headers["retry-after"] == "1"
    assert (await house.client.post(path)).status_code == 202
    await house.settle(ids[1], lease, Verdict(state=State.CANCELLED))
    answer = await house.client.post(path)
    assert (answer.status_code, answer.json()["counts"]) == (200, counts(succeeded=1, cancelled=6))
    assert answer.json()["on_finished_job_id"] is not None
    other = await submit(house, [MODERATE])
    assert (await house.client.post(f"/v1/batches/{other['id']}/cancel")).status_code == 200
    done = await submit(house, [MODERATE])
    await house.run((await job_ids(house, done))[0], DONE)
    answer = await house.client.post(f"/v1/batches/{done['id']}/cancel")
    assert (answer.status_code, problem(answer)["code"]) == (409, "batch_finished")


async def test_cancelling_the_last_job_alone_finishes_the_batch(house: House) -> None:
    batch = await submit(house, [MODERATE], on_finished=MODERATE)
    waiting = asyncio.create_task(house.client.get(f"/v1/batches/{batch['id']}", headers={"Prefer": "wait=30"}))
    [job_id] = await job_ids(house, batch)
    assert (await house.client.post(f"/v1/jobs/{job_id}/cancel")).status_code == 200
    assert (await waiting).json()["counts"] == counts(cancelled=1)
    assert (await shown(house, batch))["on_finished_job_id"] is not None


async def test_a_job_tried_again_makes_its_batch_live_again(house: House) -> None:
    batch = await submit(house, [MODERATE])
    [job_id] = await job_ids(house, batch)
    await house.run(job_id, FAILED)
    assert (await shown(house, batch))["finished_at"] is not None
    await house.client.post(f"/v1/jobs/{job_id}/retry")
    assert await shown(house, batch) == {**batch, "finished_at": None}
    await house.run(job_id, DONE)
    assert (await shown(house, batch))["counts"] == counts(succeeded=1)


@pytest.mark.parametrize("size", [1, 3, 4, 7])
async def test_results_are_the_jobs_as_they_stand_in_the_order_submitted(
    house: House, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(results, "_AT_ONCE", 3)
    batch = await submit(house, numbered(size))
    await submit(house, numbered(2))
    await house.run((await job_ids(house, batch))[-1], FAILED)
    answer = await house.client.get(f"/v1/batches/{batch['id']}/results")
    assert answer.headers["content-type"] == "application/x-ndjson"
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [(one["index"], one["metadata"]["n"]) for one in found] == [(n, str(n)) for n in range(size)]
    for one in found:
        alone = (await house.client.get(f"/v1/jobs/{one['id']}")).json()
        assert one == {"index": one["index"], **alone}
    assert (found[-1]["state"], found[-1]["error"]["attempts"][0]["code"]) == ("failed", "rejected")


async def test_batches_are_listed_newest_first(house: House) -> None:
    made = [await submit(house, numbered(size)) for size in (1, 2, 3)]
    page = await house.client.get("/v1/batches?limit=2")
    assert page.json()["items"] == made[:0:-1]
    link = page.headers["link"]
    assert 'rel="next"' in link
    rest = await house.client.get("/v1/batches", params={"limit": 2, "cursor": page.json()["next_cursor"]})
    assert (rest.json()["items"], rest.json()["next_cursor"]) == (made[:1], None)


async def test_a_body_that_breaks_off_accepts_nothing(house: House, address: str) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield lines(numbered(5))
        raise httpx.WriteError("gone")

    async with httpx.AsyncClient(headers={**house.client.headers, **NDJSON}) as client:
        with pytest.raises(httpx.WriteError):
            await client.post(f"{address}/v1/batches", content=half())
    assert await count(house, "jobs") == 0


async def test_a_batch_past_its_retention_is_gone_with_its_jobs(house: House, problem: Problem) -> None:
    batch = await submit(house, [MODERATE, MODERATE])
    path = f"/v1/batches/{batch['id']}"
    [first, _] = await job_ids(house, batch)
    assert (await house.client.post(f"{path}/cancel")).status_code == 200
    async with house.database.begin() as tx:
        for table in ("jobs", "batches"):
            await tx.execute(text(f"UPDATE {table} SET finished_at = finished_at - interval '31 days'"))  # noqa: S608 - a name of ours
        assert (await prune_jobs(tx, days=30, limit=10)).jobs == 2
        assert await prune_batches(tx, days=30, limit=10) == 1
    for answer in (
        await house.client.get(path),
        await house.client.get(f"{path}/results"),
        await house.client.post(f"{path}/cancel"),
    ):
        assert (answer.status_code, problem(answer)["code"]) == (410, "batch_gone")
    assert (await house.client.get(f"/v1/jobs/{first}")).status_code == 410
    assert (await house.stranger.get(path)).status_code == 404
