import os
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from runtime.leftovers import end_leftovers, forget, remember
from runtime.processes import command_of, started_at
from tests.support.running_up import wait_for


@pytest.fixture
def sleeper() -> Generator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "600"], start_new_session=True) as process:
        wait_for(lambda: command_of(process.pid))  # for a moment after its start it has none
        yield process
        process.kill()


def test_what_was_left_running_is_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    remember(tmp_path, "api", sleeper.pid, signal.SIGTERM)
    (tmp_path / f"{sleeper.pid}.ready").touch()
    assert end_leftovers(tmp_path) == ["api"]
    assert sleeper.wait() == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_a_pid_that_is_another_process_by_now_is_left_alone(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    (tmp_path / "api.pid").write_text(f"{sleeper.pid} 15 long ago\n")
    assert end_leftovers(tmp_path) == []
    assert sleeper.poll() is None


def test_a_process_forgotten_is_not_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    remember(tmp_path, "api", sleeper.pid, signal.SIGTERM)
    forget(tmp_path, "api")
    assert end_leftovers(tmp_path) == []
    assert sleeper.poll() is None


@pytest.mark.parametrize("content", ["", "not a pid\n", "12\n", "12 15 \n", "x 15 12345\n"])
def test_a_file_cut_short_by_a_crash_is_cleared_away(tmp_path: Path, content: str) -> None:
    (tmp_path / "api.pid").write_text(content)
    assert end_leftovers(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_zombie_counts_as_gone() -> None:
    process = subprocess.Popen(["/bin/true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert started_at(process.pid) is None
    process.wait()


def test_a_process_keeps_its_start_and_its_command(sleeper: subprocess.Popen[bytes]) -> None:
    assert started_at(sleeper.pid) == started_at(sleeper.pid) != started_at(os.getpid())
    assert command_of(sleeper.pid).split() == ["/bin/sleep", "600"]
