"""What Prometheus and a kubelet are told by the processes that `up` runs, and by one that finds its port taken."""

import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.figures import Told, told_in
from tests.support.running_up import RunningUp, command, environ_of_command, own_data_dir, running_up, wait_for

LETTER = {"kind": "emails.send", "input": {"to": ["ada@example.com"], "subject": "Hello", "text": "It works."}}

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def up() -> Generator[RunningUp]:
    with (
        own_data_dir() as folder,
        running_up(folder, "--no-flower", "--workers", "2", HEADRACE_METRICS_PORT="19464") as up,
    ):
        yield up


def told_by(up: RunningUp, name: str) -> Told | None:
    try:
        answer = httpx.get(up.ready["metrics"][name])
    except httpx.TransportError:
        return None
    assert answer.status_code == 200
    return told_in(answer.text)


def total(up: RunningUp, figure: str, *names: str, **labels: str) -> float:
    return sum((told_by(up, name) or {}).get((figure, frozenset(labels.items())), 0) for name in names)


def started_at(up: RunningUp, name: str) -> float | None:
    told = told_by(up, name)
    return None if told is None else told["process_start_time_seconds", frozenset()]


def test_each_process_has_a_port_of_its_own_and_says_who_it_is_and_that_it_is_well(up: RunningUp) -> None:
    urls: dict[str, str] = up.ready["metrics"]
    assert urls.keys() == {"relay", "worker-1", "worker-2", "beat"}
    assert len(set(urls.values())) == len(urls)
    for name, url in urls.items():
        [about] = [dict(labels) for figure, labels in told_by(up, name) or {} if figure == "headrace_process_info"]
        assert (about["process"], about["name"]) == (name.partition("-")[0], name)
        for path in ("/health/live", "/health/ready"):
            answer = httpx.get(url.replace("/metrics", path))
            assert answer.status_code == 200, answer.text


def test_a_job_is_counted_where_it_was_sent_and_where_it_ran(up: RunningUp) -> None:
    with up.client() as client:
        assert client.post("/v1/jobs", json=LETTER, headers={"Prefer": "wait=30"}).json()["state"] == "succeeded"
    assert total(up, "headrace_relay_sent_jobs_total", "relay", queue="emails") == 1
    workers = ("worker-1", "worker-2")
    ran = {"kind": "emails.send", "outcome": "succeeded"}
    wait_for(lambda: total(up, "headrace_attempt_duration_seconds_count", *workers, **ran) == 1)
    assert total(up, "headrace_claim_jobs_total", *workers, outcome="claimed") == 1
    assert total(up, "headrace_worker_messages_total", *workers, outcome="taken") == 1
    assert total(up, "headrace_worker_slots", *workers) == 200


@pytest.mark.parametrize(
    ("name", "rounds"),
    [
        ("relay", ["look", "rescue", "broker", "bulk", "prune", "publish", "loop"]),
        ("worker-1", ["heartbeat", "hearing", "loop"]),
        ("beat", ["tick"]),
    ],
)
def test_every_round_comes_to_be_done(up: RunningUp, name: str, rounds: list[str]) -> None:
    for each in rounds:
        wait_for(partial(total, up, "headrace_round_timestamp_seconds", name, round=each))


def test_a_worker_that_is_killed_comes_back_to_its_port(up: RunningUp) -> None:
    before, pid = started_at(up, "worker-1"), up.pid_now("worker-1")
    assert before is not None
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: (after := started_at(up, "worker-1")) is not None and after > before)


@contextmanager
def another_worker(up: RunningUp, log: Path, **settings: str) -> Generator["subprocess.Popen[bytes]"]:
    environ = environ_of_command(
        HEADRACE_DATABASE_URL=up.ready["database_url"],
        HEADRACE_REDIS_URL=up.ready["redis_url"],
        HEADRACE_SMTP_URL=up.ready["mail"],
        **settings,
    )
    with log.open("wb") as errors:
        process = subprocess.Popen(command("worker", "--name", "beside"), stderr=errors, env=environ)  # noqa: S603 - our own words
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def test_a_worker_whose_port_is_taken_works_all_the_same(up: RunningUp, tmp_path: Path) -> None:
    log = tmp_path / "beside.log"
    taken = str(httpx.URL(up.ready["metrics"]["worker-2"]).port)
    with another_worker(up, log, HEADRACE_METRICS_PORT=taken, HEADRACE_DATA_DIR=str(tmp_path)) as process:
        wait_for(lambda: "metrics.not_listening" in log.read_text() and "worker.ready" in log.read_text())
        process.terminate()
        assert process.wait(60) == 0
