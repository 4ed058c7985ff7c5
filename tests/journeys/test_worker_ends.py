"""Workers that end themselves or are told to: started again, nothing lost, no crash counted to the innocent."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
import redis

from tests.support.running_up import RunningUp, own_data_dir, running_up, wait_for
from tests.support.smtp_server import ScriptedSmtp, run_smtp
from workers.exits import WorkerExit

pytestmark = pytest.mark.timeout(180)

SCALED = {"HEADRACE_LEASE_SECONDS": "3", "HEADRACE_HEARTBEAT_SECONDS": "1", "HEADRACE_RESEND_SECONDS": "1.5"}
EMAIL = {"to": ["ada@example.com"], "subject": "Slow", "text": "It takes its time."}


def submit(client: httpx.Client, kind: str, given: dict[str, Any]) -> str:
    answer = client.post("/v1/jobs", json={"kind": kind, "input": given})
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def state_of(client: httpx.Client, job_id: str) -> str:
    state: str = client.get(f"/v1/jobs/{job_id}").json()["state"]
    return state


def crashes_of(up: RunningUp, job_id: str) -> int:
    with psycopg.connect(up.ready["database_url"]) as connection:
        row = connection.execute("SELECT crashes FROM jobs WHERE id = %s", [job_id]).fetchone()
    assert row is not None
    crashes: int = row[0]
    return crashes


def wait_for_another(up: RunningUp, name: str, pid: int) -> None:
    wait_for(lambda: (now := up.pid_now(name)) is not None and now != pid)


@contextmanager
def stolen_canaries(redis_url: str, worker: str, *, thieves: int = 8) -> Generator[None]:
    """Take the canaries of a worker out of the broker before it can: to the worker, that is to be deaf.

    Redis serves who waits longest; a worker asks anew each second, the thieves only when they were served.
    """
    is_over = threading.Event()

    def steal() -> None:
        with redis.Redis.from_url(redis_url, socket_timeout=None) as store, contextlib.suppress(redis.RedisError):
            while not is_over.is_set():
                store.brpop([f"hr:canary.{worker}"], 3)

    threads = [threading.Thread(target=steal) for _ in range(thieves)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


async def test_a_deaf_worker_gives_its_jobs_back_ends_and_is_started_again() -> None:
    held = ScriptedSmtp(holds_content=asyncio.Event())
    async with run_smtp(held) as smtp:
        await asyncio.to_thread(deafen_one, held, smtp.port, asyncio.get_running_loop())


def deafen_one(held: ScriptedSmtp, port: int, loop: asyncio.AbstractEventLoop) -> None:
    environ = {
        "HEADRACE_CANARY_SECONDS": "0.5",
        "HEADRACE_GRACE_SECONDS": "0.2",
        "HEADRACE_SMTP_URL": f"smtp://127.0.0.1:{port}",
    }
    with (
        own_data_dir() as folder,
        running_up(folder, "--no-flower", "--workers", "1", **environ) as up,
        up.client() as client,
    ):
        pid = up.pid_now("worker-1")
        assert pid is not None
        job_id = submit(client, "emails.send", EMAIL)
        wait_for(lambda: state_of(client, job_id) == "running")
        with stolen_canaries(up.ready["redis_url"], "worker-1"):
            wait_for_another(up, "worker-1", pid)
        assert f'"status":"{WorkerExit.DEAF}"' in (folder / "up.err").read_text().replace(" ", "")
        [first] = client.get(f"/v1/jobs/{job_id}/attempts").json()["items"]
        assert (first["outcome"], first["code"]) == ("queued", None)
        assert held.holds_content is not None
        loop.call_soon_threadsafe(held.holds_content.set)
        wait_for(lambda: state_of(client, job_id) == "succeeded")
        assert client.get(f"/v1/jobs/{job_id}").json()["attempt"] == 1
        assert crashes_of(up, job_id) == 0


async def test_a_handler_that_blocks_its_worker_is_cut_off_and_only_its_job_has_crashed() -> None:
    async with run_smtp(ScriptedSmtp(holds_content=asyncio.Event())) as smtp:
        await asyncio.to_thread(block_one, smtp.port)


def block_one(port: int) -> None:
    # cut off after 4 s, with 3.5 s left at the least to give the bystander back before its lease lapses
    environ = SCALED | {
        "HEADRACE_LEASE_SECONDS": "8",
        "HEADRACE_HEARTBEAT_SECONDS": "0.5",
        "HEADRACE_SMTP_URL": f"smtp://127.0.0.1:{port}",
        "HEADRACE_KILL_POINTS": "order.after_reserve=sleep:600",
    }
    with (
        own_data_dir() as folder,
        running_up(folder, "--no-flower", "--workers", "1", **environ) as up,
        up.client() as client,
    ):
        pid = up.pid_now("worker-1")
        assert pid is not None
        bystander = submit(client, "emails.send", EMAIL)
        wait_for(lambda: state_of(client, bystander) == "running")
        [product, *_] = client.get("/v1/products", params={"in_stock": "true"}).json()["items"]
        blocker = submit(client, "orders.place", {"lines": [{"product_id": product["id"], "quantity": 1}]})
        wait_for_another(up, "worker-1", pid)
        assert (crashes_of(up, blocker), crashes_of(up, bystander)) == (1, 0)
        said = (folder / "logs/worker-1.log").read_text()
        [line] = [line for line in said.splitlines() if "worker.blocked" in line]
        assert blocker in line
        assert "in reach" in said  # the stack of who blocked


def test_rolling_restarts_lose_nothing_and_count_no_crash() -> None:
    with (
        own_data_dir() as folder,
        running_up(folder, "--no-flower", "--workers", "2", **SCALED) as up,
        up.client() as client,
    ):
        accepted: list[str] = []
        for name in ("worker-1", "worker-2") * 2:
            accepted += [submit(client, "text.moderate", {"text": f"A fine day {n}."}) for n in range(25)]
            pid = wait_for(lambda name=name: up.pid_now(name))  # type: ignore[misc] # mypy infers no default
            os.kill(pid, signal.SIGTERM)
            accepted += [submit(client, "text.moderate", {"text": f"A fair day {n}."}) for n in range(25)]
            wait_for_another(up, name, pid)
        wait_for(lambda: {state_of(client, job_id) for job_id in accepted} == {"succeeded"})
        assert {crashes_of(up, job_id) for job_id in accepted} == {0}
        assert {client.get(f"/v1/jobs/{job_id}").json()["attempt"] for job_id in accepted} == {1}
