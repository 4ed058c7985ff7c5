"""Webhooks of a platform that runs: received and verified, tried again, and not lost though their worker is killed."""

import os
import signal
from collections.abc import Generator
from typing import Any

import httpx
import psycopg
import pytest

from tests.faults.hearing import Hearing, hearing
from tests.support.running_up import RunningUp, own_data_dir, running_up, wait_for

pytestmark = pytest.mark.timeout(300)

SETTINGS = {
    "HEADRACE_LEASE_SECONDS": "3",
    "HEADRACE_HEARTBEAT_SECONDS": "0.5",
    "HEADRACE_RESEND_SECONDS": "1.5",
    "HEADRACE_LOG_LEVEL": "warning",
}
_NOW = b"""
WITH hurried AS (
    UPDATE jobs SET state = 'queued', run_at = now() WHERE state = 'scheduled' AND kind = 'webhooks.deliver'
    RETURNING id
)
UPDATE outbox SET stage = 'due', due_at = now() FROM hurried WHERE job_id = hurried.id
"""


@pytest.fixture(scope="module")
def up() -> Generator[RunningUp]:
    with own_data_dir() as folder:
        (folder / "armed").mkdir()
        settings = SETTINGS | {"HEADRACE_KILL_POINTS": f"files:{folder / 'armed'}"}
        with running_up(folder, "--no-flower", **settings) as up:
            yield up


@pytest.fixture
def client(up: RunningUp) -> Generator[httpx.Client]:
    with up.client() as client:
        yield client


@pytest.fixture
def ear() -> Generator[Hearing]:
    with hearing() as ear:
        yield ear


def made(client: httpx.Client, ear: Hearing, *events: str) -> dict[str, Any]:
    answer = client.post("/v1/webhooks", json={"url": ear.url, "events": list(events)})
    assert answer.status_code == 201, answer.text
    ear.secrets.append(answer.json()["secret"])
    return dict(answer.json())


def moderated(client: httpx.Client, **options: object) -> dict[str, Any]:
    body = {"kind": "text.moderate", "input": {"text": "What a lovely day."}, **options}
    answer = client.post("/v1/jobs", json=body, headers={"Prefer": "wait=30"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def the_delivery(client: httpx.Client, webhook: dict[str, Any], state: str) -> dict[str, Any]:
    """The one delivery to the endpoint, once it stands so."""

    def look() -> dict[str, Any] | None:
        [found] = client.get(f"/v1/webhooks/{webhook['id']}/deliveries").json()["items"]
        return dict(found) if found["state"] == state else None

    return wait_for(look)


def test_a_receiver_that_fails_and_recovers_hears_of_a_job_under_one_id(
    up: RunningUp, client: httpx.Client, ear: Hearing
) -> None:
    webhook = made(client, ear, "job.succeeded")
    ear.statuses = [500, 503]
    moderated(client)
    wait_for(lambda: len(ear.heard) == 1)
    failing = wait_for(lambda: client.get(f"/v1/webhooks/{webhook['id']}").json()["failing_since"])
    assert failing
    # the first wait is 5 s; the second would be 5 min
    wait_for(lambda: len(ear.heard) == 2)

    def hurried() -> bool:
        with psycopg.connect(up.ready["database_url"]) as connection:
            return connection.execute(_NOW).rowcount == 1

    wait_for(hurried)
    delivery = the_delivery(client, webhook, "delivered")
    assert (delivery["attempts"], delivery["status_code"], delivery["next_attempt_at"]) == (3, 204, None)
    assert {one.webhook_id for one in ear.heard} == {delivery["event_id"]}
    assert len(ear.heard) == 3
    assert all(one.is_signed for one in ear.heard)
    assert client.get(f"/v1/webhooks/{webhook['id']}").json()["failing_since"] is None
    client.delete(f"/v1/webhooks/{webhook['id']}")


def test_a_worker_killed_after_sending_doubles_the_delivery_under_its_id_and_loses_none(
    up: RunningUp, client: httpx.Client, ear: Hearing
) -> None:
    webhook = made(client, ear, "job.succeeded")
    before = wait_for(lambda: up.pid_now("worker-1"))
    (up.data_dir / "armed/hook.after_send@webhooks.deliver").touch()
    moderated(client)
    wait_for(lambda: len(ear.heard) >= 1)
    wait_for(lambda: (pid := up.pid_now("worker-1")) is not None and pid != before)
    delivery = the_delivery(client, webhook, "delivered")
    assert [one.webhook_id for one in ear.heard] == [delivery["event_id"]] * 2
    assert all(one.is_signed for one in ear.heard)
    client.delete(f"/v1/webhooks/{webhook['id']}")


def test_what_a_dead_worker_had_under_way_arrives_and_a_job_is_told_to_its_own_url(
    up: RunningUp, client: httpx.Client, ear: Hearing
) -> None:
    ear.secrets.append(client.get("/v1/webhooks/signing-secret").json()["secret"])
    jobs: list[str] = []
    for _ in range(3):
        jobs += [moderated(client, webhook={"url": ear.url})["id"] for _ in range(5)]
        os.kill(wait_for(lambda: up.pid_now("worker-1")), signal.SIGKILL)
    wait_for(lambda: len({one.webhook_id for one in ear.heard}) == len(jobs))
    assert all(one.is_signed for one in ear.heard)
