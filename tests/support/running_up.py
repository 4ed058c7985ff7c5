"""`headrace up` as a process of its own, as its user starts it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

import cli
from tests.support.servers import memory_folder

Found = TypeVar("Found")

_STARTING_SECONDS = 90.0
_STOPPING_SECONDS = 60.0


class RunningUp:
    """An `up` that said it is ready: what it said, and a client that shows its key."""

    def __init__(self, process: subprocess.Popen[bytes], ready: dict[str, Any], data_dir: Path) -> None:
        self.process = process
        self.ready = ready
        self.data_dir = data_dir

    @property
    def pids(self) -> dict[str, int]:
        """The processes it started, by name, as they were when it was ready."""
        pids: dict[str, int] = self.ready["processes"]
        return pids

    def pid_now(self, name: str) -> int | None:
        """The pid of a process by its name at this moment; None while there is none."""
        try:
            return int((self.data_dir / f"run/{name}.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return None

    def client(self) -> httpx.Client:
        """A client of its API."""
        headers = {"Authorization": f"Bearer {self.ready['api_key']}"}
        return httpx.Client(base_url=self.ready["api"], headers=headers, timeout=30)

    def stop(self) -> int:
        """Stop it as Ctrl-C does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(_STOPPING_SECONDS)

    def kill_everything(self) -> None:
        """Kill it and all its processes at one blow, as a power cut would."""
        for pid in (self.process.pid, *filter(None, map(self.pid_now, self.pids))):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def own_data_dir() -> Generator[Path]:
    """A data directory that the servers' account can reach when root runs the tests; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="headrace-up-", dir=memory_folder()))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_up(data_dir: Path, *options: str, **environ: str) -> Generator[RunningUp]:
    """Start `up` on a data directory with no settings but these, and stop it afterwards."""
    with (data_dir / "up.err").open("ab") as errors:
        process = subprocess.Popen(  # noqa: S603 # our own words
            command("up", "--json", "--data-dir", str(data_dir), *options),
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environ_of_command(**environ),
        )
    assert process.stdout is not None
    with process.stdout:
        line = process.stdout.readline()
        assert line, f"up did not start: {(data_dir / 'up.err').read_text()[-4000:]}"
        up = RunningUp(process, json.loads(line), data_dir)
        try:
            yield up
        finally:
            up.stop()


def run_up(data_dir: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run an `up` that is expected to end by itself."""
    return subprocess.run(  # noqa: S603 # our own words
        command("up", "--data-dir", str(data_dir), *options),
        capture_output=True,
        check=False,
        env=environ_of_command(**environ),
        text=True,
        timeout=_STARTING_SECONDS,
    )


def command(*words: str) -> list[str]:
    """The real command, as the bootstrap script runs it."""
    return [sys.executable, "-P", "-m", "cli.main", *words]


def environ_of_command(**more: str) -> dict[str, str]:
    """The environment of a newcomer: none of the caller's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "PG"))}
    return kept | {"PYTHONPATH": str(Path(cli.__file__).resolve().parents[1])} | more


def wait_for(look: Callable[[], Found | None], *, seconds: float = 60.0) -> Found:
    """What `look` finds, as soon as it finds something."""
    patience_ends = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < patience_ends, "waited in vain"
        time.sleep(0.02)
    return found
