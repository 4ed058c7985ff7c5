"""How long `headrace up` takes on an empty data directory and on one it left, and what its processes weigh.

Memory is told twice: resident (RSS), where a shared page counts for each who shares it, and proportional (PSS), where
it is divided among them. Linux only.
Prints one line of JSON. Run by `headrace bench start`.
"""

# ruff: noqa: INP001 - run by its path, never imported

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from runtime.settings import environment_without_settings

PLATFORM = Path(__file__).parents[1] / "platform"


class Ready(Struct):
    """What of the ready line is looked at."""

    processes: dict[str, int]


class Figures(Struct, frozen=True):
    """Seconds from the command to its ready line, and to its end after Ctrl-C; megabytes by process."""

    first_seconds: float
    second_seconds: float
    stop_seconds: float
    rss_mb: dict[str, float]
    pss_mb: dict[str, float]


class Up:
    """One run of `up`, ready."""

    def __init__(self, folder: Path) -> None:
        began = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-m", "cli.main", "up", "--json", "--data-dir", str(folder)],
            env=environment_without_settings(PYTHONPATH=str(PLATFORM)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        line = self._process.stdout.readline()
        self.seconds = time.monotonic() - began
        self.pids = msgspec.json.decode(line, type=Ready).processes | {"up": self._process.pid}

    def stop(self) -> float:
        """Stop it as Ctrl-C does; answers how many seconds that took."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        return time.monotonic() - began


def measure() -> Figures:
    """Start twice on one data directory, and weigh the second run."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        place = Path(folder)
        place.chmod(0o711)  # the servers' account must reach what is in it, when root measures
        first = Up(place)
        first.stop()
        second = Up(place)
        rss, pss = (
            {
                name: round(weigh(measured, pid, with_children=name != "up") / 1024, 1)
                for name, pid in second.pids.items()
            }
            for measured in ("Rss:", "Pss:")
        )
        stopped = second.stop()
    return Figures(round(first.seconds, 2), round(second.seconds, 2), round(stopped, 2), rss, pss)


def weigh(measured: str, pid: int, *, with_children: bool) -> int:
    """Kilobytes a process weighs by that line of the kernel's account, alone or with all that came of it."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    own = sum(int(line.split()[1]) for line in lines if line.startswith(measured))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if with_children else []
    return own + sum(weigh(measured, int(child), with_children=True) for child in children)


def main() -> None:
    """Measure, and print."""
    sys.stdout.buffer.write(msgspec.json.encode(measure()) + b"\n")


if __name__ == "__main__":
    main()
