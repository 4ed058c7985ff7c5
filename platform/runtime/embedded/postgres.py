"""The embedded Postgres: one cluster in a folder, reached through a Unix socket only."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final
from urllib.parse import quote

from runtime.embedded.binaries import find_postgres, postgres_major
from runtime.embedded.places import POSTGRES, Places, ServerUnavailable
from runtime.processes import Spawning, command_of, started_at
from runtime.programs import Program

DATABASE: Final = "headrace"
_PORT: Final = 5432  # in the socket's name only; nothing listens on TCP
_ENVIRON: Final = {
    "LC_ALL": "C",
    "PATH": "/usr/bin:/bin",
}  # nothing of the caller's: PGDATA and the like would be obeyed
# The same text order and case rules everywhere, whatever locales the machine has.
_INITDB: Final = (
    "--username=postgres",
    "--auth-local=trust",  # the socket's folder is private to the account
    "--auth-host=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-sync",
    "--no-instructions",
)
_TUNED: Final[dict[str, str]] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "random_page_cost": "1.1",
    "jit": "off",  # our statements are short; compiling them costs more than it gives
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
# For tests alone: a power cut may lose everything.
_THROWAWAY: Final[dict[str, str]] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


def postgres_url(places: Places, database: str = DATABASE) -> str:
    """The address of a database, as libpq and psycopg take it; the port is named so that PGPORT cannot change it."""
    return f"postgresql://postgres@/{quote(database, safe='')}?host={quote(str(places.sockets), safe='')}&port={_PORT}"


def postgres_program(places: Places, *, durable: bool = True) -> Program:
    """How the Postgres of these places is prepared, started, found ready and stopped.

    Raises:
        ServerUnavailable: no Postgres for this machine.
    """
    programs = find_postgres(places)
    folder = places.home / POSTGRES
    options = _TUNED if durable else _TUNED | _THROWAWAY

    def prepare() -> None:
        _initialise(programs, folder, places)
        _refuse_other_version(programs, folder)
        _clear_stale_lock(folder, places.sockets)

    async def is_ready(pid: int) -> bool:
        return answers(places, pid)

    return Program(
        name="postgres",
        command=(
            *(str(programs / "postgres"), "-D", str(folder), "-k", str(places.sockets)),
            *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
        ),
        environ=_ENVIRON,
        prepare=prepare,
        is_ready=is_ready,
        stop_signal=signal.SIGINT,  # "fast": disconnects clients and shuts down cleanly; SIGTERM would wait for them
        # The same when the supervisor was killed: the next start need not recover.
        spawning=Spawning(account=places.account, death_signal=signal.SIGINT),
        is_quiet=True,
    )


def answers(places: Places, pid: int) -> bool:
    """Whether the server takes connections and is our own child `pid`, not a stranger's."""
    try:
        lines = (places.home / POSTGRES / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    # The eighth line is the server's own word on its state; the first is whose word it is.
    return len(lines) > 7 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004


def _initialise(programs: Path, folder: Path, places: Places) -> None:
    if (folder / "PG_VERSION").exists():
        return
    # Made beside its place and moved there when whole: a start that was killed half way leaves nothing that looks done.
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    places.own_folder(unfinished)
    _run(places, (str(programs / "initdb"), "-D", str(unfinished), *_INITDB))
    single = (str(programs / "postgres"), "--single", "-F", "-D", str(unfinished), "postgres")
    _run(places, single, f"CREATE DATABASE {DATABASE}\n")
    if folder.exists():
        folder.rmdir()
    unfinished.rename(folder)


def _run(places: Places, command: tuple[str, ...], given: str = "") -> None:
    account = places.account
    try:
        subprocess.run(  # noqa: S603 # our own words and paths
            command,
            input=given,
            env=_ENVIRON,
            cwd="/",
            capture_output=True,
            check=True,
            text=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except subprocess.CalledProcessError as error:
        raise ServerUnavailable(f"{Path(command[0]).name} failed: {str(error.stderr).strip()}") from error


def _refuse_other_version(programs: Path, folder: Path) -> None:
    of_the_data = (folder / "PG_VERSION").read_text().strip()
    of_the_program = postgres_major(programs)
    if of_the_data != str(of_the_program):
        raise ServerUnavailable(
            f"{folder} was written by Postgres {of_the_data} and this is Postgres {of_the_program}: dump it with the "
            "old version and load it into the new, or choose another --data-dir."
        )


def _clear_stale_lock(folder: Path, sockets: Path) -> None:
    """Remove the server's lock files when they name a process that is gone, or that is another program by now."""
    lock = folder / "postmaster.pid"
    try:
        pid = int(lock.read_text().split(maxsplit=1)[0])
    except FileNotFoundError:
        return
    except (IndexError, ValueError):
        pid = 0  # cut short when the machine went down
    if pid and started_at(pid) and pid != os.getpid() and f"-D {folder} " in command_of(pid):
        return  # alive and truly ours: Postgres itself will refuse, rightly
    # Both are needed: Postgres looks at each.
    lock.unlink(missing_ok=True)
    (sockets / f".s.PGSQL.{_PORT}.lock").unlink(missing_ok=True)
