"""`headrace up` from outside: started, asked, hurt and stopped as its user, or bad luck, would."""

import os
import signal
import smtplib
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import redis

from runtime.data_dir import find_credentials
from runtime.processes import command_of, started_at
from tests.support.running_up import RunningUp, own_data_dir, run_up, running_up, wait_for

NAMES = ["postgres", "redis", "mail", "api", "relay", "worker-1", "beat", "flower"]
LETTER = {"kind": "emails.send", "input": {"to": ["ada@example.com"], "subject": "Hello", "text": "It works."}}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def up() -> Generator[RunningUp]:
    with own_data_dir() as folder, running_up(folder) as up:
        yield up


@pytest.fixture
def data_dir() -> Generator[Path]:
    with own_data_dir() as folder:
        yield folder


def submit(up: RunningUp) -> dict[str, Any]:
    with up.client() as client:
        answer = client.post("/v1/jobs", json=LETTER, headers={"Prefer": "wait=30"})
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job


def test_it_says_where_everything_is_and_means_it(up: RunningUp) -> None:
    assert sorted(up.ready) == sorted(
        ["api", "flower", "console", "mail", "database_url", "redis_url", "api_key", "processes", "metrics"]
    )
    assert set(up.pids) == set(NAMES)
    assert all(started_at(pid) for pid in up.pids.values())
    assert httpx.get(f"{up.ready['api']}/health/ready").status_code == 200
    assert httpx.get(f"{up.ready['flower']}/healthcheck").status_code == 200
    with psycopg.connect(up.ready["database_url"]) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("headrace",)
    with redis.Redis.from_url(up.ready["redis_url"]) as client:
        assert client.ping()
    mail = urlsplit(up.ready["mail"])
    with smtplib.SMTP(mail.hostname or "", mail.port or 0) as inbox:
        assert inbox.noop()[0] == 250
    credentials = find_credentials(up.data_dir)
    assert credentials is not None
    assert (credentials.url, credentials.api_key) == (up.ready["api"], up.ready["api_key"])


def test_a_job_submitted_is_done(up: RunningUp) -> None:
    assert submit(up)["state"] == "succeeded"


def test_a_second_one_on_the_same_data_says_so(up: RunningUp) -> None:
    answer = run_up(up.data_dir)
    assert answer.returncode == 1
    assert f"process {up.process.pid}" in answer.stderr
    assert "--data-dir" in answer.stderr


def test_a_port_in_use_that_was_asked_for_is_refused_with_a_remedy(data_dir: Path, up: RunningUp) -> None:
    port = urlsplit(up.ready["api"]).port
    answer = run_up(data_dir, "--port", str(port))
    assert answer.returncode == 1
    assert f"Port {port} on 127.0.0.1 is in use" in answer.stderr


def test_an_unknown_setting_is_refused_with_the_nearest_known_one(data_dir: Path) -> None:
    answer = run_up(data_dir, HEADRACE_DATABSE_URL="postgresql://nowhere")
    assert answer.returncode != 0
    assert "HEADRACE_DATABASE_URL" in answer.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_process_that_is_killed_is_started_again_and_nothing_is_lost(up: RunningUp, name: str) -> None:
    before = up.pid_now(name)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    after = wait_for(lambda: (pid := up.pid_now(name)) != before and pid)
    assert started_at(after)
    # It works as before: whatever was hurt is whole again, or is not needed for this.
    with up.client() as client:
        answer = wait_for(lambda: _answered(client))
        job = answer.json()
        assert wait_for(lambda: _finished(client, job["id"]))["state"] == "succeeded"


def _answered(client: httpx.Client) -> httpx.Response | None:
    try:
        answer = client.post("/v1/jobs", json=LETTER)
    except httpx.TransportError:
        return None
    return answer if answer.status_code == 202 else None


def _finished(client: httpx.Client, job_id: str) -> dict[str, Any] | None:
    try:
        answer = client.get(f"/v1/jobs/{job_id}")
    except httpx.TransportError:
        return None
    job: dict[str, Any] = answer.json()
    return job if job.get("finished_at") else None


def test_everything_killed_at_once_comes_back_with_everything_kept(data_dir: Path) -> None:
    with running_up(data_dir, "--no-flower") as up:
        assert set(up.pids) == set(NAMES) - {"flower"}
        job = submit(up)
        up.kill_everything()
    with running_up(data_dir, "--no-flower", "--workers", "2") as up:
        assert "worker-2" in up.pids
        with up.client() as client:
            assert client.get(f"/v1/jobs/{job['id']}").json()["result"] == job["result"]
        pids = [up.process.pid, *up.pids.values()]
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(60) == 0
        assert up.process.stdout is not None
        assert up.process.stdout.read() == b""  # the ready line was the only one
    assert not any(map(started_at, pids))
    assert list((data_dir / "run").iterdir()) == []


def test_a_supervisor_killed_alone_leaves_nothing_in_the_way(data_dir: Path) -> None:
    with running_up(data_dir, "--no-flower") as up:
        pids = up.pids
        up.process.kill()
        up.process.wait()
    with running_up(data_dir, "--no-flower") as up:
        assert not any(started_at(pid) and str(data_dir) in command_of(pid) for pid in pids.values())
        assert submit(up)["state"] == "succeeded"


def test_ports_in_use_are_stepped_over_and_own_servers_are_used(data_dir: Path, up: RunningUp) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as smtp,
        running_up(
            data_dir,
            "--no-flower",
            HEADRACE_DATABASE_URL=_another_database(up),
            HEADRACE_REDIS_URL=up.ready["redis_url"].replace("db=0", "db=1"),
            HEADRACE_SMTP_URL=f"smtp://127.0.0.1:{smtp.getsockname()[1]}",
        ) as other,
    ):
        assert set(other.pids) == {"api", "relay", "worker-1", "beat"}
        assert other.ready["mail"] is None
        assert urlsplit(other.ready["api"]).port != urlsplit(up.ready["api"]).port
        assert not (data_dir / "postgres").exists()


def _another_database(up: RunningUp) -> str:
    with psycopg.connect(up.ready["database_url"], autocommit=True) as connection:
        connection.execute("CREATE DATABASE another")
    url: str = up.ready["database_url"]
    return url.replace("/headrace?", "/another?")


def test_help_answers_without_starting_anything(data_dir: Path) -> None:
    answer = run_up(data_dir, "--help")
    assert answer.returncode == 0
    assert "--no-flower" in answer.stdout
    assert list(data_dir.iterdir()) == []
