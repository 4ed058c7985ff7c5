"""Cancelling a job, and queueing it again."""

import asyncio

import pytest

from domain.jobs.job import JobError
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from runtime.wakeups import Wakeups
from tests.api.conftest import House, Problem

FAILED = Verdict(state=State.FAILED, error=JobError(code="rejected", title="No", detail="Not this one."))


async def test_a_waiting_job_is_cancelled_at_once_and_again_without_harm(house: House) -> None:
    job = await house.submit()
    for _ in range(2):
        answer = await house.client.post(f"/v1/jobs/{job['id']}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")


async def test_the_worker_of_a_running_job_is_told_to_stop(house: House) -> None:
    job = await house.submit()
    lease = await house.claim(job["id"])
    worker = asyncio.create_task(_hear_cancelled(house.wakeups, job["id"]))
    while not worker.done():
        answer = await house.client.post(f"/v1/jobs/{job['id']}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (202, "running")
    await worker
    await house.settle(job["id"], lease, Verdict(state=State.CANCELLED))
    answer = await house.client.post(f"/v1/jobs/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")


async def test_a_job_finished_otherwise_cannot_be_cancelled(house: House, problem: Problem) -> None:
    job = await house.submit()
    await house.run(job["id"], Verdict(state=State.SUCCEEDED, result=b"{}"))
    answer = await house.client.post(f"/v1/jobs/{job['id']}/cancel")
    assert (answer.status_code, problem(answer)["code"]) == (409, "job_finished")


@pytest.mark.parametrize("verdict", [FAILED, None])
async def test_a_job_at_its_end_is_queued_again_with_fresh_attempts(house: House, verdict: Verdict | None) -> None:
    job = await house.submit()
    if verdict is None:
        await house.client.post(f"/v1/jobs/{job['id']}/cancel")
    else:
        await house.run(job["id"], verdict)
    async with house.wakeups.listen_relay() as news:
        assert await news.wait(5)
        answer = await house.client.post(f"/v1/jobs/{job['id']}/retry")
        assert await news.wait(5)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    again = answer.json()
    assert (again["state"], again["attempt"], again["error"], again["finished_at"]) == ("queued", 0, None, None)


@pytest.mark.parametrize("state", ["queued", "succeeded"])
async def test_a_job_that_lives_or_succeeded_is_not_queued_again(house: House, problem: Problem, state: str) -> None:
    job = await house.submit()
    if state == "succeeded":
        await house.run(job["id"], Verdict(state=State.SUCCEEDED, result=b"{}"))
    answer = await house.client.post(f"/v1/jobs/{job['id']}/retry")
    assert (answer.status_code, problem(answer)["code"]) == (409, "job_not_retryable")


@pytest.mark.parametrize("change", ["cancel", "retry"])
async def test_another_tenants_job_is_not_touched(house: House, problem: Problem, change: str) -> None:
    job = await house.submit()
    await house.run(job["id"], FAILED)
    for job_id in (job["id"], "job_" + "0" * 32, "job_x"):
        answer = await house.stranger.post(f"/v1/jobs/{job_id}/{change}")
        assert (answer.status_code, problem(answer)["code"]) == (404, "job_not_found")
    assert (await house.client.get(f"/v1/jobs/{job['id']}")).json()["state"] == "failed"


@pytest.mark.parametrize("change", ["cancel", "retry"])
async def test_changing_takes_the_permission(house: House, problem: Problem, change: str) -> None:
    job = await house.submit()
    key = await house.key(permissions=("jobs:submit", "jobs:read"))
    answer = await house.client.post(f"/v1/jobs/{job['id']}/{change}", headers={"Authorization": f"Bearer {key}"})
    assert (answer.status_code, problem(answer)["code"]) == (403, "permission_missing")


async def _hear_cancelled(wakeups: Wakeups, job_id: str) -> None:
    async for ids in wakeups.listen_cancelled():
        if job_id in ids:
            return
