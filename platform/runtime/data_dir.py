"""What `up` keeps beside the servers' data: a lock, the secret key, the command's credentials."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Generator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from domain.accounts.api_key import make_key
from domain.errors import Conflict

_LOCK: Final = "up.lock"
_SECRET_KEY: Final = "secret.key"  # noqa: S105 # a file's name
_CREDENTIALS: Final = "credentials.json"


class DataDirInUse(Conflict):
    """Another `up` runs on this data directory."""

    code = "data_dir_in_use"
    title = "The data directory is in use"


class DataDirRefused(Conflict):
    """The data directory cannot be written."""

    code = "data_dir_refused"
    title = "The data directory cannot be written"


class Credentials(Struct, frozen=True):
    """Where the command finds the API and what it shows there."""

    url: str
    api_key: str


@contextlib.contextmanager
def hold_data_dir(data_dir: Path) -> Generator[None]:
    """Make the directory, and keep every other `up` off it until the block ends or this process does.

    Raises:
        DataDirInUse: another `up` holds it; the detail names its process.
        DataDirRefused: it cannot be made or written.
    """
    try:
        data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        # Whatever repository it lies in: what is kept here is nothing to commit.
        (data_dir / ".gitignore").write_text("*\n")
        lock = os.open(data_dir / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DataDirRefused(f"{error.filename}: {error.strerror}. Choose another --data-dir.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).decode().strip()
        os.close(lock)
        raise DataDirInUse(
            f"Another `headrace up` (process {holder or 'unknown'}) runs on {data_dir}: use that one, stop it, "
            "or choose another --data-dir."
        ) from None
    try:
        os.truncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        yield
    finally:
        # Closed, not removed: a file of that name made anew would be another lock.
        os.close(lock)


def keep_secret_key(data_dir: Path) -> str:
    """The directory's secret key, made on first use."""
    path = data_dir / _SECRET_KEY
    with contextlib.suppress(FileNotFoundError):
        if kept := path.read_text().strip():
            return kept
    made = secrets.token_urlsafe(48)
    _write_private(path, made.encode())
    return made


def keep_credentials(data_dir: Path, *, url: str, api_key: str | None) -> Credentials:
    """Write down where the API is now; the key is the one given, else the one kept, else a new one."""
    kept = find_credentials(data_dir)
    key = api_key or (kept.api_key if kept else str(make_key(secrets.token_bytes(40))))
    credentials = Credentials(url=url, api_key=key)
    _write_private(data_dir / _CREDENTIALS, msgspec.json.encode(credentials))
    return credentials


def find_credentials(data_dir: Path) -> Credentials | None:
    """What the last `up` on this directory wrote; None when there is nothing readable."""
    try:
        return msgspec.json.decode((data_dir / _CREDENTIALS).read_bytes(), type=Credentials)
    except (OSError, msgspec.DecodeError):
        return None


def _write_private(path: Path, content: bytes) -> None:
    # Renamed into place: a reader sees the old or the new, and a kill leaves no half.
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
