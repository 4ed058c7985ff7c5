"""The command against a platform that runs: every list, the doctor, and the demo."""

import subprocess
from collections.abc import Generator

import pytest

from tests.support.running_up import RunningUp, command, environ_of_command, own_data_dir, running_up

LISTS = ("audit", "batches", "bulk", "deadletters", "jobs", "keys", "mail", "queues", "schedules", "users", "webhooks")


@pytest.fixture(scope="module")
def up() -> Generator[RunningUp]:
    with own_data_dir() as folder, running_up(folder, "--no-flower") as running:
        yield running


def run(up: RunningUp, *words: str) -> subprocess.CompletedProcess[str]:
    environ = environ_of_command(
        HEADRACE_URL=up.ready["api"], HEADRACE_API_KEY=up.ready["api_key"], HEADRACE_DATA_DIR=str(up.data_dir)
    )
    return subprocess.run(command(*words), env=environ, capture_output=True, check=False, text=True, timeout=60)  # noqa: S603 - our own words


@pytest.mark.parametrize("words", [*((name, "list") for name in LISTS), ("doctor",)], ids=" ".join)
def test_what_is_asked_of_a_running_platform_is_answered(up: RunningUp, words: tuple[str, ...]) -> None:
    done = run(up, *words)
    assert done.returncode == 0, done.stderr


def test_the_demo_does_one_job_of_each_kind(up: RunningUp) -> None:
    done = run(up, "demo")
    assert done.returncode == 0, done.stderr
    assert "jobs succeeded" in done.stderr
