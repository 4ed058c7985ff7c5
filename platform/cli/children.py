"""The platform's own processes as `up` runs them: each is this same command with a name of a process after it."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from runtime.ports import listens
from runtime.programs import Program
from runtime.readiness import answers_http, is_marked, reachable
from runtime.settings import PREFIX

LOOPBACK: Final = "127.0.0.1"
_GRACE_BEYOND_JOBS_SECONDS: Final = 10.0


class Addresses(Struct, frozen=True, kw_only=True):
    """Where the platform listens; no port means that it is not started here."""

    host: str
    api_port: int
    flower_port: int | None
    mail_port: int | None
    metrics_host: str = LOOPBACK
    metrics_ports: dict[str, int] = {}
    """Where processes that have no other port tell their figures, by name; empty: nowhere."""

    @property
    def api(self) -> str:
        """The API's URL."""
        return _url(self.host, self.api_port)

    @property
    def flower(self) -> str | None:
        """Flower's URL: loopback only, whoever may reach the API."""
        return _url(LOOPBACK, self.flower_port) if self.flower_port else None

    @property
    def mail(self) -> str | None:
        """The local inbox's URL."""
        return f"smtp://{LOOPBACK}:{self.mail_port}" if self.mail_port else None

    @property
    def metrics(self) -> dict[str, str]:
        """The URLs of those figures, by the name of the process."""
        return {name: f"{_url(self.metrics_host, port)}/metrics" for name, port in self.metrics_ports.items()}


class Children(Struct, frozen=True, kw_only=True):
    """What all children share: the environment they get, the folder they report to, how long workers may finish.

    Each of `metrics_ports` is one process's alone.
    """

    environ: dict[str, str]
    data_dir: Path
    grace_seconds: float
    metrics_ports: dict[str, int] = {}

    def mail(self, port: int) -> Program:
        """The local inbox."""

        async def is_ready(pid: int) -> bool:
            return listens(pid, port)

        return self._program("mail", "mail", "serve", "--port", str(port), is_ready=is_ready)

    def prepare(self, *, api_key: str) -> Program:
        """Brings the schema up to date and, in development, seeds what a newcomer needs; ends by itself."""
        command = (sys.executable, "-P", "-m", "cli.prepare")
        return Program(name="migrate", command=command, environ=self.environ | {f"{PREFIX}API_KEY": api_key})

    def api(self, host: str, port: int) -> Program:
        """The HTTP API."""
        answers = _answers(host, port, "/health/ready")
        return self._program("api", "api", "--host", host, "--port", str(port), is_ready=answers)

    def flower(self, port: int) -> Program:
        """Flower."""
        return self._program("flower", "flower", "--port", str(port), is_ready=_answers(LOOPBACK, port, "/healthcheck"))

    def relay(self) -> Program:
        """The relay."""
        return self._program("relay", "relay", is_ready=self._says_so)

    def worker(self, number: int) -> Program:
        """A worker."""
        name = worker_name(number)
        return self._program(name, "worker", "--name", name, is_ready=self._says_so)

    def beat(self) -> Program:
        """Beat."""
        return self._program("beat", "beat", is_ready=self._says_so)

    async def _says_so(self, pid: int) -> bool:
        return is_marked(self.data_dir, pid)

    def _program(self, name: str, *words: str, is_ready: Callable[[int], Awaitable[bool]]) -> Program:
        port = self.metrics_ports.get(name)
        return Program(
            name=name,
            command=_command(*words),
            environ=self.environ if port is None else self.environ | {f"{PREFIX}METRICS_PORT": str(port)},
            is_ready=is_ready,
            # A stopping worker gives its jobs this long, and then has to give them back.
            grace_seconds=self.grace_seconds + _GRACE_BEYOND_JOBS_SECONDS,
        )


def worker_name(number: int) -> str:
    """What `up` calls its workers, numbered from 1."""
    return f"worker-{number}"


def _command(*words: str) -> tuple[str, ...]:
    # -P: the folder it runs in is no place to import from.
    return (sys.executable, "-P", "-m", "cli.main", *words)


def _answers(host: str, port: int, path: str) -> Callable[[int], Awaitable[bool]]:
    async def is_ready(pid: int) -> bool:
        # Whoever answers must be the child: a stranger on the port would do so just as well.
        return await answers_http(host, port, path) and listens(pid, port)

    return is_ready


def _url(host: str, port: int) -> str:
    name = reachable(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
