"""What the operating system says of a process, and what is asked of it when one is started."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Account(Struct, frozen=True):
    """Whom a process runs as."""

    uid: int
    gid: int


class Spawning(Struct, frozen=True, kw_only=True):
    """How a child is started: in a session of its own, as somebody, and gone when its parent is gone."""

    account: Account | None = None
    death_signal: signal.Signals = signal.SIGKILL

    def popen(self, command: tuple[str, ...], environ: dict[str, str], output: int) -> subprocess.Popen[bytes]:
        """Start `command` with its output going to the descriptor `output`; only to be called on the main thread.

        The kernel sends `death_signal` when the *thread* that started the child ends, so a thread of a pool would
        take the child with it.
        """
        account = self.account
        return subprocess.Popen(  # noqa: S603 # the commands are our own, never a visitor's
            command,
            env=environ,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_dying_with(os.getpid(), self.death_signal),  # noqa: PLW1509 # two system calls, no locks
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )


def started_at(pid: int) -> str | None:
    """When the process was started, in a spelling that no later owner of the same pid shares; None when it is gone.

    A zombie counts as gone: it does nothing and holds nothing.
    """
    if sys.platform == "linux":
        try:
            # The name in the second field may hold spaces and brackets; what follows its last bracket is regular.
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    answer = _ps(pid, "stat=,lstart=")
    return None if not answer or answer.startswith("Z") else answer.partition(" ")[2].strip()


def command_of(pid: int) -> str:
    """The command line of a process, words parted by spaces; empty when it is gone."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "surrogateescape")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    return _ps(pid, "command=")


def _ps(pid: int, columns: str) -> str:
    answer = subprocess.run(  # noqa: S603 # a number and our own words
        ["/bin/ps", "-o", columns, "-p", str(pid)], capture_output=True, check=False, text=True
    )
    return answer.stdout.strip()


def _dying_with(parent: int, death_signal: signal.Signals) -> Callable[[], None] | None:
    if _LIBC is None:
        return None
    prctl = _LIBC.prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        # A parent that died before the line above would never be noticed.
        if os.getppid() != parent:
            os._exit(1)

    return ask
