"""A Headrace of the command's own: `up` as a child process, stopped when it is no longer needed."""

import contextlib
import ctypes
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from typing import IO, Final

import msgspec

from cli.exits import CommandFailed
from cli.replies import Ready
from cli.target import Target
from runtime.settings import Settings

STOP_SECONDS: Final = 30.0
_LAST_LINES: Final = 15
_PR_SET_PDEATHSIG: Final = 1


@contextlib.contextmanager
def own_headrace(settings: Settings) -> Generator[Target]:
    """Start `up` on the configured data directory, give its address and key, and stop it at the end.

    Raises:
        CommandFailed: it did not come up; the sentence ends with what it said.
    """
    command = [sys.executable, "-P", "-m", "cli.main", "up", "--json", "--data-dir", str(settings.data_dir)]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(  # noqa: S603 - our own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            # Ctrl-C is for the demo alone, which then stops its child; a demo that is killed takes the child with it.
            start_new_session=True,
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 - started before any thread
        ) as child,
    ):
        try:
            yield _wait_until_ready(child, said)
        finally:
            _stop(child)


def _wait_until_ready(child: subprocess.Popen[bytes], said: IO[bytes]) -> Target:
    line = child.stdout.readline() if child.stdout else b""
    try:
        ready = msgspec.json.decode(line, type=Ready)
    except msgspec.MsgspecError:
        child.wait()
        said.seek(0)
        last = said.read().decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
        raise CommandFailed("`headrace up` did not start:\n" + "\n".join(f"  {each}" for each in last)) from None
    return Target(url=ready.api.rstrip("/"), key=ready.api_key, named=False)


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


def _die_with_parent() -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    # Looked up here: after the fork, before the exec, as little as possible may happen.
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
