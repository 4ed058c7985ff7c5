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


class PortBook:
    """Hands out free ports, each once: another process that chooses at the same moment gets others.

    A port handed out stays promised until the book is closed or its process ends; nothing listens on it yet.
    """

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._promises: list[socket.socket] = []

    def claim(self, port: int) -> None:
        """Keep a port that somebody asked for by number from being found for something else."""
        self._taken.add(port)
        self._promise(port)

    def find(self, host: str, wanted: int) -> int:
        """The first port from `wanted` on that is free and promised to nobody.

        Raises:
            PortTaken: none of the next 100 is, or `host` is not an address of this machine.
        """
        for port in range(wanted, min(wanted + _TRIES, 65536)):
            if port not in self._taken and is_free(host, port) and self._promise(port):
                self._taken.add(port)
                return port
        raise PortTaken(f"No port from {wanted} on is free on {host}; is that an address of this machine?")

    def close(self) -> None:
        """Let go of what was promised."""
        for promise in self._promises:
            promise.close()
        self._promises.clear()

    def _promise(self, port: int) -> bool:
        if sys.platform != "linux":
            return True
        # A name in the kernel's own space: as wide as the ports' and gone with its holder. Never listened on.
        promise = socket.socket(socket.AF_UNIX)
        try:
            promise.bind(f"\0headrace-port-{port}")
        except OSError:
            promise.close()
            return False
        self._promises.append(promise)
        return True


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
