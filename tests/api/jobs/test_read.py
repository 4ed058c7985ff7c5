"""Reading jobs: one, its result, its attempts, and lists page by page."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from domain.jobs.job import JobError
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from storage.retention import prune_jobs
from tests.api.conftest import House, Problem

DONE = Verdict(state=State.SUCCEEDED, result=b'{ "summary" : "short" }', usage=b'{"tokens":3}')
BROKEN = JobError(code="ai_unavailable", title="Down", detail="It is down.", retryable=True)

READS = ["", "/result", "/attempts", "/events"]
CHANGES = ["/cancel", "/retry"]


async def test_a_finished_job_shows_its_result_as_the_handler_gave_it(house: House) -> None:
    job = await house.submit()
    await house.run(job["id"], DONE)
    answer = await house.client.get(f"/v1/jobs/{job['id']}")
    assert answer.status_code == 200
    assert b'"result":{ "summary" : "short" }' in answer.content
    found = answer.json()
    assert (found["state"], found["attempt"], found["progress"]) == ("succeeded", 1, 1.0)
    assert found["usage"] == {"tokens": 3}
    assert found["started_at"] <= found["finished_at"]
    assert "retry-after" not in answer.headers


async def test_an_error_tells_its_attempts(house: House) -> None:
    job = await house.submit(max_attempts=2)
    again = Verdict(state=State.SCHEDULED, error=BROKEN, delay=timedelta(hours=1))
    await house.run(job["id"], again)
    found = (await house.client.get(f"/v1/jobs/{job['id']}")).json()
    assert found["state"] == "scheduled"
    error = found["error"]
    assert (error["code"], error["title"], error["retryable"]) == ("ai_unavailable", "Down", True)
    (attempt,) = error["attempts"]
    assert (attempt["attempt"], attempt["code"], attempt["detail"]) == (1, "ai_unavailable", "It is down.")
    assert attempt["at"].endswith("Z")
    listed = (await house.client.get("/v1/jobs")).json()["items"]
    assert listed[0]["error"] == error


async def test_an_unchanged_job_is_not_sent_again(house: House) -> None:
    job = await house.submit()
    path = f"/v1/jobs/{job['id']}"
    first = await house.client.get(path)
    assert first.headers["retry-after"] == "1"
    for header in (first.headers["etag"], f'"x", W/{first.headers["etag"]}', "*"):
        again = await house.client.get(path, headers={"If-None-Match": header})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    await house.claim(job["id"])
    changed = await house.client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, changed.json()["state"]) == (200, "running")


async def test_an_unchanged_result_is_not_sent_again(house: House) -> None:
    job = await house.submit()
    await house.run(job["id"], DONE)
    path = f"/v1/jobs/{job['id']}/result"
    first = await house.client.get(path)
    again = await house.client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (await house.client.get(path, headers={"If-None-Match": '"0"'})).json() == first.json()


async def test_a_header_in_several_lines_is_one_list(house: House) -> None:
    path = f"/v1/jobs/{(await house.submit())['id']}"
    waited = await house.client.get(path, headers=[("Prefer", "respond-async"), ("Prefer", "wait=0")])
    assert (waited.status_code, waited.headers.get("preference-applied")) == (202, "wait=0")
    tags = [("If-None-Match", '"x"'), ("If-None-Match", waited.headers["etag"])]
    assert (await house.client.get(path, headers=tags)).status_code == 304


async def test_who_prefers_to_wait_is_answered_when_the_job_ends(house: House) -> None:
    job = await house.submit()
    lease = await house.claim(job["id"])
    waiting = asyncio.create_task(house.client.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=20"}))
    await asyncio.sleep(0)
    await house.settle(job["id"], lease, DONE)
    answer = await waiting
    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")
    assert answer.headers["preference-applied"] == "wait=20"


async def test_who_waits_for_a_finished_job_is_answered_at_once(house: House) -> None:
    job = await house.submit()
    await house.run(job["id"], DONE)
    async with asyncio.timeout(5):
        answer = await house.client.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=60"})
    assert answer.status_code == 200


async def test_who_waited_in_vain_reads_202(house: House) -> None:
    job = await house.submit()
    answer = await house.client.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=0"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=0")


async def test_the_result_alone(house: House, problem: Problem) -> None:
    job = await house.submit()
    path = f"/v1/jobs/{job['id']}/result"
    early = await house.client.get(path)
    assert (early.status_code, problem(early)["code"]) == (409, "job_unfinished")
    assert problem(early)["detail"] == "The job is queued."
    await house.run(job["id"], DONE)
    late = await house.client.get(path)
    assert (late.status_code, late.content) == (200, b'{ "summary" : "short" }')
    assert late.headers["content-type"] == "application/json"


async def test_a_failed_job_has_no_result(house: House, problem: Problem) -> None:
    job = await house.submit()
    await house.run(job["id"], Verdict(state=State.FAILED, error=BROKEN))
    answer = await house.client.get(f"/v1/jobs/{job['id']}/result")
    assert (answer.status_code, problem(answer)["code"]) == (409, "job_without_result")


async def test_every_attempt_is_told(house: House) -> None:
    job = await house.submit()
    await house.run(job["id"], Verdict(state=State.QUEUED, error=BROKEN))
    await house.run(job["id"], DONE)
    attempts = (await house.client.get(f"/v1/jobs/{job['id']}/attempts")).json()["items"]
    assert [(one["attempt"], one["outcome"], one["code"], one["worker"]) for one in attempts] == [
        (1, "queued", "ai_unavailable", "worker-1"),
        (2, "succeeded", None, "worker-1"),
    ]


NO_IDS = ["job_" + "0" * 32, "job_x", "order_" + "0" * 32, "x" * 5000, "%C3%A9", "job_%2e%2e", "*"]


@pytest.mark.parametrize("path", READS)
async def test_what_is_no_job_is_not_found(house: House, problem: Problem, path: str) -> None:
    for job_id in NO_IDS:
        answer = await house.client.get(f"/v1/jobs/{job_id}{path}")
        assert (answer.status_code, problem(answer)["code"]) == (404, "job_not_found"), job_id


@pytest.mark.parametrize("path", READS)
async def test_another_tenants_job_reads_as_if_it_were_not(house: House, problem: Problem, path: str) -> None:
    job = await house.submit()
    foreign = problem(await house.stranger.get(f"/v1/jobs/{job['id']}{path}"))
    missing = problem(await house.stranger.get(f"/v1/jobs/job_{'0' * 32}{path}"))
    assert foreign["status"] == 404
    assert (foreign["code"], foreign["detail"]) == (missing["code"], missing["detail"])


@pytest.mark.parametrize("path", READS)
async def test_reading_takes_the_permission(house: House, problem: Problem, path: str) -> None:
    key = await house.key(permissions=("jobs:submit",))
    job = await house.submit()
    answer = await house.client.get(f"/v1/jobs/{job['id']}{path}", headers={"Authorization": f"Bearer {key}"})
    assert (answer.status_code, problem(answer)["code"]) == (403, "permission_missing")


async def test_a_list_is_read_page_by_page_newest_first(house: House) -> None:
    ids = [(await house.submit())["id"] for _ in range(5)]
    seen: list[str] = []
    url = "/v1/jobs?limit=2"
    while url:
        answer = await house.client.get(url)
        page = answer.json()
        seen += [job["id"] for job in page["items"]]
        url = answer.links.get("next", {}).get("url", "")
        assert bool(url) == (page["next_cursor"] is not None)
    assert seen == ids[::-1]


async def test_a_list_shows_nothing_of_other_tenants(house: House) -> None:
    await house.submit()
    assert (await house.stranger.get("/v1/jobs")).json() == {"items": [], "next_cursor": None}


async def test_a_list_is_narrowed_by_its_filters_and_keeps_them_on_the_next_page(house: House) -> None:
    waiting = await house.submit(delay="1h", tags=["a b&c"])
    running = await house.submit(kind="text.moderate", input={"text": "Well?"})
    await house.claim(running["id"])

    async def listed(query: str) -> list[str]:
        answer = await house.client.get(f"/v1/jobs?{query}")
        assert answer.status_code == 200, answer.text
        return [job["id"] for job in answer.json()["items"]]

    both = [running["id"], waiting["id"]]
    assert await listed("state=scheduled") == both[1:]
    assert await listed("state=scheduled&state=running") == both
    assert await listed("kind=text.moderate") == both[:1]
    assert await listed("queue=text") == both
    assert await listed("tag=a%20b%26c") == both[1:]
    assert await listed("batch_id=batch_1") == []
    assert await listed("schedule_id=sched_1") == []
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert await listed(f"created_after={tomorrow}") == []
    assert await listed(f"created_before={tomorrow}") == both
    answer = await house.client.get("/v1/jobs?queue=text&limit=1")
    assert "queue=text" in answer.links["next"]["url"]


NO_PARAMETERS = [
    "limit=0",
    "limit=201",
    "limit=x",
    "limit=" + "9" * 30,
    "state=done",
    "cursor=x",
    "cursor=" + "A" * 48,
    "cursor=%C3%A9",
    "created_after=yesterday",
    "created_after=2026-01-01T00:00:00",
    "kind=" + "x" * 201,
]


async def test_a_parameter_out_of_bounds_is_named(house: House, problem: Problem) -> None:
    for query in NO_PARAMETERS:
        answer = await house.client.get(f"/v1/jobs?{query}")
        assert answer.status_code == 422, query
        assert problem(answer)["errors"][0]["pointer"] == f"query:{query.partition('=')[0]}"


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59"])
async def test_the_ends_of_time_are_times(house: House, when: str) -> None:
    answer = await house.client.get(f"/v1/jobs?created_after={when}")
    assert answer.status_code == 200


@pytest.mark.parametrize("path", READS)
async def test_a_job_past_its_retention_is_gone_and_the_day_is_told(house: House, problem: Problem, path: str) -> None:
    job = await house.submit()
    await house.run(job["id"], DONE)
    day = await prune_all(house)
    answer = await house.client.get(f"/v1/jobs/{job['id']}{path}")
    told = problem(answer)
    assert (answer.status_code, told["code"], told["retryable"]) == (410, "job_gone", False)
    assert day in told["detail"]


@pytest.mark.parametrize("path", CHANGES)
async def test_a_job_past_its_retention_cannot_be_moved(house: House, problem: Problem, path: str) -> None:
    job = await house.submit()
    await house.run(job["id"], Verdict(state=State.FAILED, error=BROKEN))
    await prune_all(house)
    answer = await house.client.post(f"/v1/jobs/{job['id']}{path}")
    assert (answer.status_code, problem(answer)["code"]) == (410, "job_gone")


async def test_another_tenants_pruned_job_reads_as_if_it_had_never_been(house: House, problem: Problem) -> None:
    job = await house.submit()
    await house.run(job["id"], DONE)
    await prune_all(house)
    answer = await house.stranger.get(f"/v1/jobs/{job['id']}")
    assert (answer.status_code, problem(answer)["code"]) == (404, "job_not_found")


async def prune_all(house: House) -> str:
    """Everything that has ended is past its retention, and pruned; answers with the day."""
    async with house.database.begin() as tx:
        await tx.execute(text("UPDATE jobs SET finished_at = finished_at - interval '31 days'"))
        assert (await prune_jobs(tx, days=30, limit=10)).jobs == 1
        day: str = (await tx.execute(text("SELECT to_char(now(), 'YYYY-MM-DD')"))).scalar_one()
    return day
