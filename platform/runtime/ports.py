"""TCP ports: a free one found, and a listening one proven to be a given process's."""

import contextlib
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from domain.errors import Conflict

_TRIES: Final = 100
_LISTENING: Final = "0A"  # as the kernel spells the state in /proc/net/tcp


class PortTaken(Conflict):
    """Somebody listens there already; the detail says what to do."""

    code = "port_taken"
    title = "The port is in use"


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on `host` and `port` now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def find_free(host: str, wanted: int, *, taken: frozenset[int] = frozenset()) -> int:
    """The first port from `wanted` on that is free and not among `taken`.

    Raises:
        PortTaken: none of the next 100 is free, or `host` is not an address of this machine.
    """
    for port in range(wanted, min(wanted + _TRIES, 65536)):
        if port not in taken and is_free(host, port):
            return port
    raise PortTaken(f"No port from {wanted} on is free on {host}; is that an address of this machine?")


def listens(pid: int, port: int) -> bool:
    """Whether the process `pid` itself listens on TCP `port`: an answer from there could be a stranger's."""
    if sys.platform == "linux":
        return bool(_listening_inodes(pid, port) & _socket_inodes(pid))
    answer = subprocess.run(  # noqa: S603 # numbers and our own words
        ["/usr/sbin/lsof", "-nP", "-a", "-p", str(pid), f"-iTCP:{port}", "-sTCP:LISTEN"],
        capture_output=True,
        check=False,
    )
    return answer.returncode == 0


def _listening_inodes(pid: int, port: int) -> set[str]:
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(fields[9])
    return found


def _socket_inodes(pid: int) -> set[str]:
    found: set[str] = set()
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
