"""One embedded server started and stopped by hand: for tests and tools; `up` has its supervisor do it."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from runtime.embedded import postgres, redis
from runtime.embedded.places import Places, ServerUnavailable, find_places
from runtime.programs import Program

_PATIENCE_SECONDS: Final = 30.0
_STOPPING_SECONDS: Final = 15.0


class Server:
    """A running server; `url` is where it answers. Leaving its context stops it."""

    def __init__(self, name: str, url: str, places: Places, process: subprocess.Popen[bytes], program: Program) -> None:
        self.name = name
        self.url = url
        self.places = places
        self.process = process
        self._program = program

    @property
    def pid(self) -> int:
        """The server's process."""
        return self.process.pid

    def stop(self) -> None:
        """Stop the server cleanly; by force after 15 seconds."""
        self.process.send_signal(self._program.stop_signal)
        try:
            self.process.wait(_STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_postgres(data_dir: Path, *, durable: bool = True) -> Server:
    """Start the Postgres of a data directory and wait until it answers; without `durable` a power cut may lose all.

    Raises:
        ServerUnavailable: it cannot run here, or did not answer within 30 seconds.
    """
    places = find_places(data_dir)
    program = postgres.postgres_program(places, durable=durable)
    return _start(program, postgres.postgres_url(places), places, lambda pid: postgres.answers(places, pid))


def start_redis(data_dir: Path, *, durable: bool = True) -> Server:
    """Start the Redis of a data directory and wait until it answers; without `durable` it keeps nothing.

    Raises:
        ServerUnavailable: it cannot run here, or did not answer within 30 seconds.
    """
    places = find_places(data_dir)
    program = redis.redis_program(places, durable=durable)
    return _start(program, redis.redis_url(places), places, lambda pid: redis.answers(places, pid))


def _start(program: Program, url: str, places: Places, answers: Callable[[int], bool]) -> Server:
    program.prepare()
    log = places.home / f"{program.name}.log"
    with log.open("wb") as output:
        process = program.spawn(output.fileno())
    server = Server(program.name, url, places, process, program)
    patience_ends = time.monotonic() + _PATIENCE_SECONDS
    while not answers(process.pid):
        if process.poll() is not None:
            raise ServerUnavailable(f"{program.name} ended with {process.returncode}: {_end_of(log)}")
        if time.monotonic() > patience_ends:
            server.stop()
            raise ServerUnavailable(f"{program.name} did not answer in time: {_end_of(log)}")
        time.sleep(0.01)
    return server


def _end_of(log: Path) -> str:
    return log.read_bytes()[-2000:].decode("utf-8", "replace").strip()
