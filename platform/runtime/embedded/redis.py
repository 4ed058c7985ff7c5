"""The embedded Redis-compatible server (Valkey), reached through a Unix socket only."""

import contextlib
import signal
import socket
from typing import Final
from urllib.parse import quote

from runtime.embedded.binaries import find_redis
from runtime.embedded.places import REDIS, Places
from runtime.processes import Spawning
from runtime.programs import Program

DATABASES: Final = 64
_SOCKET: Final = "redis.sock"
_PATIENCE_SECONDS: Final = 0.5


def redis_url(places: Places, database: int = 0) -> str:
    """The address of a numbered database, as redis-py takes it."""
    return f"unix://{quote(str(places.sockets / _SOCKET))}?db={database}"


def redis_program(places: Places, *, durable: bool = True) -> Program:
    """How the Redis of these places is prepared, started, found ready and stopped.

    Raises:
        ServerUnavailable: no such server for this machine.
    """
    folder = places.home / REDIS
    path = places.sockets / _SOCKET

    def prepare() -> None:
        places.own_folder(folder)
        # The server unlinks a socket that is in its way, but not what a crash may have left in its place.
        path.unlink(missing_ok=True)

    async def is_ready(pid: int) -> bool:
        return answers(places, pid)

    return Program(
        name="redis",
        command=(
            *(str(find_redis(places)), "--dir", str(folder), "--daemonize", "no", "--databases", str(DATABASES)),
            *("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"),
            *("--appendonly", "yes" if durable else "no", "--appendfsync", "everysec", "--save", ""),
            # Evicting would lose messages without a word; a full server says so.
            *("--maxmemory", "256mb", "--maxmemory-policy", "noeviction"),
        ),
        environ={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        prepare=prepare,
        is_ready=is_ready,
        stop_signal=signal.SIGTERM,
        spawning=Spawning(account=places.account, death_signal=signal.SIGTERM),
        is_quiet=True,
    )


def answers(places: Places, pid: int) -> bool:
    """Whether the server has loaded its data and is our own child `pid`, not a stranger's."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_PATIENCE_SECONDS)
        client.connect(str(places.sockets / _SOCKET))
        client.sendall(b"INFO\r\n")
        answer = client.recv(65536)
        return f"process_id:{pid}\r\n".encode() in answer and b"\nloading:0\r" in answer
    return False
