"""One worker process: Celery's consumer in the main thread, the jobs on the loop beside it, a watchdog over both."""

import asyncio
import faulthandler
import os
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import structlog
from celery import Celery, signals
from celery.exceptions import SecurityWarning

from domain.jobs.job import Job
from runtime.broker import Sender, celery_url, make_celery
from runtime.collector import settle_in
from runtime.figures_port import told_on_a_port
from runtime.resources import needed, open_resources
from runtime.settings import Settings
from storage.database import open_database
from workers.abandoned import Abandoned, most_abandoned
from workers.canary import Canary, canary_step
from workers.execute import Bench, execute
from workers.exits import WorkerExit
from workers.figures import HEARING, WorkerFigures
from workers.handlers import BY_KIND
from workers.lease import Leases
from workers.pool import LoopThread, TaskPool
from workers.room import room_step
from workers.settle import Settler
from workers.slots import Slots
from workers.task_events import TaskEventsStep
from workers.tasks import bind_run
from workers.watchdog import Watchdog

log: Final = structlog.get_logger()

_BEYOND_THE_GRACE_SECONDS: Final = 10.0
_MOST_KEPT: Final = 2  # slots no crowd may take


class Workplace:
    """The loop of a worker process and what is open on it."""

    def __init__(
        self, settings: Settings, sender: Sender, *, name: str, queues: tuple[str, ...], concurrency: int
    ) -> None:
        self.settings = settings
        self.name = name
        self.queues = queues
        self.concurrency = concurrency
        self.slots = Slots(concurrency, kept=min(_MOST_KEPT, concurrency // 4))
        self.figures = WorkerFigures(name)
        self.exit_code: WorkerExit | None = None
        self.canary = Canary(
            sender,
            worker=name,
            every_seconds=settings.canary_seconds,
            slots=self.slots,
            on_deaf=lambda: self.retire(WorkerExit.DEAF),
            on_heard=lambda: self.figures.came_round(HEARING),
        )
        self._singing: asyncio.Task[None] | None = None
        self._loop = LoopThread()
        self._open = AsyncExitStack()
        self._bench: Bench | None = None
        self._drained: asyncio.Task[None] | None = None
        self._watchdog = Watchdog(self._loop.loop, settings, worker=name, running=self._running)

    def open(self) -> None:
        """Open the resources; start the heartbeat and the watchdog."""
        self._loop.run(self._start())
        self._watchdog.start()

    def listen(self) -> None:
        """Test from now on that the worker hears the broker; called from any other thread."""
        self._loop.loop.call_soon_threadsafe(self._start_canary)

    def ring(self, ids: list[str], *, in_front: bool) -> list[str]:
        """Run the jobs a message names; returns when they have ended, with the codes of what failed."""
        assert self._bench is not None  # noqa: S101 - opened before the first message
        return self._loop.run(execute(ids, self._bench, in_front=in_front))

    def drain(self) -> None:
        """Claim nothing more, and let what runs finish within the grace; returns at once. Safe in a signal handler."""
        self._loop.loop.call_soon_threadsafe(self._start_drain)

    def close(self) -> None:
        """Let go of everything."""
        self._loop.run(self._open.aclose())
        self._watchdog.stop()
        self._loop.stop()

    def retire(self, code: WorkerExit) -> None:
        """Stop as at SIGTERM and end with `code`, so that the worker is started anew. On the loop."""
        if self._drained is not None:
            return
        log.error("worker.retires", worker=self.name, because=code.name.lower(), running=len(self._running()))
        self.exit_code = code
        self._start_drain()
        # should Celery's thread be what hangs, the process ends without it: its jobs have been given back by then
        last = threading.Timer(self.settings.grace_seconds + _BEYOND_THE_GRACE_SECONDS, os._exit, (code,))
        last.daemon = True
        last.start()
        os.kill(os.getpid(), signal.SIGTERM)

    async def _start(self) -> None:
        settings = self.settings
        self._open.enter_context(told_on_a_port(settings, self.figures))
        use = await self._open.enter_async_context(
            open_resources(settings, name=self.name, connections=10, on_asked=self.figures.asked)
        )
        pulse = open_database(needed(settings, "database_url"), name=f"{self.name}-heartbeat", size=1)
        self._open.push_async_callback(pulse.close)
        leases = Leases(
            use,
            database=pulse,
            worker=self.name,
            queues=self.queues,
            concurrency=self.concurrency,
            lease_seconds=settings.lease_seconds,
            heartbeat_seconds=settings.heartbeat_seconds,
            figures=self.figures,
        )
        abandoned = Abandoned(
            most=most_abandoned(self.concurrency), on_too_many=lambda _: self.retire(WorkerExit.ABANDONED)
        )
        self.figures.watch(self.slots, abandoned)
        self._bench = Bench(
            use=use,
            handlers=BY_KIND,
            slots=self.slots,
            leases=leases,
            settler=Settler(use, patience_seconds=settings.lease_seconds),
            abandoned=abandoned,
            figures=self.figures,
        )
        loop_watch = self.figures.watch_loop(within_seconds=settings.lease_seconds)
        for duty in (leases.beat(), leases.hear_cancels(), leases.look_for_cancels(), loop_watch):
            task = asyncio.create_task(duty)
            self._open.callback(task.cancel)

    def _running(self) -> Sequence[Job]:
        return self._bench.leases.running if self._bench is not None else ()

    def _start_canary(self) -> None:
        if self._singing is None:
            self._singing = asyncio.create_task(self.canary.sing())
            self._open.callback(self._singing.cancel)

    def _start_drain(self) -> None:
        if self._singing is not None and self.exit_code is None:
            self._singing.cancel()  # who stops may be deaf
        self.figures.is_ready = False
        if self._bench is not None and self._drained is None:
            self._bench.is_draining = True
            self._drained = asyncio.create_task(self._bench.leases.drain(self.settings.grace_seconds))


def run_worker(
    settings: Settings, *, name: str, queues: Sequence[str], concurrency: int, on_ready: Callable[[], None]
) -> None:
    """Consume `queues` until SIGTERM or SIGINT; then finish or give back what runs, and return."""
    app = worker_celery(settings, queues=queues)
    sender = Sender(app)
    workplace = Workplace(settings, sender, name=name, queues=tuple(queues), concurrency=concurrency)
    bind_run(app, workplace.ring, workplace.figures.heard)
    steps: Any = app.steps
    steps["consumer"].add(room_step(workplace.slots))
    steps["consumer"].add(canary_step(workplace.canary))
    steps["consumer"].add(TaskEventsStep)

    def ready(**_: Any) -> None:  # noqa: ANN401 - Celery's signal
        settle_in()
        log.info("worker.ready", worker=name, queues=list(queues), concurrency=concurrency)
        workplace.listen()
        workplace.figures.is_ready = True
        on_ready()

    def stopping(**_: Any) -> None:  # noqa: ANN401 - Celery's signal
        workplace.drain()

    # what it warns of as root, pickled messages, we do not accept from anybody
    warnings.filterwarnings("ignore", category=SecurityWarning)
    faulthandler.enable()
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
    sender.close()
    code = workplace.exit_code or worker.exitcode or 0
    log.info("worker.stopped", worker=name, exitcode=int(code))
    os._exit(code)


def worker_celery(settings: Settings, *, queues: Sequence[str]) -> Celery:
    """The Celery app of a worker, from the settings."""
    broker_url = settings.broker_url or celery_url(needed(settings, "redis_url"))
    return make_celery(settings, broker_url=broker_url, queues=queues, client="worker")


def _keep_logs(**_: Any) -> None:  # noqa: ANN401 - Celery's signal
    """Connected, it keeps Celery from setting up logs of its own."""
