"""`headrace api`: the HTTP API, served by uvicorn."""

import asyncio
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import click
import structlog
import uvicorn

from api.app import Application, make_app
from api.door import door_to
from cli.exits import CommandFailed
from runtime.cache import open_cache
from runtime.collector import settle_in
from runtime.logs import configure_logs
from runtime.quotas import open_quotas
from runtime.readiness import mark_ready
from runtime.resources import needed, open_stores
from runtime.settings import Settings, read_settings
from storage.database import open_database

_KEEP_ALIVE_SECONDS: Final = 65  # longer than the usual proxy keeps an idle connection: the proxy is the one to close
_SHUTDOWN_SECONDS: Final = 20
_BACKLOG: Final = 2048
_CONNECTIONS: Final = 8
_STREAM_CONNECTIONS: Final = 3  # for reading on, for reading back, and to look after followed jobs
_WAIT_SECONDS: Final = 1.0  # for a free one of them; who waits longer is told to come back

_LOG: Final = structlog.stdlib.get_logger(__name__)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free one.")
@click.option("--name", default="api", show_default=True, help="What the process is called in logs.")
def api(host: str, port: int, name: str) -> None:
    """Answer HTTP. Several may run behind a balancer."""
    settings = read_settings()
    configure_logs(settings, process=name)
    loop_factory = server_config(None, settings).get_loop_factory()
    with _listen(host, port) as listener, asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve(settings, listener, name))


async def _serve(settings: Settings, listener: socket.socket, name: str) -> None:
    draining = asyncio.Event()
    async with open_stores(settings, name=name, connections=_CONNECTIONS, wait_seconds=_WAIT_SECONDS) as use:
        url = needed(settings, "database_url")
        health = open_database(url, name=f"{name}-health", size=1)
        followed = open_database(url, name=f"{name}-events", size=_STREAM_CONNECTIONS)
        quotas = open_quotas(needed(settings, "redis_url"))
        answers = open_cache(settings, needed(settings, "redis_url"))
        try:
            await quotas.meet()
            app = make_app(
                use.database,
                use.wakeups,
                settings,
                health=health,
                followed=followed,
                quotas=quotas,
                answers=answers,
                draining=draining,
            )
            await _Server(server_config(app, settings), settings, draining).serve(sockets=[listener])
        finally:
            await answers.close()
            await quotas.close()
            await followed.close()
            await health.close()


class _Server(uvicorn.Server):
    """A server that says when it is ready, and lets streams end themselves before it stops."""

    def __init__(self, config: uvicorn.Config, settings: Settings, draining: asyncio.Event) -> None:
        super().__init__(config)
        self._settings = settings
        self._draining = draining

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer; what has been loaded by now stays, so the collector need not look at it again."""
        await super().startup(sockets)
        settle_in()
        mark_ready(self._settings.data_dir)
        _LOG.info("api.ready", address=sockets[0].getsockname() if sockets else None)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Stop in order on the first signal, at once on the second.

        uvicorn's own way raises the signal again when it is done, which would end the process before the stores are
        closed.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
        self._draining.set()


def server_config(app: Application | None, settings: Settings) -> uvicorn.Config:
    """How uvicorn is run. Where a request comes from is what its socket says, unless the settings trust a proxy.

    Left to itself, uvicorn would believe any X-Forwarded-For that comes from this machine.
    """
    return uvicorn.Config(
        app or "",
        loop="auto",
        http="httptools" if app is None else door_to(app),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        # never its default, an environment variable of its own
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        backlog=_BACKLOG,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise CommandFailed(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --port.") from None
