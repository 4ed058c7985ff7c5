"""Kill points: armed by name when a process starts, or by files while it runs; never in production."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import runtime
from runtime.kill_points import KillPointReached, KillPoints, KillPointUnknown
from runtime.settings import SettingInvalid, read_settings

_REACH = """
import sys
from runtime.kill_points import KillPoints
points = KillPoints(f"files:{sys.argv[1]}")
sys.stdin.readline()
points.reach("worker.after_claim", iter(("job_2", "job_1")))
"""


def test_a_point_that_is_not_armed_does_nothing() -> None:
    KillPoints("worker.after_pop=raise").reach("worker.after_claim", ("job_1",))


def test_an_armed_point_raises() -> None:
    with pytest.raises(KillPointReached):
        KillPoints("worker.after_pop=raise, worker.after_claim=sleep:0").reach("worker.after_pop")


@pytest.mark.parametrize("armed", ["worker.after_lunch=kill", "worker.after_pop=explode"])
def test_what_is_no_point_and_no_action_is_refused(armed: str) -> None:
    with pytest.raises(KillPointUnknown):
        KillPoints(armed)


@pytest.mark.parametrize("armed", ["worker.after_pop=kill", "files:somewhere"])
def test_production_refuses_kill_points(armed: str) -> None:
    with pytest.raises(SettingInvalid):
        read_settings({"HEADRACE_ENVIRONMENT": "production", "HEADRACE_KILL_POINTS": armed})


def test_of_two_processes_at_a_point_armed_by_a_file_one_dies(tmp_path: Path) -> None:
    processes = [_reaching(tmp_path) for _ in range(2)]
    (tmp_path / "worker.after_claim@job_1").touch()
    for process in processes:
        process.communicate(b"\n", timeout=30)
    assert sorted(process.returncode for process in processes) == [-signal.SIGKILL, 0]
    [dead] = [process.pid for process in processes if process.returncode]
    assert [path.name for path in tmp_path.iterdir()] == [f"worker.after_claim@job_1.{dead}"]


def test_a_file_for_another_job_kills_nobody(tmp_path: Path) -> None:
    (tmp_path / "worker.after_claim@job_3").touch()
    process = _reaching(tmp_path)
    process.communicate(b"\n", timeout=30)
    assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["worker.after_claim@job_3"]


def _reaching(folder: Path) -> "subprocess.Popen[bytes]":
    sources = str(Path(runtime.__file__).parents[1])
    return subprocess.Popen(  # noqa: S603 # our own words
        [sys.executable, "-P", "-c", _REACH, str(folder)],
        stdin=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": sources},
    )
