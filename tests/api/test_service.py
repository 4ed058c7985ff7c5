"""Health, figures, kinds, queues, workers: what the platform says of itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import text

from api.app import make_app
from api.bodies import decode_body
from api.submissions import AnySubmission
from domain.accounts.api_key import make_key
from domain.catalog import KINDS
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from domain.text.breaker import EngineStanding
from runtime.settings import Settings
from runtime.wakeups import open_wakeups
from storage.database import open_database
from storage.workers import WorkerReport, report_worker
from tests.api.conftest import SUMMARIZE, House, Problem


@pytest.fixture
async def cut_off() -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API whose Postgres and Redis are both gone."""
    database = open_database("postgresql://nobody@/none?host=/nowhere", name="test")
    wakeups = open_wakeups("unix:///nowhere/s.sock")
    app = make_app(database, wakeups, Settings())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://headrace.test") as client:
        yield client
    await wakeups.close()
    await database.close()


async def test_a_process_that_answers_lives(house: House) -> None:
    answer = await house.client.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


async def test_it_is_ready_when_its_dependencies_are_and_names_them(house: House) -> None:
    answer = await house.client.get("/health/ready")
    found = answer.json()
    assert (answer.status_code, found["status"]) == (200, "ready")
    assert {name: check["status"] for name, check in found["checks"].items()} == {"postgres": "up", "redis": "up"}


async def test_without_redis_it_is_degraded_and_takes_jobs(house: House) -> None:
    wakeups = open_wakeups("unix:///nowhere/s.sock")
    app = make_app(house.database, wakeups, house.settings)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://headrace.test", headers=house.client.headers
    ) as client:
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert ready.json()["checks"]["redis"]["status"] == "down"
        async with asyncio.timeout(5):
            submitted = await client.post("/v1/jobs", json=SUMMARIZE)
            assert submitted.status_code == 202
            waited = await client.post("/v1/jobs", json=SUMMARIZE, headers={"Prefer": "wait=1"})
            assert waited.status_code == 202
            cancelled = await client.post(f"/v1/jobs/{submitted.json()['id']}/cancel")
            assert cancelled.status_code == 200
    await wakeups.close()


async def test_without_postgres_it_is_not_ready_and_says_so(cut_off: httpx.AsyncClient, problem: Problem) -> None:
    answer = await cut_off.get("/health/ready")
    found = problem(answer)
    assert (answer.status_code, found["code"]) == (503, "not_ready")
    assert found["checks"]["postgres"]["status"] == "down"


async def test_without_postgres_a_job_is_refused_for_now(cut_off: httpx.AsyncClient, problem: Problem) -> None:
    key = make_key(bytes(range(40)))
    answer = await cut_off.post("/v1/jobs", json=SUMMARIZE, headers={"Authorization": f"Bearer {key}"})
    assert (answer.status_code, problem(answer)["code"]) == (503, "database_unavailable")
    assert problem(answer)["retryable"]
    assert (await cut_off.get("/metrics")).status_code == 200


async def test_a_stopping_process_is_not_ready(house: House, problem: Problem) -> None:
    house.draining.set()
    answer = await house.client.get("/health/ready")
    assert (answer.status_code, problem(answer)["code"]) == (503, "not_ready")


async def test_the_figures_count_by_route_and_show_live_jobs(house: House) -> None:
    job = await house.submit()
    await house.client.get(f"/v1/jobs/{job['id']}")
    await house.client.get("/v1/nowhere/1")
    await house.client.get("/v1/nowhere/2")
    answer = await house.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    name = "headrace_http_request_duration_seconds_count"
    assert f'{name}{{method="GET",route="/v1/jobs/{{job_id}}",status="200"}} 1.0' in lines
    assert f'{name}{{method="",route="unrouted",status="404"}} 2.0' in lines
    assert 'headrace_jobs_live{queue="text",state="queued"} 1.0' in lines
    assert "headrace_accept_batch_jobs_count 1.0" in lines
    assert job["id"] not in answer.text


async def test_every_kind_is_told_with_schemas_and_an_example_that_passes(house: House) -> None:
    kinds = {kind["name"]: kind for kind in (await house.client.get("/v1/kinds")).json()["items"]}
    assert kinds.keys() == {kind.name for kind in KINDS}
    for name, kind in kinds.items():
        assert kind["input_schema"]["$defs"]
        assert kind["result_schema"]
        if not kind["internal"]:
            decode_body(msgspec.json.encode({"kind": name, "input": kind["example"]}), AnySubmission)
    assert kinds["text.summarize"]["queue"] == "text"
    assert kinds["text.summarize"]["timeout"] == "60s"


async def test_queues_tell_what_waits_and_runs(house: House) -> None:
    first, _, _ = [await house.submit() for _ in range(2)] + [await house.submit(delay="1h")]
    await house.claim(first["id"])
    queues = {queue["name"]: queue for queue in (await house.client.get("/v1/queues")).json()["items"]}
    shown = queues["text"]
    assert (shown["depth"], shown["running"], shown["scheduled"], shown["paused"]) == (1, 1, 1, False)
    assert shown["oldest_age_seconds"] >= 0
    assert queues["emails"]["oldest_age_seconds"] is None


async def test_a_queue_is_paused_and_resumed_by_who_may(house: House) -> None:
    paused = await house.client.post("/v1/queues/text/pause")
    assert (paused.status_code, paused.json()["paused"]) == (200, True)
    queues = {queue["name"]: queue for queue in (await house.client.get("/v1/queues")).json()["items"]}
    assert [name for name, queue in queues.items() if queue["paused"]] == ["text"]
    assert (await house.client.post("/v1/queues/text/resume")).json()["paused"] is False
    unknown = await house.client.post("/v1/queues/nowhere/pause")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "queue_not_found")
    viewer = {"Authorization": f"Bearer {await house.key(permissions=['stats:read'])}"}
    assert (await house.client.post("/v1/queues/text/pause", headers=viewer)).status_code == 403


async def test_limits_of_a_queue_are_set_shown_and_lifted(house: House) -> None:
    limits = {
        "max_running": 10,
        "rate": {"count": 100, "per": "1m"},
        "per_tenant": {"rate": {"count": 5, "per": "1h30m"}},
        "per_kind": {"text.generate": {"max_running": 2}},
        "per_key": {"max_running": 3},
    }
    answer = await house.client.put("/v1/queues/text/limits", json=limits)
    assert (answer.status_code, answer.json()["limits"]) == (200, limits)
    shown = {queue["name"]: queue["limits"] for queue in (await house.client.get("/v1/queues")).json()["items"]}
    assert shown["text"] == limits
    assert shown["emails"] is None
    unkeyed = await house.client.put("/v1/queues/text/limits", json={"per_key": None})
    assert unkeyed.json()["limits"] == {"per_key": None}
    assert (await house.client.put("/v1/queues/text/limits", json={})).json()["limits"] is None


async def test_every_wrong_field_of_limits_is_named(house: House, problem: Problem) -> None:
    wrong: dict[str, object] = {
        "rate": {"count": 1, "per": "fast"},
        "per_tenant": {"rate": {"count": 1, "per": "2d"}},
        "per_kind": {"emails.send": {}, "text.generate": {"rate": {"count": 1, "per": "1ms"}}},
    }
    answer = await house.client.put("/v1/queues/text/limits", json=wrong)
    assert answer.status_code == 422
    assert {error["pointer"] for error in problem(answer)["errors"]} == {
        "/rate/per",
        "/per_tenant/rate/per",
        "/per_kind/emails.send",
        "/per_kind/text.generate/rate/per",
    }
    shapes = {"max_running": 0, "rate": {"count": 0, "per": "1m"}, "per_queue": {}}
    answer = await house.client.put("/v1/queues/text/limits", json=shapes)
    pointers = {error["pointer"] for error in problem(answer)["errors"]}
    assert pointers == {"/max_running", "/rate/count", "/per_queue"}
    viewer = {"Authorization": f"Bearer {await house.key(permissions=['stats:read'])}"}
    assert (await house.client.put("/v1/queues/text/limits", json={}, headers=viewer)).status_code == 403
    assert (await house.client.put("/v1/queues/nowhere/limits", json={})).status_code == 404


async def test_a_queue_tells_how_many_attempts_ended_in_the_last_minute(house: House) -> None:
    for _ in range(3):
        await house.run((await house.submit())["id"], Verdict(state=State.SUCCEEDED, result=b"{}"))
    async with house.database.begin() as tx:
        await tx.execute(
            text("UPDATE attempts SET finished_at = now() - interval '61 s' WHERE id = (SELECT min(id) FROM attempts)")
        )
    rates = {queue["name"]: queue["rate"] for queue in (await house.client.get("/v1/queues")).json()["items"]}
    assert (rates["text"], rates["emails"]) == (2.0, 0.0)


async def test_workers_heard_of_lately_are_told(house: House) -> None:
    report = WorkerReport(name="worker-1", pid=42, queues=("text",), concurrency=8, running=3, stopping=True)
    async with house.database.begin() as tx:
        await report_worker(tx, report)
    (worker,) = (await house.client.get("/v1/workers")).json()["items"]
    assert {queue["workers"] for queue in (await house.client.get("/v1/queues")).json()["items"]} == {0}
    shown: dict[str, Any] = {
        name: worker[name] for name in ("name", "pid", "state", "queues", "concurrency", "running")
    }
    assert shown == {
        "name": "worker-1",
        "pid": 42,
        "state": "stopping",
        "queues": ["text"],
        "concurrency": 8,
        "running": 3,
    }
    assert worker["seen_at"].endswith("Z")


async def test_how_workers_find_their_engines_is_told_and_stands_in_the_metrics(house: House) -> None:
    engine = EngineStanding(name="gemini", state="open", wait_seconds=3.5, open_seconds=26.5, calls=9, failures=5)
    report = WorkerReport(
        name="worker-1", pid=42, queues=("text",), concurrency=8, running=3, stopping=False, engines=(engine,)
    )
    async with house.database.begin() as tx:
        await report_worker(tx, report)
    (worker,) = (await house.client.get("/v1/workers")).json()["items"]
    assert worker["engines"] == [msgspec.to_builtins(engine)]
    figures = (await house.client.get("/metrics")).text
    of_it = 'worker="worker-1"'
    assert f'headrace_text_breaker_open{{engine="gemini",{of_it}}} 1.0' in figures
    assert f'headrace_text_breaker_open_seconds{{engine="gemini",{of_it}}} 26.5' in figures
    assert f'headrace_text_questions{{engine="gemini",outcome="failures",{of_it}}} 5.0' in figures


async def test_queues_tell_how_many_workers_take_from_them(house: House) -> None:
    async with house.database.begin() as tx:
        for name in ("worker-1", "worker-2"):
            await report_worker(
                tx, WorkerReport(name=name, pid=1, queues=("text",), concurrency=8, running=0, stopping=False)
            )
    queues = {queue["name"]: queue for queue in (await house.client.get("/v1/queues")).json()["items"]}
    assert (queues["text"]["workers"], queues["emails"]["workers"]) == (2, 0)
