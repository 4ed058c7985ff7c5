"""Named places where a test can make a process die, raise or stall. Armed by a setting that production refuses."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import structlog

from domain.errors import Invalid

NAMES: Final = frozenset(
    {
        "migrate.mid_batch",
        "api.before_commit",
        "api.after_commit",
        "relay.before_publish",
        "relay.after_publish",
        "worker.after_pop",
        "worker.after_claim",
        "job.before_effect",
        "job.after_outside_call",
        "job.after_effect_commit",
        "worker.before_ack",
        "heartbeat.stall",
        "rescue.after_select",
        "bulk.before_commit",
        "prune.before_commit",
        "beat.before_insert",
        "beat.after_insert",
        "smtp.after_250",
        "hook.after_send",
        "order.after_reserve",
        "order.after_confirm",
        "event.after_seq",
        "event.after_publish",
        "ai.after_response",
        "result.before_write",
    }
)


_FILES: Final = "files:"


class KillPointUnknown(Invalid):
    """No kill point has this name, or the action is not one of kill, raise, sleep:SECONDS."""

    code = "kill_point_unknown"
    title = "Unknown kill point"


class KillPointReached(RuntimeError):
    """Raised at a point armed with `raise`."""


class KillPoints:
    """The armed points of a process; reaching any other costs a dictionary look-up."""

    def __init__(self, armed: str = "") -> None:
        """Arm points from `name=kill|raise|sleep:SECONDS`, comma-separated; or from `files:FOLDER`, while it runs.

        There a file called NAME@JOB or NAME@KIND kills one process, the first that is at NAME with that job, or with
        a job of that kind. It is renamed to NAME@JOB.PID before.

        Raises:
            KillPointUnknown: a name or an action is unknown.
        """
        self._actions: dict[str, str] = {}
        self._folder = Path(armed.removeprefix(_FILES)) if armed.startswith(_FILES) else None
        if self._folder is not None:
            return
        for entry in filter(None, (part.strip() for part in armed.split(","))):
            name, _, action = entry.partition("=")
            if name not in NAMES:
                raise KillPointUnknown(f"{name!r} is no kill point. There are: {', '.join(sorted(NAMES))}.")
            if action not in {"kill", "raise"} and not action.startswith("sleep:"):
                raise KillPointUnknown(f"{action!r} is no action of a kill point: use kill, raise or sleep:SECONDS.")
            self._actions[name] = action

    def reach(self, name: str, about: Iterable[str] = ()) -> None:
        """Do what the point is armed with, if it is. `about`: the ids or kinds of the jobs that are at it."""
        if self._folder is not None and any(_takes(self._folder / f"{name}@{one}") for one in about):
            os.kill(os.getpid(), signal.SIGKILL)
        action = self._actions.get(name)
        if action is None:
            return
        structlog.get_logger().warning("kill_point.reached", name=name, action=action)
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if action == "raise":
            raise KillPointReached(name)
        time.sleep(float(action.removeprefix("sleep:")))


def _takes(armed: Path) -> bool:
    """Whether this process, and no other, is the one that dies of the file `armed`."""
    with contextlib.suppress(FileNotFoundError):
        armed.rename(f"{armed}.{os.getpid()}")
        return True
    return False
