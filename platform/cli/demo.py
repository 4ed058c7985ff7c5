"""`headrace demo`: one job of each kind, followed live to its result."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from types import FrameType
from typing import Final, NoReturn

import click
import msgspec
from msgspec import Struct

from cli.client import Client
from cli.demo_stories import Story, Teller, stories
from cli.durations import Deadline
from cli.exits import CommandFailed, Exit
from cli.options import ApiCommand, given, settings_of_command, target_of_command
from cli.output import Format, Output, note, table_of, terminal
from cli.own_up import own_headrace
from cli.replies import JobReply
from cli.target import Target
from cli.watching import SNAPSHOT, facts_of, line_of
from domain.jobs.state import State
from runtime.settings import Settings

DEMO_SECONDS: Final = 120.0
_REDRAW_SECONDS: Final = 0.1
_COLUMNS: Final = ("kind", "job", "state", "seconds", "result")
_SHOWN: Final = ("kind", "state", "seconds", "result")
_TELLING: Final = ("summary", "category", "flagged", "text", "status", "order_id", "message_id")


class Line(Struct, kw_only=True):
    """A line of the demo's table: one job, or a story that never got to have one."""

    kind: str
    job: str = ""
    state: str = "submitted"
    seconds: float | None = None
    result: str = ""


class Board:
    """What is known of all jobs at this moment; written from many threads, read by the one that draws."""

    def __init__(self, *, is_live: bool) -> None:
        self._lines: list[Line] = []
        self._lock = threading.Lock()
        self._is_live = is_live
        self.failures: list[str] = []

    def lines(self) -> list[Line]:
        """A copy, to be drawn."""
        with self._lock:
            return [msgspec.structs.replace(line) for line in self._lines]

    def submitted(self, kind: str, job_id: str) -> None:
        """A job is on its way."""
        with self._lock:
            self._lines.append(Line(kind=kind, job=job_id))

    def moved(self, job_id: str, state: str) -> None:
        """A job is seen in a state."""
        with self._lock:
            self._line(job_id).state = state

    def finished(self, job: JobReply) -> None:
        """A job has ended."""
        with self._lock:
            line = self._line(job.id)
            line.state, line.result = job.state.value, brief(job)
            line.seconds = None if job.seconds is None else round(job.seconds, 2)

    def failed(self, story: Story, sentence: str) -> None:
        """A story did not end well."""
        with self._lock:
            self.failures.append(f"{story.kind}: {sentence}")
            if not any(line.kind == story.kind for line in self._lines):
                self._lines.append(Line(kind=story.kind, state="failed", result=sentence))

    def say(self, text: str) -> None:
        """Write a line of progress, where the table is not drawn live."""
        if not self._is_live:
            with self._lock:
                note(text)

    def _line(self, job_id: str) -> Line:
        return next(line for line in self._lines if line.job == job_id)


@click.command(cls=ApiCommand)
def demo() -> None:
    """Submit one job of each kind and follow them to their results; exit 0 only if all succeeded.

    Uses the Headrace that runs, or starts one for as long as the demo takes.
    """
    settings = settings_of_command()
    output = Output(Format(given("output") or "table"))
    seconds = given("timeout") or DEMO_SECONDS
    with (
        _terminated_by_exception(),
        _headrace(settings) as target,
        Client(target, deadline=Deadline(seconds)) as client,
    ):
        note(f"Headrace at {target.url}")
        board = Board(is_live=sys.stderr.isatty())
        play(client, list(stories(client)), board)
        columns = _SHOWN if output.format is Format.TABLE else _COLUMNS
        output.things([msgspec.json.encode(line) for line in board.lines()], columns)
    for failure in board.failures:
        note(f"failed: {failure}")
    if board.failures:
        raise CommandFailed(f"{len(board.failures)} of the demo's stories did not succeed.")
    note(f"All {len(board.lines())} jobs succeeded.")


def play(client: Client, program: Sequence[Story], board: Board) -> None:
    """Tell all stories at once and draw the board meanwhile."""
    # Daemons: Ctrl-C need not wait for streams that may be silent for a while.
    told = [threading.Thread(target=_tell, args=(client, story, board), daemon=True) for story in program]
    for thread in told:
        thread.start()
    if sys.stderr.isatty():
        _draw_until(lambda: not any(thread.is_alive() for thread in told), board)
    for thread in told:
        thread.join()


def brief(job: JobReply) -> str:
    """What a job came to, in a few words."""
    if job.error is not None:
        return job.error.detail or job.error.title or job.error.code
    result = msgspec.json.decode(job.result)
    if not isinstance(result, dict):
        return ""
    name = next((name for name in _TELLING if result.get(name) is not None), None)
    if name is None:
        return msgspec.json.encode(result).decode()
    value = result[name]
    said = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return said if name in {"summary", "text"} else f"{name.replace('_', ' ')}: {said}"


def _tell(client: Client, story: Story, board: Board) -> None:
    kinds: dict[str, str] = {}

    def submitted(kind: str, job_id: str) -> None:
        kinds[job_id] = f"{kind} ({story.kind})" if story.kind.startswith("schedule ") else kind
        board.submitted(kinds[job_id], job_id)

    def watch(job_id: str) -> None:
        for event in client.follow(job_id):
            facts = facts_of(event)
            state = facts.get("state") or {"started": "running", "retrying": "scheduled"}.get(event.type, event.type)
            if state in set(State):
                board.moved(job_id, state)
            if event.type not in {SNAPSHOT, "delta"}:
                board.say(f"{kinds[job_id]:16} {line_of(event, facts, job_id)}")

    try:
        story.tell(Teller(client, submitted, board.finished, watch))
    except click.ClickException as error:
        board.failed(story, error.message)
    except Exception as error:  # noqa: BLE001 - a story that breaks off in any way has failed, and says how
        board.failed(story, f"{type(error).__name__}: {error}")


def _draw_until(is_done: Callable[[], bool], board: Board) -> None:
    from rich.live import Live  # noqa: PLC0415 - only a terminal waits for rich

    with Live(console=terminal(stderr=True), transient=True, auto_refresh=False) as live:
        while not is_done():
            live.update(table_of(_SHOWN, (_row(line) for line in board.lines())), refresh=True)
            time.sleep(_REDRAW_SECONDS)


def _row(line: Line) -> Sequence[str]:
    return line.kind, line.state, "" if line.seconds is None else f"{line.seconds:.2f}", line.result


@contextlib.contextmanager
def _headrace(settings: Settings) -> Generator[Target]:
    target = target_of_command(settings)
    try:
        with Client(target, deadline=Deadline(10)) as client:
            client.kinds()
    except CommandFailed:
        # Somebody who names an address wants that one and no other.
        if target.named:
            raise
    else:
        yield target
        return
    note("No Headrace is running: starting one for the demo …")
    with own_headrace(settings) as own:
        yield own


@contextlib.contextmanager
def _terminated_by_exception() -> Generator[None]:
    def stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - a signal handler's signature
        raise CommandFailed("Stopped.", Exit.FAILED)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
