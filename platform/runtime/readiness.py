"""How a process says it is ready, and how the supervisor makes sure of it."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final

_FOLDER: Final = "run"
_PATIENCE_SECONDS: Final = 1.0


def mark_ready(data_dir: Path) -> None:
    """Tell the supervisor that this process does its work now; without a supervisor nothing happens."""
    with contextlib.suppress(FileNotFoundError):
        _mark(data_dir, os.getpid()).touch()


def is_marked(data_dir: Path, pid: int) -> bool:
    """Whether the process `pid` said it is ready."""
    return _mark(data_dir, pid).exists()


def clear_mark(data_dir: Path, pid: int) -> None:
    """Forget what `pid` said: it is gone, and a later process may get its number."""
    _mark(data_dir, pid).unlink(missing_ok=True)


async def answers_http(host: str, port: int, path: str) -> bool:
    """Whether GET `path` answers 200 within a second."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(reachable(host), port)
            try:
                writer.write(f"GET {path} HTTP/1.0\r\nHost: {reachable(host)}\r\n\r\n".encode())
                return (await reader.readline()).split(maxsplit=2)[1:2] == [b"200"]
            finally:
                writer.close()
    return False


def reachable(host: str) -> str:
    """Where to reach a server that listens on `host`: an address that means "all" is no address to connect to."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 # compared, not bound


def _mark(data_dir: Path, pid: int) -> Path:
    return data_dir / _FOLDER / f"{pid}.ready"
