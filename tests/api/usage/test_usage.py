"""GET /v1/usage, and budgets: told, checked when jobs are accepted, and shown."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from api.spent import Spent
from domain.accounts.permissions import Role
from domain.text.budget import BudgetExhausted
from storage.usage import Booking, book_usage
from tests.api.conftest import SUMMARIZE, House, Problem

SOON = 5.0  # an upper bound; what is waited for comes within milliseconds
TODAY = datetime.now(UTC).date()


async def book(house: House, kind: str, model: str = "m", tokens: int = 100) -> None:
    booking = Booking(engine="gemini", model=model, prompt_tokens=tokens, output_tokens=10, cost_micros=7)
    async with house.database.begin() as tx:
        await book_usage(tx, house.tenant_id, kind, booking)


async def test_what_was_used_is_told_by_day_and_kind_and_as_asked(house: House) -> None:
    for kind, model in (("text.summarize", "m"), ("text.summarize", "n"), ("chat.reply", "m")):
        await book(house, kind, model)
    found = (await house.client.get("/v1/usage")).json()
    assert (found["first"], found["last"]) == (str(TODAY - timedelta(days=29)), str(TODAY))
    assert [(one["day"], one["kind"], one["model"], one["calls"]) for one in found["items"]] == [
        (str(TODAY), "chat.reply", None, 1),
        (str(TODAY), "text.summarize", None, 2),
    ]
    assert (found["total"]["tokens"], found["total"]["cost_micros"], found["currency"]) == (330, 21, "USD")
    by_model = (await house.client.get("/v1/usage?by=tenant,model&kind=text.summarize")).json()
    assert [(one["tenant_id"], one["model"], one["kind"]) for one in by_model["items"]] == [
        (house.tenant_id, "m", None),
        (house.tenant_id, "n", None),
    ]
    before = (await house.client.get("/v1/usage?from=2020-01-01&to=2020-02-01")).json()
    assert (before["items"], before["total"]["calls"]) == ([], 0)
    assert (await house.stranger.get("/v1/usage")).json()["items"] == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("by=colour", "query:by"),
        ("from=2026-01-02&to=2026-01-01", "query:from"),
        ("from=2020-01-01&to=2026-01-01", "query:from"),
        ("from=yesterday", "query:from"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    house: House, problem: Problem, query: str, pointer: str
) -> None:
    answer = await house.client.get(f"/v1/usage?{query}")
    assert answer.status_code == 422
    assert [error["pointer"] for error in problem(answer)["errors"]] == [pointer]


async def test_a_budget_of_nothing_refuses_no_job_where_every_engine_is_free(house: House) -> None:
    answer = await house.client.put("/v1/budgets", json={"budgets": [{"tokens": 0}]})
    assert answer.status_code == 200, answer.text
    await Spent(house.database, is_costly=False).demand(house.tenant_id, ["text.summarize"])
    with pytest.raises(BudgetExhausted):
        await Spent(house.database).demand(house.tenant_id, ["text.summarize"])


async def test_who_had_no_budget_waits_for_nobody_and_one_that_was_set_elsewhere_is_found_behind(house: House) -> None:
    time = 0.0
    spent = Spent(house.database, clock=lambda: time)
    await spent.demand(house.tenant_id, ["text.summarize"])
    await house.client.put("/v1/budgets", json={"budgets": [{"tokens": 0}]})
    time = 59.0
    await spent.demand(house.tenant_id, ["text.summarize"])

    async def pass_until_refused() -> None:
        while True:
            await spent.demand(house.tenant_id, ["text.summarize"])
            await asyncio.sleep(0.01)

    with pytest.raises(BudgetExhausted):
        await asyncio.wait_for(pass_until_refused(), SOON)


async def test_what_is_asked_behind_is_asked_no_more_when_the_api_ends(house: House) -> None:
    time = 0.0
    spent = Spent(house.database, clock=lambda: time)
    await spent.demand(house.tenant_id, ["text.summarize"])
    time = 2.0
    await spent.demand(house.tenant_id, ["text.summarize"])
    await spent.aclose()
    assert not [task for task in asyncio.all_tasks() if "Spent._ask" in repr(task)]


async def test_after_a_minute_it_is_asked_again_whether_there_is_a_budget(house: House) -> None:
    time = 0.0
    spent = Spent(house.database, clock=lambda: time)
    await spent.demand(house.tenant_id, ["text.summarize"])
    await house.client.put("/v1/budgets", json={"budgets": [{"tokens": 0}]})
    time = 61.0
    with pytest.raises(BudgetExhausted):
        await spent.demand(house.tenant_id, ["text.summarize"])


async def test_a_budget_used_up_refuses_jobs_of_its_kind_until_the_days_end(house: House, problem: Problem) -> None:
    told = {"budgets": [{"kind": "text.summarize", "tokens": 110}, {"cost_micros": 1_000}]}
    answer = await house.client.put("/v1/budgets", json=told)
    assert answer.status_code == 200, answer.text
    assert (await house.client.post("/v1/jobs", json=SUMMARIZE)).status_code == 202
    await book(house, "text.summarize")
    shown = (await house.client.put("/v1/budgets", json=told)).json()  # it is asked anew
    assert [(one["kind"], one["used_tokens"], one["used_cost_micros"]) for one in shown["budgets"]] == [
        (None, 110, 7),
        ("text.summarize", 110, 7),
    ]
    for path, body in (
        ("/v1/jobs", SUMMARIZE),
        ("/v1/text/summarize", SUMMARIZE["input"]),
        ("/v1/batches", {"jobs": [SUMMARIZE]}),
    ):
        refused = await house.client.post(path, json=body)
        said = problem(refused)
        assert (refused.status_code, said["code"], said["retryable"]) == (429, "budget_exhausted", True), path
        assert 0 < int(refused.headers["retry-after"]) <= 86_400
    moderate = {"kind": "text.moderate", "input": {"text": "Hello."}}
    assert (await house.client.post("/v1/jobs", json=moderate)).status_code == 202
    assert (await house.client.put("/v1/budgets", json={"budgets": []})).json()["budgets"] == []
    assert (await house.client.post("/v1/jobs", json=SUMMARIZE)).status_code == 202


async def test_a_budget_that_makes_no_sense_is_refused_field_by_field(house: House, problem: Problem) -> None:
    told = {"budgets": [{"kind": "orders.place", "tokens": 1}, {"kind": None}, {"tokens": 1}]}
    answer = await house.client.put("/v1/budgets", json=told)
    assert answer.status_code == 422
    assert [error["pointer"] for error in problem(answer)["errors"]] == [
        "/budgets/0/kind",
        "/budgets/1",
        "/budgets/2/kind",
    ]
    for body, pointer in (({"budgets": [{"tokens": -1}]}, "/budgets/0/tokens"), ({}, "/budgets")):
        wrong = await house.client.put("/v1/budgets", json=body)
        assert [error["pointer"] for error in problem(wrong)["errors"]] == [pointer]


async def test_who_may_not_set_budgets_does_not(house: House) -> None:
    operator = await house.person(Role.OPERATOR)
    answer = await house.as_(operator.key, "PUT", "/v1/budgets", {"budgets": []})
    assert answer.status_code == 403
    assert (await house.as_(operator.key, "GET", "/v1/budgets")).status_code == 200


async def test_who_asks_again_is_answered_though_the_budget_is_used_up(house: House) -> None:
    keyed = {"Idempotency-Key": "monday"}
    first = await house.client.post("/v1/jobs", json=SUMMARIZE, headers=keyed)
    batch = await house.client.post("/v1/batches", json={"jobs": [SUMMARIZE]}, headers=keyed)
    await book(house, "text.summarize")
    await house.client.put("/v1/budgets", json={"budgets": [{"tokens": 1}]})
    again = await house.client.post("/v1/jobs", json=SUMMARIZE, headers=keyed)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    again = await house.client.post("/v1/batches", json={"jobs": [SUMMARIZE]}, headers=keyed)
    assert (again.status_code, again.json()["id"]) == (202, batch.json()["id"])
    assert (await house.client.post("/v1/jobs", json=SUMMARIZE)).status_code == 429
