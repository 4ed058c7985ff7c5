"""The processes off the request path, one command each: relay, worker, beat, flower."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import click
import uvloop

from domain.catalog import QUEUES
from runtime.broker import Sender, celery_url, make_celery
from runtime.collector import settle_in
from runtime.event_streams import EventStreams
from runtime.figures_port import told_on_a_port
from runtime.logs import configure_logs
from runtime.readiness import mark_ready
from runtime.resources import needed, open_stores
from runtime.settings import Settings, environment_with, read_settings
from storage.database import open_database

_CONCURRENCY: Final = 100
_RESCUE_SECONDS: Final = 5.0
_DRAIN_GRACE: Final = 5.0
_STALLED_SECONDS: Final = 300.0  # for what takes half a minute where everything it needs hangs
_LOOP_SECONDS: Final = 60.0


@click.command()
@click.option("--name", default="relay", show_default=True, help="What the process is called in logs.")
def relay(name: str) -> None:
    """Release due jobs to the broker; rescue, expire, act in bulk, prune, publish on a clock. Several may run."""
    from workers.bulk import bulk_forever  # noqa: PLC0415 - Celery is heavy, `--help` is not
    from workers.emptied import watch_broker  # noqa: PLC0415 - as above
    from workers.figures import LOOK, RelayFigures  # noqa: PLC0415 - as above
    from workers.prune import prune_forever  # noqa: PLC0415 - as above
    from workers.publish import publish_forever  # noqa: PLC0415 - as above
    from workers.relay import Relay  # noqa: PLC0415 - as above
    from workers.rescue import rescue_forever  # noqa: PLC0415 - as above

    settings = _start(name)
    figures = RelayFigures(name)
    figures.expect(LOOK, within_seconds=_STALLED_SECONDS)

    async def work() -> None:
        app = make_celery(settings, broker_url=_broker_url(settings), queues=QUEUES, client=name)
        sender = Sender(app)
        # how queues are looked at takes longer to plan than to do, and reads the same indexes whatever the values are
        gate = open_database(needed(settings, "database_url"), name=f"{name}-gate", size=1, plans_once=True)
        try:
            async with open_stores(settings, name=name, connections=4) as use:
                await use.wakeups.check_keeping()
                async with asyncio.TaskGroup() as duties:
                    duties.create_task(figures.watch_loop(within_seconds=_LOOP_SECONDS))
                    duties.create_task(Relay(use, sender, queues=QUEUES, gate=gate, figures=figures).run())
                    duties.create_task(
                        rescue_forever(
                            use,
                            figures,
                            resend_seconds=settings.resend_seconds,
                            every_seconds=min(_RESCUE_SECONDS, settings.lease_seconds / 6),
                            grace_seconds=settings.heartbeat_seconds * 1.5,
                        )
                    )
                    duties.create_task(watch_broker(use, sender, figures))
                    duties.create_task(bulk_forever(use, figures))
                    duties.create_task(prune_forever(use, figures, retention_days=settings.retention_days))
                    streams = EventStreams(use.wakeups.redis, kept=settings.domain_events_in_redis)
                    duties.create_task(publish_forever(use, streams, figures))
                    settle_in()
                    figures.is_ready = True
                    mark_ready(settings.data_dir)
        finally:
            await gate.close()
            sender.close()

    with told_on_a_port(settings, figures):
        _run_until_told(work)


@click.command()
@click.option("--name", default=None, help="What the worker is called; default worker-<pid>.")
@click.option("-Q", "--queues", default=",".join(QUEUES), show_default=True, help="The queues it takes jobs from.")
@click.option("-c", "--concurrency", type=click.IntRange(1, 1000), default=_CONCURRENCY, show_default=True)
def worker(name: str | None, queues: str, concurrency: int) -> None:
    """Run jobs: a Celery worker whose handlers share one event loop."""
    from workers.worker import run_worker  # noqa: PLC0415 - Celery is heavy, `--help` is not

    name = name or f"worker-{os.getpid()}"
    chosen = [queue.strip() for queue in queues.split(",") if queue.strip()]
    unknown = sorted(set(chosen) - set(QUEUES))
    if unknown:
        raise click.BadParameter(f"there is no queue {', '.join(unknown)}; there are {', '.join(QUEUES)}")
    settings = _start(name)
    run_worker(
        settings, name=name, queues=chosen, concurrency=concurrency, on_ready=lambda: mark_ready(settings.data_dir)
    )


@click.command()
@click.option("--name", default="beat", show_default=True, help="What the process is called in logs.")
def beat(name: str) -> None:
    """Fire schedules: Celery beat over the schedules table. Several may run; each firing is one job."""
    from celery import signals  # noqa: PLC0415 - Celery is heavy, `--help` is not

    from schedules.beat import scheduler_with  # noqa: PLC0415 - as above
    from schedules.figures import TICK, BeatFigures  # noqa: PLC0415 - as above

    settings = _start(name)
    figures = BeatFigures(name)
    figures.expect(TICK, within_seconds=_STALLED_SECONDS)
    app = make_celery(settings, broker_url=_broker_url(settings), queues=QUEUES, client=name)

    def keep_logs(**_: object) -> None:
        """Connected, it keeps Celery from setting up logs of its own."""

    def ready(**_: object) -> None:
        figures.is_ready = True
        mark_ready(settings.data_dir)

    signals.setup_logging.connect(keep_logs, weak=False)
    signals.beat_init.connect(ready, weak=False)
    with told_on_a_port(settings, figures):
        app.Beat(scheduler_cls=scheduler_with(figures), quiet=True).run()


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=5555, show_default=True)
def flower(host: str, port: int) -> None:
    """Show the workers: Flower, read-only."""
    settings = _start("flower")
    arguments = [sys.executable, "-m", "celery", *flower_arguments(settings, host=host, port=port)]
    os.execve(sys.executable, arguments, environment_with(**flower_access(settings)))  # noqa: S606 - our own interpreter


def flower_arguments(settings: Settings, *, host: str, port: int) -> list[str]:
    """The arguments of `celery` that start Flower as Headrace wants it.

    Raises:
        click.UsageError: it would be open to others than this machine's users without a password.
    """
    is_loopback = host in {"127.0.0.1", "::1", "localhost"}
    if settings.flower_password is None and (settings.is_production or not is_loopback):
        raise click.UsageError(
            "Flower would be open to everybody. Set HEADRACE_FLOWER_PASSWORD, or keep to --host 127.0.0.1."
        )
    return [
        "--app=cli.worker_app:app",
        "--quiet",
        "flower",
        f"--address={host}",
        f"--port={port}",
        "--read_only=true",
        "--max_tasks=10000",
        "--purge_offline_workers=600",
        "--persistent=false",
    ]


def flower_access(settings: Settings) -> dict[str, str]:
    """Who may look, as Flower's own variables: no secret among the arguments, which every user of the machine sees."""
    if settings.flower_password is not None:
        return {"FLOWER_BASIC_AUTH": f"operator:{settings.flower_password}"}
    # Flower's pages are open on loopback, so its API says nothing the pages do not
    return {"FLOWER_UNAUTHENTICATED_API": "true"}


def _broker_url(settings: Settings) -> str:
    return settings.broker_url or celery_url(needed(settings, "redis_url"))


def _start(name: str) -> Settings:
    settings = read_settings()
    configure_logs(settings, process=name)
    return settings


def _run_until_told(work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` until SIGTERM or SIGINT, then cancel it and wait for it to clean up."""

    async def main() -> None:
        job = asyncio.ensure_future(work())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, job.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await job

    uvloop.run(main())
