"""POST /v1/jobs and the routes that stand for it."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from api.submissions import FORMS
from domain.catalog import KINDS, kind_named
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from storage.jobs import find_job
from tests.api.conftest import SUMMARIZE, House, Problem


async def test_a_job_is_accepted_as_the_contract_shows_it(house: House) -> None:
    answer = await house.client.post(
        "/v1/jobs", json={**SUMMARIZE, "priority": 7, "tags": ["news"], "metadata": {"ticket": "42"}}
    )
    assert answer.status_code == 202
    assert answer.headers["retry-after"] == "1"
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert re.fullmatch("job_[0-9a-f]{32}", job["id"])
    assert list(job) == [
        "id", "kind", "state", "queue", "priority", "tags", "metadata", "attempt", "max_attempts", "progress", "input",
        "result", "error", "usage", "created_at", "run_at", "started_at", "finished_at", "expires_at", "schedule_id",
        "batch_id", "parent_id", "links",
    ]  # fmt: skip
    assert (job["kind"], job["state"], job["queue"], job["attempt"]) == ("text.summarize", "queued", "text", 0)
    assert (job["priority"], job["tags"], job["metadata"]) == (7, ["news"], {"ticket": "42"})
    assert job["input"]["text"] == "A long story."
    assert job["created_at"].endswith("Z")
    assert job["links"]["events"] == f"http://headrace.test/v1/jobs/{job['id']}/events"
    assert (await house.client.get(answer.headers["location"])).json() == job


@pytest.mark.parametrize("name", sorted(FORMS))
async def test_the_example_of_every_kind_is_accepted(house: House, name: str) -> None:
    given = msgspec.to_builtins(kind_named(name).example)
    job = await house.submit(kind=name, input=given)
    assert job["queue"] == kind_named(name).queue


@pytest.mark.parametrize("name", [kind.name for kind in KINDS if kind.internal] + ["text.sumarize", "", None])
async def test_an_internal_or_unknown_kind_is_refused(house: House, problem: Problem, name: str | None) -> None:
    answer = await house.client.post("/v1/jobs", json={"kind": name, "input": {}})
    assert answer.status_code == 422
    assert problem(answer)["errors"][0]["pointer"] == "/kind"


async def test_every_failing_field_is_named(house: House, problem: Problem) -> None:
    answer = await house.client.post(
        "/v1/jobs",
        json={"kind": "text.summarize", "input": {"text": 5, "max_char": 3}, "priority": 101, "tags": [""], "uniqe": 1},
    )
    assert answer.status_code == 422
    pointers = {error["pointer"] for error in problem(answer)["errors"]}
    assert pointers == {"/input/text", "/input/max_char", "/priority", "/tags/0", "/uniqe"}


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"delay": "soon"}, "/delay"),
        ({"delay": "36501d"}, "/delay"),
        ({"timeout": "25h"}, "/timeout"),
        ({"timeout": "0s"}, "/timeout"),
        ({"expires_in": "0s"}, "/expires_in"),
        ({"max_attempts": 0}, "/max_attempts"),
        ({"run_at": "2030-01-01T00:00:00"}, "/run_at"),
        ({"run_at": "0001-01-01T00:00:00+23:59"}, "/run_at"),
        ({"run_at": "9999-12-31T23:59:59-23:59"}, "/run_at"),
        ({"run_at": "2030-01-01T00:00:00Z", "delay": "5s"}, "/delay"),
        ({"tags": ["x"] * 11}, "/tags"),
        ({"metadata": {"k" * 65: "v"}}, "/metadata/" + "k" * 65),
        ({"concurrency_key": ""}, "/concurrency_key"),
    ],
)
async def test_options_out_of_bounds_are_refused(
    house: House, problem: Problem, options: dict[str, Any], pointer: str
) -> None:
    answer = await house.client.post("/v1/jobs", json={**SUMMARIZE, **options})
    assert answer.status_code == 422
    assert pointer in {error["pointer"] for error in problem(answer)["errors"]}


async def test_a_delayed_job_waits_for_its_time(house: House) -> None:
    job = await house.submit(delay="1h30m", expires_in="2h", timeout="90s", max_attempts=3)
    created, due = (datetime.fromisoformat(job[name]) for name in ("created_at", "run_at"))
    assert job["state"] == "scheduled"
    assert due - created == timedelta(hours=1, minutes=30)
    assert job["max_attempts"] == 3
    async with house.database.read() as tx:
        stored = await find_job(tx, house.tenant_id, job["id"])
    assert stored is not None
    assert stored.timeout_seconds == 90


async def test_a_job_may_name_its_time(house: House) -> None:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    job = await house.submit(run_at=due.isoformat())
    assert (job["state"], datetime.fromisoformat(job["run_at"])) == ("scheduled", due)


async def test_the_request_and_the_trace_are_stored_with_the_job(house: House) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = await house.client.post(
        "/v1/jobs", json=SUMMARIZE, headers={"X-Request-Id": "ticket-42", "traceparent": trace}
    )
    async with house.database.read() as tx:
        stored = await find_job(tx, house.tenant_id, answer.json()["id"])
    assert stored is not None
    assert (stored.request_id, stored.traceparent) == ("ticket-42", trace)


async def test_without_the_permission_nothing_is_submitted(house: House, problem: Problem) -> None:
    key = await house.key(permissions=("jobs:read",))
    answer = await house.client.post("/v1/jobs", json=SUMMARIZE, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 403
    assert problem(answer)["code"] == "permission_missing"


async def test_nobody_orders_for_somebody_else_without_the_permission(house: House, problem: Problem) -> None:
    key = await house.key(permissions=("jobs:submit",))
    given = {"lines": [{"product_id": "product_" + "0" * 32, "quantity": 1}], "customer_id": "user_" + "0" * 32}
    answer = await house.client.post(
        "/v1/jobs", json={"kind": "orders.place", "input": given}, headers={"Authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 403
    assert problem(answer)["code"] == "permission_missing"


async def test_who_prefers_to_wait_gets_the_finished_job(house: House) -> None:
    waiting = asyncio.create_task(house.client.post("/v1/jobs", json=SUMMARIZE, headers={"Prefer": "wait=20"}))
    while not (listed := (await house.client.get("/v1/jobs")).json()["items"]):
        pass
    await house.run(listed[0]["id"], Verdict(state=State.SUCCEEDED, result=b'{"summary":"short"}'))
    answer = await waiting
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=20"
    assert "retry-after" not in answer.headers
    assert answer.json()["result"] == {"summary": "short"}


async def test_who_waited_in_vain_gets_the_unfinished_job(house: House) -> None:
    answer = await house.client.post("/v1/jobs", json=SUMMARIZE, headers={"Prefer": "respond-async, wait=1"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=1"


async def test_nobody_waits_for_a_process_that_is_stopping(house: House) -> None:
    house.draining.set()
    async with asyncio.timeout(5):
        answer = await house.client.post("/v1/jobs", json=SUMMARIZE, headers={"Prefer": "wait=60"})
    assert answer.status_code == 202


async def test_a_preference_that_is_none_is_ignored(house: House) -> None:
    for prefer in ("wait", "wait=", "wait=x", "await=5", "wait=-1", "wait=1.5", "\xff"):
        async with asyncio.timeout(5):
            answer = await house.client.post(
                "/v1/jobs", json=SUMMARIZE, headers=[(b"Prefer", prefer.encode("latin-1"))]
            )
        assert answer.status_code == 202
        assert "preference-applied" not in answer.headers, prefer


@pytest.mark.parametrize("route", ["summarize", "moderate", "classify", "generate"])
async def test_the_routes_of_text_take_the_input_itself_and_options_in_the_query(house: House, route: str) -> None:
    given = msgspec.to_builtins(kind_named(f"text.{route}").example)
    answer = await house.client.post(f"/v1/text/{route}?priority=5&delay=1m&tag=a&tag=b", json=given)
    assert answer.status_code == 202
    job = answer.json()
    assert job["kind"] == f"text.{route}"
    assert (job["priority"], job["tags"], job["state"]) == (5, ["a", "b"], "scheduled")


async def test_the_route_of_emails_takes_the_email_itself(house: House, problem: Problem) -> None:
    given = msgspec.to_builtins(kind_named("emails.send").example)
    answer = await house.client.post("/v1/emails", json=given)
    assert (answer.status_code, answer.json()["kind"]) == (202, "emails.send")
    answer = await house.client.post("/v1/emails", json={**given, "to": ["ada"]})
    assert answer.status_code == 422
    assert problem(answer)["errors"][0]["pointer"] == "/to/0"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"subject": "Hi\r\nBcc: x@y.example", "text": "T"}, {"subject": "A subject has no line breaks"}),
        ({"subject": "Hi", "text": "T", "cc": ["a@b.example", "a@192.0.2.1"]}, {"cc/1": "The domain is a name"}),
        ({}, {"subject": "Subject is needed, or a template.", "text": "Text or html is needed, or a template."}),
        ({"template": "welcome@9", "html": "H"}, {"html": "Html cannot stand", "template": "There is no template"}),
        ({"template": "welcome", "values": {"name": "A"}}, {"values": "The values of welcome are not right: "}),
    ],
)
async def test_what_makes_no_email_is_pointed_at_field_by_field(
    house: House, problem: Problem, given: dict[str, Any], told: dict[str, str]
) -> None:
    email = {"to": ["a@b.example"], **given}
    for path, body, place in (
        ("/v1/emails", email, ""),
        ("/v1/jobs", {"kind": "emails.send", "input": email}, "/input"),
        ("/v1/batches", {"jobs": [{"kind": "emails.send", "input": email}]}, "/jobs/0/input"),
    ):
        errors = problem(await house.client.post(path, json=body))["errors"]
        assert {one["pointer"] for one in errors} == {f"{place}/{field}" for field in told}
        for one in errors:
            assert one["detail"].startswith(told[one["pointer"].removeprefix(f"{place}/")])


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, {"/kind", "/input"}),
        ({"kind": "no.such", "priority": 101, "colour": 1}, {"/kind", "/input", "/priority", "/colour"}),
        ({"kind": ["a"], "input": {"text": 5}, "tags": [""], "unique": {}}, {"/kind", "/tags/0", "/unique/for"}),
    ],
)
async def test_a_kind_there_is_not_hides_nothing_else_that_is_wrong(
    house: House, problem: Problem, body: object, pointers: set[str]
) -> None:
    errors = problem(await house.client.post("/v1/jobs", json=body))["errors"]
    assert {one["pointer"] for one in errors} == pointers


async def test_a_field_there_is_not_is_told_of_the_kind_too(house: House, problem: Problem) -> None:
    [error] = problem(await house.client.post("/v1/jobs", json={**SUMMARIZE, "colour": 1}))["errors"]
    assert error["detail"].startswith("There is no such field. There are: kind, priority, ")


async def test_what_is_wrong_in_the_query_is_told_with_what_is_wrong_in_the_body(
    house: House, problem: Problem
) -> None:
    answer = await house.client.post("/v1/text/summarize?priority=101&tag=&max_attempts=x", json={"text": ""})
    assert problem(answer)["code"] == "body_invalid"
    assert [one["pointer"] for one in problem(answer)["errors"]] == [
        "/text", "query:priority", "query:tag", "query:max_attempts"
    ]  # fmt: skip


async def test_a_job_may_wait_for_a_day_in_a_far_year(house: House, problem: Problem) -> None:
    year = datetime.now(UTC).year
    answer = await house.client.post("/v1/jobs", json={**SUMMARIZE, "run_at": f"{year + 99}-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["state"]) == (202, "scheduled")
    assert (await house.client.post("/v1/jobs", json={**SUMMARIZE, "delay": "36500d"})).status_code == 202
    for late in ({"run_at": f"{year + 101}-01-01T00:00:00Z"}, {"delay": "36501d"}, {"expires_in": "36501d"}):
        answer = await house.client.post("/v1/jobs", json={**SUMMARIZE, **late})
        assert [f"/{name}" for name in late] == [one["pointer"] for one in problem(answer)["errors"]]


async def test_labels_alike_are_pointed_at(house: House, problem: Problem) -> None:
    answer = await house.client.post("/v1/text/classify", json={"text": "A", "labels": ["a", {"name": "a"}]})
    assert [tuple(one.values()) for one in problem(answer)["errors"]] == [
        ("/labels", "Labels must have distinct names.")
    ]


@pytest.mark.parametrize(
    "query",
    [
        "priority=101",
        "delay=soon",
        "tag=",
        "max_attempts=x",
        "run_at=tomorrow",
        "run_at=2030-01-01T00:00:00",
        "timeout=9d",
    ],
)
async def test_options_out_of_bounds_in_a_query_are_named(house: House, problem: Problem, query: str) -> None:
    answer = await house.client.post(f"/v1/text/summarize?{query}", json={"text": "A long story."})
    assert answer.status_code == 422
    assert problem(answer)["errors"][0]["pointer"].startswith(f"query:{query.partition('=')[0]}")


async def test_jobs_of_one_moment_are_committed_together_and_each_is_answered(house: House) -> None:
    answers = await asyncio.gather(*(house.client.post("/v1/jobs", json=SUMMARIZE) for _ in range(60)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 60
    metrics = (await house.client.get("/metrics")).text
    (batches,) = re.findall(r"^headrace_accept_batch_jobs_count (\S+)$", metrics, re.MULTILINE)
    assert float(batches) < 60
