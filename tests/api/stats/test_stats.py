"""GET /v1/stats: how many, how long, and why not."""

import pytest
from sqlalchemy import text

from domain.jobs.job import JobError
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from tests.api.conftest import House, Problem

DONE = Verdict(state=State.SUCCEEDED, result=b'{"summary":"short"}')


def failed(code: str) -> Verdict:
    return Verdict(state=State.FAILED, error=JobError(code=code, title="No", detail="No."))


async def test_a_tenant_without_jobs_has_nothing_to_count(house: House) -> None:
    nothing = {"p50": None, "p95": None}
    assert (await house.client.get("/v1/stats")).json() == {
        "window": "24h", "total": 0, "states": {}, "wait_seconds": nothing, "run_seconds": nothing, "kinds": [],
        "failures": [],
    }  # fmt: skip


async def test_jobs_are_counted_and_timed_by_kind(house: House) -> None:
    for verdict in (DONE, failed("ai_blocked"), failed("ai_blocked"), failed("rejected")):
        job = await house.submit()
        await house.run(job["id"], verdict)
    await house.submit(kind="text.moderate", delay="1h")
    async with house.database.begin() as tx:
        # the n-th waited n seconds, and ran ten times as long
        await tx.execute(text("""
            UPDATE jobs SET started_at = run_at + make_interval(secs => n), finished_at = run_at + make_interval(secs => 11 * n)
            FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM jobs) AS numbered
            WHERE numbered.id = jobs.id AND started_at IS NOT NULL
        """))  # fmt: skip # noqa: E501
    found = (await house.client.get("/v1/stats?window=1h")).json()
    assert (found["window"], found["total"]) == ("1h", 5)
    assert found["states"] == {"failed": 3, "scheduled": 1, "succeeded": 1}
    assert found["failures"] == [{"code": "ai_blocked", "count": 2}, {"code": "rejected", "count": 1}]
    assert found["wait_seconds"] == {"p50": 2.5, "p95": 3.85}
    assert found["run_seconds"] == {"p50": 25.0, "p95": 38.5}
    moderate, summarize = found["kinds"]
    assert moderate == {
        "kind": "text.moderate", "total": 1, "states": {"scheduled": 1},
        "wait_seconds": {"p50": None, "p95": None}, "run_seconds": {"p50": None, "p95": None},
    }  # fmt: skip
    assert (summarize["kind"], summarize["total"], summarize["states"]) == (
        "text.summarize", 4, {"failed": 3, "succeeded": 1},
    )  # fmt: skip
    assert summarize["run_seconds"] == found["run_seconds"]


async def test_the_window_says_how_far_back(house: House) -> None:
    for age in ("30 minutes", "2 hours", "2 days", "8 days"):
        job = await house.submit()
        async with house.database.begin() as tx:
            aged = "UPDATE jobs SET created_at = now() - CAST(:age AS interval) WHERE id = :id"
            await tx.execute(text(aged), {"age": age, "id": job["id"]})
    totals = [(await house.client.get(f"/v1/stats?window={window}")).json()["total"] for window in ("1h", "24h", "7d")]
    assert totals == [1, 2, 3]
    assert (await house.stranger.get("/v1/stats?window=7d")).json()["total"] == 0


@pytest.mark.parametrize("query", ["window=2h", "windw=1h"])
async def test_another_window_is_refused(house: House, problem: Problem, query: str) -> None:
    answer = await house.client.get(f"/v1/stats?{query}")
    assert (answer.status_code, problem(answer)["errors"][0]["pointer"]) == (422, f"query:{query.partition('=')[0]}")


async def test_numbers_take_the_permission(house: House, problem: Problem) -> None:
    key = await house.key(permissions=("jobs:read",))
    answer = await house.client.get("/v1/stats", headers={"Authorization": f"Bearer {key}"})
    assert (answer.status_code, problem(answer)["code"]) == (403, "permission_missing")
