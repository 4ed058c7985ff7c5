"""Starts programs, waits until they are ready, starts again what dies, stops all in reverse order."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Final

from msgspec import Struct

from domain.errors import HeadraceError, Unavailable
from runtime.child_logs import ChildLogs, Lines
from runtime.leftovers import forget, remember
from runtime.programs import Program
from runtime.readiness import clear_mark

RUN: Final = "run"
_POLL_SECONDS: Final = 0.04
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StartFailed(Unavailable):
    """A program ended, or did not become ready in time, while everything was being started."""

    code = "start_failed"
    title = "A process did not start"


class Patience(Struct, frozen=True, kw_only=True):
    """How long the supervisor waits: for a program to become ready, and between tries to start one that dies.

    The pause doubles from the first to the longest; whoever lived for `healthy_seconds` begins anew.
    """

    starting_seconds: float = 60.0
    first_pause_seconds: float = 1.0
    longest_pause_seconds: float = 30.0
    healthy_seconds: float = 30.0


PATIENT: Final = Patience()


def patience_of(restart_seconds: float) -> Patience:
    """The patience whose first pause between tries is that long, and everything about pauses in proportion."""
    scale = restart_seconds / PATIENT.first_pause_seconds
    return Patience(
        first_pause_seconds=restart_seconds,
        longest_pause_seconds=PATIENT.longest_pause_seconds * scale,
        healthy_seconds=PATIENT.healthy_seconds * scale,
    )


class Supervisor:
    """Runs programs in stages: a stage is started together when the one before it is ready, and stopped before it.

    Lives on the main thread's loop: children are tied to the life of the thread that starts them.
    """

    def __init__(self, data_dir: Path, logs: ChildLogs, patience: Patience = PATIENT) -> None:
        self._data_dir = data_dir
        self._logs = logs
        self._patience = patience
        self._stages: list[list[_Keeper]] = []
        self._is_stopping = False
        self._stop_asked = asyncio.Event()
        self._force_asked = asyncio.Event()
        (data_dir / RUN).mkdir(parents=True, exist_ok=True)

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run now, by name, in the order they were started."""
        return {keeper.name: keeper.pid for stage in self._stages for keeper in stage if keeper.pid is not None}

    async def start(self, *programs: Program) -> None:
        """Start a stage: all its programs at once. Returns when all are ready.

        Raises:
            StartFailed: one ended by itself or was not ready within a minute.
        """
        keepers = [_Keeper(program, self._data_dir, self._logs, self._patience) for program in programs]
        self._add(keepers)
        # The first error ends the wait, and its caller stops everything: the others that still start, too.
        await asyncio.gather(*(keeper.start() for keeper in keepers))

    async def finish(self, program: Program) -> None:
        """Run a program that ends by itself, to its end.

        Raises:
            StartFailed: it ended with anything but 0.
        """
        keeper = _Keeper(program, self._data_dir, self._logs, self._patience)
        self._add([keeper])
        code = await keeper.run_once()
        self._stages.remove([keeper])
        if code != 0:
            raise StartFailed(f"{program.name} ended with {code}.\n{self._logs.tail(program.name)}".rstrip())

    async def run(self, start: Callable[[], Awaitable[None]]) -> None:
        """Run `start`, then keep everything running until SIGINT, SIGTERM or SIGHUP; then stop all.

        A second signal ends what is still stopping by force.

        Raises:
            StartFailed: as `start` raised it, after everything was stopped.
        """
        with self._signals():
            starting = asyncio.ensure_future(start())
            asked = asyncio.ensure_future(self._stop_asked.wait())
            try:
                await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    await starting
                    await asked
            finally:
                for waiting in (starting, asked):
                    waiting.cancel()
                await asyncio.gather(starting, asked, return_exceptions=True)
                await self.stop()

    async def stop(self) -> None:
        """Stop every stage, the last first; each program has its grace, unless force is asked for."""
        self._is_stopping = True
        for stage in reversed(self._stages):
            await asyncio.gather(*(keeper.stop(self._force_asked) for keeper in reversed(stage)))
        self._stages.clear()

    def _add(self, stage: list["_Keeper"]) -> None:
        if self._is_stopping:
            raise StartFailed("Everything is being stopped.")
        self._stages.append(stage)

    @contextlib.contextmanager
    def _signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, self._on_stop_signal, number)
        loop.add_signal_handler(signal.SIGCHLD, self._on_child)
        try:
            yield
        finally:
            for number in (*_STOP_SIGNALS, signal.SIGCHLD):
                loop.remove_signal_handler(number)

    def _on_stop_signal(self, number: signal.Signals) -> None:
        if self._stop_asked.is_set():
            self._force_asked.set()
            self._logs.say("stopping.by_force", signal=number.name)
        else:
            self._stop_asked.set()
            self._logs.say("stopping", signal=number.name)

    def _on_child(self) -> None:
        # One signal may stand for several children.
        for stage in self._stages:
            for keeper in stage:
                keeper.look()


class _Keeper:
    """Keeps one program running: its process of the moment, its pauses between tries."""

    def __init__(self, program: Program, data_dir: Path, logs: ChildLogs, patience: Patience) -> None:
        self.name = program.name
        self._patience = patience
        self._program = program
        self._data_dir = data_dir
        self._logs = logs
        self._process: subprocess.Popen[bytes] | None = None
        self._output: Lines | None = None
        self._gone = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._is_up = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and not self._gone.is_set() else None

    async def start(self) -> None:
        """Start the program and return when it is ready; from then on it is kept running."""
        await self._spawn()
        self._keeping = asyncio.create_task(self._keep(), name=f"keep {self.name}")
        try:
            async with asyncio.timeout(self._patience.starting_seconds):
                while not self._is_up and not self._keeping.done():
                    pid = self.pid
                    self._is_up = pid is not None and await self._program.is_ready(pid) and pid == self.pid
                    await asyncio.sleep(0 if self._is_up else _POLL_SECONDS)
        except TimeoutError:
            raise self._failed(f"was not ready within {self._patience.starting_seconds:.0f} s") from None
        if not self._is_up:
            raise self._failed(f"ended with {self._status} while starting")

    async def run_once(self) -> int:
        process = await self._spawn()
        await self._gone.wait()
        await self._close()
        return process.returncode

    def look(self) -> None:
        """See whether the process has ended."""
        if self._process and self._process.poll() is not None:
            self._gone.set()

    async def stop(self, force: asyncio.Event) -> None:
        """Ask the process to stop, wait out its grace, then kill it and everything in its group."""
        self._is_stopping = True
        if self._keeping and self.pid is None:
            self._keeping.cancel()  # it pauses before another try
        process = self._process
        if process is not None and not self._gone.is_set():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(self._program.stop_signal)
            await self._gone_or(force)
            if not self._gone.is_set():
                self._logs.say("process.killed", child=self.name)
                _kill_group(process.pid)
                await self._gone.wait()
        if self._keeping:
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self._close()

    async def _keep(self) -> None:
        pause = self._patience.first_pause_seconds
        loop = asyncio.get_running_loop()
        while True:
            born = loop.time()
            await self._gone.wait()
            await self._close()
            # Killed from outside while starting is no fault of its own; ending by itself is, and would go on for ever.
            if self._is_stopping or not (self._is_up or self._was_killed):
                return
            if loop.time() - born > self._patience.healthy_seconds:
                pause = self._patience.first_pause_seconds
            self._logs.say("process.died", child=self.name, status=self._status, again_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._patience.longest_pause_seconds)
            await self._spawn_again()

    async def _spawn_again(self) -> None:
        try:
            process = await self._spawn()
        except (HeadraceError, OSError) as error:
            self._logs.say("process.not_started", child=self.name, error=str(error))
        else:
            self._logs.say("process.restarted", child=self.name, pid=process.pid)

    async def _spawn(self) -> subprocess.Popen[bytes]:
        # In a thread: it may take long. The child itself must come from this one, whose life it shares.
        await asyncio.to_thread(self._program.prepare)
        if self._is_stopping:
            raise StartFailed(f"{self.name} was not started: everything is being stopped.")
        writing, self._output = await self._logs.listen(self.name, is_quiet=self._program.is_quiet)
        try:
            self._gone.clear()
            self._process = self._program.spawn(writing)
        except BaseException:
            self._gone.set()
            raise
        finally:
            os.close(writing)
        remember(self._data_dir / RUN, self.name, self._process.pid, self._program.stop_signal)
        self.look()  # its signal may have come before we knew it
        return self._process

    async def _close(self) -> None:
        if self._process is None or self._output is None:
            return
        _kill_group(self._process.pid)
        output, self._output = self._output, None
        await output.finish()
        clear_mark(self._data_dir, self._process.pid)
        forget(self._data_dir / RUN, self.name)

    async def _gone_or(self, force: asyncio.Event) -> None:
        waiting = [asyncio.ensure_future(self._gone.wait()), asyncio.ensure_future(force.wait())]
        await asyncio.wait(waiting, timeout=self._program.grace_seconds, return_when=asyncio.FIRST_COMPLETED)
        for future in waiting:
            future.cancel()

    @property
    def _was_killed(self) -> bool:
        return self._process is not None and self._process.returncode < 0

    @property
    def _status(self) -> str:
        code = self._process.returncode if self._process else 0
        return signal.Signals(-code).name if code < 0 else str(code)

    def _failed(self, how: str) -> StartFailed:
        tail = self._logs.tail(self.name)
        return StartFailed(
            f"{self.name} {how}" + (f"; {self._logs.path(self.name)} ends with\n{tail}" if tail else ".")
        )


def _kill_group(pid: int) -> None:
    """Kill what shares the session of a child, itself and what it left behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
