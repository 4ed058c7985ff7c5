"""`headrace up`: everything the platform needs on this machine, under one supervisor."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Struct

from cli.children import LOOPBACK, Addresses, Children, worker_name
from domain.errors import HeadraceError
from runtime.child_logs import ChildLogs, LogFormat
from runtime.data_dir import hold_data_dir, keep_credentials, keep_secret_key
from runtime.embedded.places import find_places
from runtime.embedded.postgres import postgres_program, postgres_url
from runtime.embedded.redis import redis_program, redis_url
from runtime.leftovers import end_leftovers
from runtime.log_masks import line_mask
from runtime.ports import PortBook, PortTaken, is_free
from runtime.programs import Program
from runtime.settings import PREFIX, Settings, environment_with, read_settings
from runtime.supervisor import RUN, Supervisor, patience_of

API_PORT: Final = 8000
FLOWER_PORT: Final = 5555
MAIL_PORT: Final = 1025
# Children find our packages wherever this process found them, even by a path relative to its own folder.
_SOURCES: Final = str(Path(__file__).resolve().parents[1])


class Ready(Struct, frozen=True, kw_only=True):
    """Where everything is; what `--json` prints."""

    api: str
    flower: str | None
    console: str
    mail: str | None
    database_url: str
    redis_url: str
    api_key: str
    processes: dict[str, int]
    metrics: dict[str, str]


class Stores(Struct, frozen=True, kw_only=True):
    """Where Postgres and Redis are, and the programs to start for those that are embedded."""

    database_url: str
    redis_url: str
    programs: tuple[Program, ...]


class Wish(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    host: str
    port: int | None
    data_dir: Path
    workers: int
    has_flower: bool
    as_json: bool


@click.command()
@click.option("--host", default=LOOPBACK, show_default=True, help="The address the API listens on.")
@click.option("--port", type=click.IntRange(1, 65535), help=f"The API's port; else the first free one from {API_PORT}.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where data, logs and credentials are kept.")
@click.option("--workers", type=click.IntRange(0, 64), default=1, show_default=True, help="How many worker processes.")
@click.option("--no-flower", is_flag=True, help="Leave Flower out.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON on standard output when ready.")
def up(  # noqa: PLR0913 # one parameter an option, as click hands them over
    *, host: str, port: int | None, data_dir: Path | None, workers: int, no_flower: bool, as_json: bool
) -> None:
    """Start the whole platform on this machine, and keep it running until Ctrl-C.

    Postgres, Redis and a mail inbox are started too, unless HEADRACE_DATABASE_URL, HEADRACE_REDIS_URL and
    HEADRACE_SMTP_URL name your own. What dies is started again; nothing is lost by stopping, or by being killed.
    """
    try:
        settings = read_settings()
        wish = Wish(
            host=host,
            port=port,
            data_dir=(data_dir or settings.data_dir).absolute(),
            workers=workers,
            has_flower=not no_flower,
            as_json=as_json,
        )
        with hold_data_dir(wish.data_dir):
            for name in end_leftovers(wish.data_dir / RUN):
                _tell(f"Ended {name}, which an `up` that was killed had left running.")
            with contextlib.closing(PortBook()) as book:
                asyncio.run(_run(wish, settings, _addresses(wish, settings, book)))
    except HeadraceError as error:
        raise click.ClickException(error.detail) from error


async def _run(wish: Wish, settings: Settings, addresses: Addresses) -> None:
    stores = _stores(wish, settings)
    credentials = keep_credentials(wish.data_dir, url=addresses.api, api_key=settings.api_key)
    log_format: LogFormat = settings.log_format or ("console" if sys.stderr.isatty() else "json")
    changes = {
        "data_dir": str(wish.data_dir),
        "database_url": stores.database_url,
        "redis_url": stores.redis_url,
        "smtp_url": settings.smtp_url or addresses.mail,
        "secret_key": settings.secret_key or keep_secret_key(wish.data_dir),
        "url": settings.url or addresses.api,
        "log_format": log_format,
        # on a developer's own machine, so are the receivers
        "webhook_loopback": None if settings.is_production or settings.webhook_loopback is not None else "true",
    }
    environ = _environ(settings, {name: value for name, value in changes.items() if value is not None})
    children = Children(
        environ=environ,
        data_dir=wish.data_dir,
        grace_seconds=settings.grace_seconds,
        metrics_ports=addresses.metrics_ports,
    )
    logs = ChildLogs(wish.data_dir / "logs", sys.stderr, log_format, line_mask(settings))
    supervisor = Supervisor(wish.data_dir, logs, patience_of(settings.restart_seconds))

    async def start_platform() -> None:
        await supervisor.finish(children.prepare(api_key=credentials.api_key))
        await supervisor.start(*_platform(children, wish, addresses))

    async def start() -> None:
        mail = [children.mail(addresses.mail_port)] if addresses.mail_port else []
        flower = [children.flower(addresses.flower_port)] if addresses.flower_port else []
        await supervisor.start(*stores.programs, *mail)
        # Flower takes longest to start and asks nothing of the database: it need not wait for the rest.
        await asyncio.gather(supervisor.start(*flower), start_platform())
        ready = Ready(
            api=addresses.api,
            flower=addresses.flower,
            console=f"{addresses.api}/console",
            mail=addresses.mail,
            database_url=stores.database_url,
            redis_url=stores.redis_url,
            api_key=credentials.api_key,
            processes=supervisor.pids,
            metrics=addresses.metrics,
        )
        _announce(ready, as_json=wish.as_json)

    try:
        await supervisor.run(start)
    finally:
        logs.close()


def _environ(settings: Settings, changes: dict[str, str]) -> dict[str, str]:
    """The environment for children: our own, with settings changed by name.

    The command's own key is not theirs to have, and libpq's variables would bend the embedded server's address.
    """
    given = environment_with(**{f"{PREFIX}{name.upper()}": value for name, value in changes.items()})
    is_embedded = settings.database_url is None
    return {
        name: value
        for name, value in given.items()
        if name != f"{PREFIX}API_KEY" and not (is_embedded and name.startswith("PG"))
    } | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join([_SOURCES, *filter(None, [given.get("PYTHONPATH")])])}


def _platform(children: Children, wish: Wish, addresses: Addresses) -> list[Program]:
    return [
        children.api(addresses.host, addresses.api_port),
        children.relay(),
        *(children.worker(number) for number in range(1, wish.workers + 1)),
        children.beat(),
    ]


def _stores(wish: Wish, settings: Settings) -> Stores:
    if settings.database_url and settings.redis_url:
        return Stores(database_url=settings.database_url, redis_url=settings.redis_url, programs=())
    places = find_places(wish.data_dir)
    if places.home != wish.data_dir:
        _tell(f"The servers cannot reach {wish.data_dir} as an ordinary user; their data is in {places.home}.")
    programs: list[Program] = []
    if settings.database_url is None:
        programs.append(postgres_program(places))
    if settings.redis_url is None:
        programs.append(redis_program(places))
    return Stores(
        database_url=settings.database_url or postgres_url(places),
        redis_url=settings.redis_url or redis_url(places),
        programs=tuple(programs),
    )


def _addresses(wish: Wish, settings: Settings, book: PortBook) -> Addresses:
    if wish.port and not is_free(wish.host, wish.port):
        raise PortTaken(
            f"Port {wish.port} on {wish.host} is in use, or not ours to use: end what listens there, or choose another "
            "--port; without the option a free one is found."
        )
    if wish.port:
        book.claim(wish.port)
    api_port = wish.port or _default_port(book, "The API", wish.host, API_PORT)
    flower_port = _default_port(book, "Flower", LOOPBACK, FLOWER_PORT) if wish.has_flower else None
    mail_port = None if settings.smtp_url else _default_port(book, "The mail inbox", LOOPBACK, MAIL_PORT)
    return Addresses(
        host=wish.host,
        api_port=api_port,
        flower_port=flower_port,
        mail_port=mail_port,
        metrics_host=settings.metrics_host,
        metrics_ports=_metrics_ports(wish, settings, book),
    )


def _metrics_ports(wish: Wish, settings: Settings, book: PortBook) -> dict[str, int]:
    """A port for each process that has no other, the first free ones from the setting on; none without a setting."""
    found: dict[str, int] = {}
    wanted = settings.metrics_port
    if wanted is not None:
        for name in ("relay", *map(worker_name, range(1, wish.workers + 1)), "beat"):
            found[name] = book.find(settings.metrics_host, wanted)
            wanted = found[name] + 1
    return found


def _default_port(book: PortBook, whose: str, host: str, wanted: int) -> int:
    found = book.find(host, wanted)
    if found != wanted:
        _tell(f"Port {wanted} is in use; {whose} listens on {found}.")
    return found


def _announce(ready: Ready, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(ready))
        return
    lines = {
        "API": ready.api,
        "Docs": f"{ready.api}/docs",
        "Console": ready.console,
        "Flower": ready.flower,
        "Mail": ready.mail,
        "Key": ready.api_key,
        "Metrics": "  ".join(ready.metrics.values()),
    }
    click.echo("\nHeadrace is ready. Ctrl-C stops it; nothing is lost.\n")
    for name, value in lines.items():
        if value:
            click.echo(f"  {name:<8} {value}")
    click.echo("\n  Try      ./headrace demo\n")


def _tell(line: str) -> None:
    click.echo(f"headrace: {line}", err=True)
