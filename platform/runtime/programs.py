"""What the supervisor runs: a command, and what it takes to start it, to know it ready and to stop it."""

import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from runtime.processes import Spawning


def _nothing_to_prepare() -> None:
    pass


async def _ready_at_once(_: int) -> bool:
    return True


class Program(Struct, frozen=True, kw_only=True):
    """One process of the platform.

    `prepare` runs before each start and may block. `is_ready` is asked about the running process by its pid, often;
    it answers within a second. A `quiet` program's lines go to its log file only.
    """

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    prepare: Callable[[], None] = _nothing_to_prepare
    is_ready: Callable[[int], Awaitable[bool]] = _ready_at_once
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    spawning: Spawning = Spawning()
    is_quiet: bool = False

    def spawn(self, output: int) -> subprocess.Popen[bytes]:
        """Start the process with its output going to the descriptor `output`; on the main thread only."""
        return self.spawning.popen(self.command, dict(self.environ), output)
