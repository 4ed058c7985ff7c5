"""One worker process: Celery's consumer in the main thread, the jobs on the loop beside it."""

import asyncio
import gc
import os
import socket
import warnings
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import structlog
from celery import Celery, signals
from celery.exceptions import SecurityWarning

from runtime.broker import celery_url, make_celery
from runtime.resources import needed, open_resources
from runtime.settings import Settings
from workers.execute import Bench, execute
from workers.handlers import BY_KIND
from workers.lease import Leases
from workers.pool import LoopThread, TaskPool
from workers.room import room_step
from workers.settle import Settler
from workers.slots import Slots
from workers.tasks import bind_run

log: Final = structlog.get_logger()


class Workplace:
    """The loop of a worker process and what is open on it."""

    def __init__(self, settings: Settings, *, name: str, queues: tuple[str, ...], concurrency: int) -> None:
        self.settings = settings
        self.name = name
        self.queues = queues
        self.concurrency = concurrency
        self.slots = Slots(concurrency)
        self._loop = LoopThread()
        self._open = AsyncExitStack()
        self._bench: Bench | None = None
        self._drained: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Open the resources and start the heartbeat."""
        self._loop.run(self._start())

    def ring(self, ids: list[str]) -> list[str]:
        """Run the jobs a message names; returns when they have ended, with the codes of what failed."""
        assert self._bench is not None  # noqa: S101 - opened before the first message
        return self._loop.run(execute(ids, self._bench))

    def drain(self) -> None:
        """Claim nothing more, and let what runs finish within the grace; returns at once. Safe in a signal handler."""
        self._loop.loop.call_soon_threadsafe(self._start_drain)

    def close(self) -> None:
        """Let go of everything."""
        self._loop.run(self._open.aclose())
        self._loop.stop()

    async def _start(self) -> None:
        settings = self.settings
        use = await self._open.enter_async_context(open_resources(settings, name=self.name, connections=10))
        leases = Leases(
            use,
            worker=self.name,
            queues=self.queues,
            concurrency=self.concurrency,
            lease_seconds=settings.lease_seconds,
            heartbeat_seconds=settings.heartbeat_seconds,
        )
        self._bench = Bench(
            use=use,
            handlers=BY_KIND,
            slots=self.slots,
            leases=leases,
            settler=Settler(use, patience_seconds=settings.lease_seconds),
        )
        for duty in (leases.beat(), leases.hear_cancels()):
            task = asyncio.create_task(duty)
            self._open.callback(task.cancel)

    def _start_drain(self) -> None:
        if self._bench is not None and self._drained is None:
            self._bench.is_draining = True
            self._drained = asyncio.create_task(self._bench.leases.drain(self.settings.grace_seconds))


def run_worker(
    settings: Settings, *, name: str, queues: Sequence[str], concurrency: int, on_ready: Callable[[], None]
) -> None:
    """Consume `queues` until SIGTERM or SIGINT; then finish or give back what runs, and return."""
    workplace = Workplace(settings, name=name, queues=tuple(queues), concurrency=concurrency)
    app = worker_celery(settings, queues=queues)
    bind_run(app, workplace.ring)
    steps: Any = app.steps
    steps["consumer"].add(room_step(workplace.slots))

    def ready(**_: Any) -> None:  # noqa: ANN401 - Celery's signal
        gc.collect()
        gc.freeze()
        log.info("worker.ready", worker=name, queues=list(queues), concurrency=concurrency)
        on_ready()

    def stopping(**_: Any) -> None:  # noqa: ANN401 - Celery's signal
        workplace.drain()

    # what it warns of as root, pickled messages, we do not accept from anybody
    warnings.filterwarnings("ignore", category=SecurityWarning)
    workplace.open()
    signals.worker_ready.connect(ready, weak=False)
    signals.worker_shutting_down.connect(stopping, weak=False)
    signals.setup_logging.connect(_keep_logs, weak=False)
    worker = app.Worker(
        hostname=f"{name}@{socket.gethostname()}",
        pool_cls=TaskPool,
        concurrency=concurrency,
        queues=list(queues),
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=False,
        optimization="fair",
        quiet=True,
    )
    worker.start()
    workplace.close()
    log.info("worker.stopped", worker=name, exitcode=worker.exitcode)
    os._exit(worker.exitcode or 0)


def worker_celery(settings: Settings, *, queues: Sequence[str]) -> Celery:
    """The Celery app of a worker, from the settings."""
    broker_url = settings.broker_url or celery_url(needed(settings, "redis_url"))
    return make_celery(settings, broker_url=broker_url, queues=queues, client="worker")


def _keep_logs(**_: Any) -> None:  # noqa: ANN401 - Celery's signal
    """Connected, it keeps Celery from setting up logs of its own."""
