"""Ends a worker whose event loop no longer turns: a handler computes without a pause, or waits in a blocking call."""

import asyncio
import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from domain.ids import is_id
from domain.jobs.job import Job
from domain.jobs.retry import RetryPolicy
from domain.jobs.verdict import Crashed, GivenBack, judge
from runtime.resources import open_stores
from runtime.settings import Settings
from storage.jobs import Settlement
from workers.exits import WorkerExit
from workers.settle import Settler

log: Final = structlog.get_logger()

_LOOKS: Final = 30  # in a lease
_LAST_SECONDS: Final = 5.0
_LOOP_SHARE: Final = 0.5  # of a lease: the heartbeat takes at most the other half, so that all leases still hold
_LOCK_SHARE: Final = 2.0


class Watchdog:
    """A thread beside the loop. It acts while the leases of the worker's jobs still hold, and can tell them apart.

    The job whose handler holds the loop has crashed its worker; the others are given back, which counts neither as
    an attempt nor as a crash. Time in which this thread did not run itself, because the process was stopped or its
    machine asleep, is not held against the loop. Where a handler keeps even Python's lock, no thread runs: the
    process then ends after two leases, from a thread in C, and rescue has taken back its jobs.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: Settings,
        *,
        worker: str,
        running: Callable[[], Sequence[Job]],
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._loop = loop
        self._settings = settings
        self._worker = worker
        self._running = running
        self._end = end
        self._every_seconds = min(1.0, settings.lease_seconds / _LOOKS)
        self._most_seconds = settings.lease_seconds * _LOOP_SHARE
        self._ended = threading.Event()
        self._answered = True
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Watch until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._ended.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()

    def _watch(self) -> None:
        blocked = 0.0
        looked_at = time.monotonic()
        while not self._ended.wait(self._every_seconds):
            now = time.monotonic()
            waited, looked_at = now - looked_at, now
            # for who holds Python's lock, and with it this thread
            faulthandler.dump_traceback_later(self._settings.lease_seconds * _LOCK_SHARE + _LAST_SECONDS, exit=True)
            if self._answered:
                blocked = 0.0
                self._answered = False
                self._loop.call_soon_threadsafe(self._answer)
                continue
            blocked += min(waited, self._every_seconds * 2)
            if blocked >= self._most_seconds:
                self._bite(blocked)
                return

    def _answer(self) -> None:
        self._answered = True

    def _bite(self, blocked: float) -> None:
        running = self._running()
        blocker = self._blocker()
        log.error(
            "worker.blocked",
            worker=self._worker,
            blocked_seconds=round(blocked, 1),
            job_id=blocker,
            running=[job.id for job in running],
        )
        faulthandler.dump_traceback(sys.stderr, all_threads=True)
        try:
            asyncio.run(asyncio.wait_for(self._settle(running, blocker), _LAST_SECONDS))
        except Exception as error:  # noqa: BLE001 - their leases lapse, and rescue takes them back
            log.warning("worker.not_given_back", worker=self._worker, jobs=len(running), error=type(error).__name__)
        self._end(WorkerExit.BLOCKED)

    def _blocker(self) -> str | None:
        """The job on whose behalf the loop runs at this moment: an attempt's task bears its job's id."""
        current = asyncio.current_task(self._loop)
        return current.get_name() if current is not None and is_id("job", current.get_name()) else None

    async def _settle(self, running: Sequence[Job], blocker: str | None) -> None:
        # the worker's own connections belong to the loop that does not turn
        async with open_stores(self._settings, name=f"{self._worker}-watchdog", connections=1) as use:
            settler = Settler(use, patience_seconds=0)
            await asyncio.gather(*(settler.settle(self._settlement(job, blocker)) for job in running))

    def _settlement(self, job: Job, blocker: str | None) -> Settlement:
        # where nobody can be named, all are counted, as rescue would
        outcome = Crashed(self._worker) if blocker in {job.id, None} else GivenBack()
        verdict = judge(job, outcome, retry=RetryPolicy(), spread=0)
        return Settlement(job_id=job.id, lease=job.lease or "", verdict=verdict)
