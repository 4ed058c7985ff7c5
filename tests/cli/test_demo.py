from typing import Any

import msgspec

from tests.cli.conftest import Run
from tests.support.api_stand_in import ApiStandIn

JOB = "job_0198"
OTHER = "job_0199"


def answers_a_job(api: ApiStandIn, job_id: str, kind: str, state: str = "succeeded", **changes: Any) -> None:  # noqa: ANN401
    job = {"id": job_id, "kind": kind, "state": state, "created_at": "2026-11-23T06:00:00Z"}
    job |= {"finished_at": "2026-11-23T06:00:01.500Z", **changes}
    api.answers("POST", "/v1/jobs", {**job, "state": "queued"}, 202)
    api.streams(f"/v1/jobs/{job_id}/events", f"event: snapshot\nid: 1\ndata: {msgspec.json.encode(job).decode()}")
    api.answers("GET", f"/v1/jobs/{job_id}", job)


def has_kinds(api: ApiStandIn, *kinds: dict[str, Any]) -> None:
    api.answers("GET", "/v1/kinds", {"items": kinds, "next_cursor": None})


def test_every_public_kind_is_submitted_and_its_result_shown(api: ApiStandIn, run: Run) -> None:
    has_kinds(api, {"name": "emails.send"}, {"name": "webhooks.deliver"}, {"name": "text.secret", "internal": True})
    answers_a_job(api, JOB, "emails.send", result={"message_id": "<1@x>", "accepted": []})
    result = run("demo", "-o", "jsonl")
    assert result.exit_code == 0, result.stderr
    assert msgspec.json.decode(result.stdout) == {
        "kind": "emails.send",
        "job": JOB,
        "state": "succeeded",
        "seconds": 1.5,
        "result": "message id: <1@x>",
    }
    assert "All 1 jobs succeeded" in result.stderr


def test_a_kind_added_later_is_submitted_with_its_example(api: ApiStandIn, run: Run) -> None:
    has_kinds(api, {"name": "greetings.say", "example": {"name": "Ada"}})
    answers_a_job(api, JOB, "greetings.say", result={"greeting": "Hello Ada"})
    result = run("demo")
    assert result.exit_code == 0, result.stderr
    assert api.last("POST", "/v1/jobs").json()["input"] == {"name": "Ada"}
    assert '{"greeting":"Hello Ada"}' in result.stdout


def test_a_job_that_fails_is_named_with_its_reason(api: ApiStandIn, run: Run) -> None:
    has_kinds(api, {"name": "emails.send"})
    error = {"code": "mail_refused", "title": "Refused", "detail": "No relay for you."}
    answers_a_job(api, JOB, "emails.send", "failed", error=error)
    result = run("demo")
    assert result.exit_code == 1
    assert f"failed: emails.send: {JOB} (emails.send) failed: No relay for you (mail_refused)." in result.stderr
    assert result.stdout.splitlines()[1].split()[:2] == ["emails.send", "failed"]


def test_a_kind_nobody_can_show_makes_the_demo_fail(api: ApiStandIn, run: Run) -> None:
    has_kinds(api, {"name": "greetings.say"})
    result = run("demo")
    assert result.exit_code == 1
    assert "no example" in result.stderr


def test_an_order_is_placed_before_it_is_cancelled(api: ApiStandIn, run: Run) -> None:
    has_kinds(api, {"name": "orders.cancel"})
    products = [
        {"id": "product_dear", "price": {"amount": 900_000, "currency": "USD"}, "stock": 1},
        {"id": "product_gone", "price": {"amount": 1, "currency": "USD"}, "stock": 0},
        {"id": "product_fair", "price": {"amount": 500, "currency": "USD"}, "stock": 3},
    ]
    api.answers("GET", "/v1/products", {"items": products, "next_cursor": None})
    api.answers("POST", "/v1/customers/me/deposits", {}, 201)
    answers_a_job(api, JOB, "orders.place", result={"order_id": "order_1", "status": "paid"})
    answers_a_job(api, OTHER, "orders.cancel", result={"order_id": "order_1", "status": "cancelled"})
    result = run("demo")
    assert result.exit_code == 0, result.stderr
    asked = [each.json() for each in api.asked if each.path == "/v1/jobs"]
    assert [each["input"] for each in asked] == [
        {"lines": [{"product_id": "product_fair", "quantity": 1}]},
        {"order_id": "order_1"},
    ]


def test_a_schedule_is_triggered_and_its_job_followed(api: ApiStandIn, run: Run) -> None:
    has_kinds(api)
    api.answers("GET", "/v1/schedules", {"items": [{"id": "sched_1", "name": "digest"}], "next_cursor": None})
    answers_a_job(api, JOB, "emails.send", result={"message_id": "<1@x>"})
    api.answers("POST", "/v1/schedules/sched_1/trigger", {"job_id": JOB}, 202)
    result = run("demo")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[1].startswith("emails.send (schedule digest)  succeeded")


def test_an_address_that_was_named_is_not_replaced_by_another(run: Run) -> None:
    result = run("demo", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "No Headrace answers at http://127.0.0.1:9" in result.stderr
