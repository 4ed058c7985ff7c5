"""Where the embedded servers keep their files and sockets, and whom they run as."""

import hashlib
import os
import pwd
import secrets
import stat
import subprocess
import sys
from pathlib import Path
from typing import Final

from msgspec import Struct

from domain.errors import Unavailable
from runtime.processes import Account

STATE: Final = Path("/var/lib/headrace")
POSTGRES: Final = "postgres"
REDIS: Final = "redis"
_LONGEST_SOCKET_NAME: Final = ".s.PGSQL.5432"
# The kernel's limit for the path of a socket, less its closing NUL.
_LONGEST_SOCKET_PATH: Final = 103 if sys.platform == "darwin" else 107


class ServerUnavailable(Unavailable):
    """An embedded server cannot run here; the detail says what to do."""

    code = "server_unavailable"
    title = "An embedded server cannot run"


class Places(Struct, frozen=True, kw_only=True):
    """The folders of the embedded servers and the account they run as; no account means the caller's own."""

    home: Path
    sockets: Path
    account: Account | None

    def own_folder(self, folder: Path) -> Path:
        """Make a folder that only the servers' account may enter."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.account:
            os.chown(folder, self.account.uid, self.account.gid)
        return folder


def find_places(data_dir: Path) -> Places:
    """Choose and make the folders for the servers of a data directory; the same directory gives the same folders.

    Postgres refuses to run as root, so root hands the servers to whoever owns the data already, or to `nobody`. A data
    directory that account cannot reach (below root's home, say) gets a folder under /var/lib instead, and a link to it.

    Raises:
        ServerUnavailable: the folders belong to someone else, or there is nobody to run as.
    """
    data_dir = data_dir.absolute()
    try:
        data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        account = _account(data_dir)
        home = _home(data_dir, account)
        places = Places(home=home, sockets=_sockets(home), account=account)
        places.own_folder(places.sockets)
    except PermissionError as error:
        raise ServerUnavailable(
            f"{error.filename} belongs to someone else: run as its owner, or choose another --data-dir."
        ) from error
    _refuse_foreign(places)
    return places


def is_reachable(path: Path, account: Account | None) -> bool:
    """Whether the account may enter the folder, or run the program, at `path`."""
    if account is None:
        return os.access(path, os.X_OK)
    # Asked as that account: modes of every parent, access lists and mounts all have their say.
    answer = subprocess.run(  # noqa: S603 # our own words and a path
        ["/bin/sh", "-c", 'test -x "$0"', str(path)],
        check=False,
        cwd="/",
        user=account.uid,
        group=account.gid,
        extra_groups=[],
    )
    return answer.returncode == 0


def _account(data_dir: Path) -> Account | None:
    if os.geteuid() != 0:
        _known(os.geteuid())
        return None
    for name in (f"servers/{POSTGRES}", POSTGRES):
        try:
            owner = (data_dir / name).stat()
        except FileNotFoundError:
            continue
        if owner.st_uid != 0:
            _known(owner.st_uid)
            return Account(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise ServerUnavailable(
            "Postgres does not run as root and there is no user `nobody` to run it as: add one, or set "
            "HEADRACE_DATABASE_URL and HEADRACE_REDIS_URL."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def _known(uid: int) -> None:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise ServerUnavailable(
            f"Postgres needs its user to have a name and uid {uid} has none: add a line for it to /etc/passwd, or set "
            "HEADRACE_DATABASE_URL and HEADRACE_REDIS_URL."
        ) from None


def _home(data_dir: Path, account: Account | None) -> Path:
    link = data_dir / "servers"
    if link.is_symlink():
        return link.resolve()
    if account is None or is_reachable(data_dir, account):
        return data_dir
    # A name of its own for each: a data directory that was removed and made again must not find the old data.
    home = STATE / secrets.token_hex(6)
    home.mkdir(parents=True)
    for folder in (STATE, home):
        folder.chmod(0o755)  # whatever the umask is
    link.symlink_to(home)
    return home


def _sockets(home: Path) -> Path:
    sockets = home / "sockets"
    if len(os.fsencode(sockets / _LONGEST_SOCKET_NAME)) <= _LONGEST_SOCKET_PATH:
        return sockets
    name = f"headrace-{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}"
    for base in (Path("/run"), Path(f"/run/user/{os.geteuid()}")):
        if os.access(base, os.W_OK):
            return base / name
    return Path("/tmp") / name  # noqa: S108 # made private, and refused below when it is not ours


def _refuse_foreign(places: Places) -> None:
    wanted = places.account.uid if places.account else os.geteuid()
    found = places.sockets.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != wanted or found.st_mode & 0o077:
        raise ServerUnavailable(f"{places.sockets} is not a private folder of ours: choose a shorter --data-dir.")
