"""What is accepted is done, once, whatever is killed meanwhile: small, here; large campaigns run by name."""

import os
import signal
from collections.abc import Generator
from typing import Any

import httpx
import psycopg
import pytest
import redis

from storage.database import open_database
from tests.support.running_up import RunningUp, own_data_dir, running_up, wait_for
from tests.support.shop import wrong_books

pytestmark = pytest.mark.timeout(300)

# a tenth of the real times: a lease of 3 s instead of 30
SCALED = {
    "HEADRACE_LEASE_SECONDS": "3",
    "HEADRACE_HEARTBEAT_SECONDS": "1",
    "HEADRACE_RESEND_SECONDS": "1.5",
    "HEADRACE_LOG_LEVEL": "warning",
}
UNSETTLED = "SELECT count(*) FROM jobs WHERE state NOT IN ('succeeded', 'failed', 'cancelled', 'expired')"


@pytest.fixture(scope="module")
def up() -> Generator[RunningUp]:
    with own_data_dir() as folder, running_up(folder, "--no-flower", **SCALED) as up:
        yield up


def kill(up: RunningUp, name: str) -> None:
    """Kill a process and wait until another stands in its place."""
    before = wait_for(lambda: up.pid_now(name))
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: (pid := up.pid_now(name)) != before and pid)


def count(up: RunningUp, query: str, *values: object) -> int:
    """A number from the database; asked again while that is away."""

    def ask() -> tuple[int] | None:
        try:
            with psycopg.connect(up.ready["database_url"]) as connection:
                row: tuple[int] | None = connection.execute(query.encode(), values).fetchone()
                return row
        except psycopg.OperationalError:
            return None

    return wait_for(ask)[0]


def is_settled(up: RunningUp) -> bool:
    return count(up, UNSETTLED) == 0


def order(client: httpx.Client, product_id: str) -> httpx.Response:
    return client.post("/v1/orders", json={"lines": [{"product_id": product_id, "quantity": 1}]})


def product_in_stock(client: httpx.Client) -> dict[str, Any]:
    products: list[dict[str, Any]] = client.get("/v1/products", params={"in_stock": "true"}).json()["items"]
    return max(products, key=lambda product: product["stock"])


async def books(up: RunningUp) -> list[str]:
    database = open_database(up.ready["database_url"], name="tests", size=1)
    try:
        return await wrong_books(database)
    finally:
        await database.close()


async def test_orders_are_placed_once_each_though_their_worker_is_killed_again_and_again(up: RunningUp) -> None:
    with up.client() as client:
        product = product_in_stock(client)
        accepted = []
        for _ in range(4):
            accepted += [order(client, product["id"]).json()["id"] for _ in range(10)]
            kill(up, "worker-1")
        wait_for(lambda: is_settled(up))
        states = [client.get(f"/v1/jobs/{job_id}").json()["state"] for job_id in accepted]
        assert states == ["succeeded"] * 40
        left = client.get(f"/v1/products/{product['id']}").json()["stock"]
    assert product["stock"] - left == 40
    assert count(up, "SELECT count(*) FROM orders WHERE job_id = ANY(%s)", accepted) == 40
    assert await books(up) == []


def test_submissions_go_on_while_redis_is_gone_and_what_was_in_it_is_sent_again(up: RunningUp) -> None:
    with up.client() as client:
        pid = wait_for(lambda: up.pid_now("redis"))
        os.kill(pid, signal.SIGSTOP)
        try:
            accepted = []
            for _ in range(20):
                answer = client.post("/v1/text/moderate", json={"text": "What a lovely day."})
                assert answer.status_code == 202
                accepted.append(answer.json()["id"])
        finally:
            os.kill(pid, signal.SIGCONT)
        with redis.Redis.from_url(up.ready["redis_url"], socket_timeout=5) as store:
            wait_for(lambda: _flushed(store))
        wait_for(lambda: is_settled(up))
        assert {client.get(f"/v1/jobs/{job_id}").json()["state"] for job_id in accepted} == {"succeeded"}


def _flushed(store: "redis.Redis") -> bool:
    try:
        return bool(store.flushall())
    except redis.RedisError:
        return False


def test_a_database_that_crashes_loses_nothing_it_said_it_took_and_no_client_sees_a_fault(up: RunningUp) -> None:
    accepted: list[httpx.Response] = []
    refused: list[httpx.Response] = []
    with up.client() as client:
        for number in range(120):
            if number == 40:
                os.kill(wait_for(lambda: up.pid_now("postgres")), signal.SIGKILL)
            answer = client.post("/v1/text/moderate", json={"text": f"What a lovely day, number {number}."})
            (accepted if answer.status_code == 202 else refused).append(answer)
        assert {answer.status_code for answer in refused} <= {503}
        assert all("retry-after" in answer.headers for answer in refused)
        assert len(accepted) >= 40
        ids = [answer.json()["id"] for answer in accepted]
        assert wait_for(lambda: count(up, "SELECT count(*) FROM jobs WHERE id = ANY(%s)", ids) == len(ids))
        wait_for(lambda: is_settled(up))


def test_everything_killed_at_one_blow_comes_back_with_all_that_was_accepted() -> None:
    with own_data_dir() as folder:
        with running_up(folder, "--no-flower", **SCALED) as up, up.client() as client:
            jobs = [
                client.post("/v1/text/moderate", json={"text": f"Number {number} it is."}, params={"delay": "1s"})
                for number in range(30)
            ]
            ids = [job.json()["id"] for job in jobs]
            up.kill_everything()
        with running_up(folder, "--no-flower", **SCALED) as again, again.client() as client:
            wait_for(lambda: is_settled(again))
            assert {client.get(f"/v1/jobs/{job_id}").json()["state"] for job_id in ids} == {"succeeded"}
            assert again.ready["api_key"] == up.ready["api_key"]
