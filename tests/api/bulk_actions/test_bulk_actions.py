"""Bulk actions over HTTP: asked for, watched, aborted."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from domain.jobs.bulk import MOST_UNFINISHED
from domain.jobs.job import JobError
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from storage.retention import prune_bulk_actions
from tests.api.conftest import House, Problem

RETRY: dict[str, Any] = {"action": "retry", "filter": {"error_code": ["crashed"], "tag": "news"}}


async def ask(client: httpx.AsyncClient, **changes: object) -> dict[str, Any]:
    answer = await client.post("/v1/bulk-actions", json={**RETRY, **changes})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def test_an_action_is_accepted_and_found_where_it_says(house: House) -> None:
    answer = await house.client.post("/v1/bulk-actions", json=RETRY)
    action = answer.json()
    assert answer.headers["location"] == f"/v1/bulk-actions/{action['id']}"
    assert (action["state"], action["matched"], action["done"], action["skipped"]) == ("pending", 0, 0, 0)
    assert (action["rate_per_second"], action["dry_run"]) == (50, False)
    assert action["filter"] == {**RETRY["filter"], "state": ["cancelled", "expired", "failed"]}
    assert (await house.client.get(answer.headers["location"])).json() == action


async def test_an_action_says_where_to_go_and_when_to_ask_again_until_it_is_finished(house: House) -> None:
    answer = await house.client.post("/v1/bulk-actions", json=RETRY)
    links = answer.json()["links"]
    shown = await house.client.get(links["self"])
    assert (shown.status_code, shown.headers["retry-after"], answer.headers["retry-after"]) == (200, "1", "1")
    aborted = await house.client.post(links["abort"])
    assert (aborted.json()["state"], aborted.json()["links"]) == ("aborted", links)
    assert "retry-after" not in aborted.headers


async def test_actions_are_listed_newest_first_page_by_page(house: House) -> None:
    ids = [(await ask(house.client))["id"] for _ in range(3)]
    first = await house.client.get("/v1/bulk-actions?limit=2")
    second = await house.client.get(first.links["next"]["url"])
    listed = [action["id"] for page in (first, second) for action in page.json()["items"]]
    assert listed == ids[::-1]


async def test_a_tenant_has_no_more_than_a_hundred_unfinished(house: House, problem: Problem) -> None:
    ids = [(await ask(house.client))["id"] for _ in range(MOST_UNFINISHED)]
    refused = await house.client.post("/v1/bulk-actions", json=RETRY)
    assert (refused.status_code, problem(refused)["code"]) == (429, "bulk_actions_full")
    assert "retry-after" in refused.headers
    await house.client.post(f"/v1/bulk-actions/{ids[0]}/abort")
    await ask(house.client)


async def test_a_key_sent_again_makes_nothing_twice(house: House) -> None:
    answers = [
        await house.client.post("/v1/bulk-actions", json=RETRY, headers={"Idempotency-Key": "monday"}) for _ in range(2)
    ]
    assert answers[1].json() == answers[0].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert len((await house.client.get("/v1/bulk-actions")).json()["items"]) == 1


async def test_every_wrong_field_is_named(house: House, problem: Problem) -> None:
    body = {
        "action": "delete",
        "filter": {"state": ["gone"], "knd": "x", "q": "ab", "created_after": "2030-01-01T00:00:00"},
        "rate_per_second": 1001,
        "dryrun": True,
    }
    found = problem(await house.client.post("/v1/bulk-actions", json=body))
    assert (found["status"], found["code"]) == (422, "body_invalid")
    assert sorted(error["pointer"] for error in found["errors"]) == [
        *("/action", "/dryrun", "/filter/created_after", "/filter/knd", "/filter/q", "/filter/state/0"),
        "/rate_per_second",
    ]  # fmt: skip


@pytest.mark.parametrize("action", ["retry", "cancel"])
async def test_without_any_condition_nothing_is_done(house: House, problem: Problem, action: str) -> None:
    found = problem(await house.client.post("/v1/bulk-actions", json={"action": action, "filter": {}}))
    assert [error["pointer"] for error in found["errors"]] == ["/filter"]


async def test_states_that_an_action_moves_no_job_out_of_are_refused(house: House, problem: Problem) -> None:
    body = {"action": "cancel", "filter": {"state": ["queued", "succeeded", "failed"]}}
    found = problem(await house.client.post("/v1/bulk-actions", json=body))
    assert [error["pointer"] for error in found["errors"]] == ["/filter/state/1", "/filter/state/2"]


async def test_an_action_is_aborted_once_and_for_all(house: House) -> None:
    action = await ask(house.client)
    aborted = await house.client.post(f"/v1/bulk-actions/{action['id']}/abort")
    assert (aborted.status_code, aborted.json()["state"]) == (200, "aborted")
    assert aborted.json()["finished_at"] is not None
    assert (await house.client.post(f"/v1/bulk-actions/{action['id']}/abort")).json() == aborted.json()


async def test_another_tenants_action_is_not_there(house: House, problem: Problem) -> None:
    url = f"/v1/bulk-actions/{(await ask(house.client))['id']}"
    for answer in (await house.stranger.get(url), await house.stranger.post(f"{url}/abort")):
        assert (answer.status_code, problem(answer)["code"]) == (404, "bulk_action_not_found")
    assert (await house.stranger.get("/v1/bulk-actions")).json()["items"] == []
    assert (await house.client.get(url)).json()["state"] == "pending"
    assert (await house.client.get("/v1/bulk-actions/bulk_1")).status_code == 404


async def test_acting_takes_the_permission_to_manage_jobs(house: House, problem: Problem) -> None:
    house.client.headers["Authorization"] = f"Bearer {await house.key(permissions=['jobs:read', 'jobs:submit'])}"
    assert problem(await house.client.post("/v1/bulk-actions", json=RETRY))["status"] == 403


async def test_jobs_are_listed_by_the_code_of_their_error(house: House) -> None:
    ids: dict[str, str] = {}
    for code in ("crashed", "attempts_exhausted", "out_of_stock"):
        ids[code] = (await house.submit())["id"]
        error = JobError(code=code, title="No", detail="It did not work.", retryable=False)
        await house.run(ids[code], Verdict(state=State.FAILED, error=error))
    await house.submit()
    answer = await house.client.get("/v1/jobs?error_code=crashed&error_code=attempts_exhausted")
    assert [job["id"] for job in answer.json()["items"]] == [ids["attempts_exhausted"], ids["crashed"]]


async def test_an_action_past_its_retention_is_gone_for_its_tenant_alone(house: House, problem: Problem) -> None:
    url = f"/v1/bulk-actions/{(await ask(house.client))['id']}"
    assert (await house.client.post(f"{url}/abort")).status_code == 200
    async with house.database.begin() as tx:
        await tx.execute(text("UPDATE bulk_actions SET finished_at = finished_at - interval '31 days'"))
        assert await prune_bulk_actions(tx, days=30, limit=10) == 1
    for answer in (await house.client.get(url), await house.client.post(f"{url}/abort")):
        assert (answer.status_code, problem(answer)["code"]) == (410, "bulk_action_gone")
    assert (await house.stranger.get(url)).status_code == 404


async def test_one_state_and_one_code_may_stand_for_a_list(house: House) -> None:
    action = await ask(house.client, filter={"state": "failed", "error_code": "crashed"})
    assert action["filter"] == {"state": ["failed"], "error_code": ["crashed"]}
