"""Processes that outlived a killed supervisor: remembered while they run, ended before the next start."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

from runtime.processes import started_at

_PATIENCE_SECONDS: Final = 10.0


def remember(folder: Path, name: str, pid: int, stop_signal: signal.Signals) -> None:
    """Write down a process that was just started, so that the next supervisor can end it should this one be killed."""
    (folder / f"{name}.pid").write_text(f"{pid} {int(stop_signal)} {started_at(pid) or ''}\n")


def forget(folder: Path, name: str) -> None:
    """The process is gone."""
    (folder / f"{name}.pid").unlink(missing_ok=True)


def end_leftovers(folder: Path) -> list[str]:
    """End what an earlier supervisor left running, politely, by force after 10 seconds; the names of what was ended.

    A pid that belongs to another process by now is left alone: the time of its start tells.
    """
    left = {path: found for path in sorted(folder.glob("*.pid")) if (found := _alive(path))}
    for pid, stop_signal in left.values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, stop_signal)
    patience_ends = time.monotonic() + _PATIENCE_SECONDS
    while any(map(_alive, left)) and time.monotonic() < patience_ends:
        time.sleep(0.02)
    for path, (pid, _) in left.items():
        # The leader first while it is known to be ours; what it started shares its group.
        if _alive(path):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
    for path in (*folder.glob("*.pid"), *folder.glob("*.ready")):
        path.unlink(missing_ok=True)
    return [path.stem for path in left]


def _alive(path: Path) -> tuple[int, int] | None:
    match path.read_text().split(maxsplit=2):
        case [pid, stop_signal, start] if pid.isdecimal() and stop_signal.isdecimal():
            return (int(pid), int(stop_signal)) if started_at(int(pid)) == start.strip() else None
        case _:
            return None  # cut short when the machine went down
