"""Leases held by this process: renewed together, and what stops an attempt whose lease is lost or no longer wanted."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any, Final

import structlog

from domain.errors import Unavailable
from domain.jobs.job import Job
from runtime.resources import Resources
from storage.database import Database
from storage.jobs import Held, extend_leases, held_leases
from storage.workers import WorkerReport, report_worker
from workers.figures import HEARTBEAT, WorkerFigures

log: Final = structlog.get_logger()

_BESIDE_THE_LEASE: Final = 1.0  # a worker gives up a little before the database does
_LOOK_SECONDS: Final = 1.0


class StopReason(Enum):
    """Why an attempt was cut off."""

    LOST = "lost"  # somebody else has the job
    SILENT = "silent"  # Postgres did not answer for as long as the leases run
    CANCELLED = "cancelled"
    STOPPING = "stopping"
    TIMED_OUT = "timed_out"


class Watch:
    """One running attempt: the lease it stands on, the handler to stop, and why it was stopped."""

    def __init__(self, job: Job, handler: "asyncio.Task[Any]") -> None:
        self.job = job
        self.reason: StopReason | None = None
        self.stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handler = handler

    def stop(self, reason: StopReason) -> None:
        """Cut the handler off; the first reason stands."""
        if self.reason is None:
            self.reason = reason
            self.stopped.set_result(None)
            self._handler.cancel()


class Leases:
    """Every lease of this worker process, renewed by one statement each heartbeat.

    The heartbeat runs on the loop the handlers run on: a handler that blocks the loop loses its leases, as it should.
    It has a connection to Postgres of its own, `database`: handlers may use up all others and keep their leases.
    """

    def __init__(  # noqa: PLR0913 - a worker says this much of itself
        self,
        use: Resources,
        *,
        database: Database,
        worker: str,
        queues: tuple[str, ...],
        concurrency: int,
        lease_seconds: float,
        heartbeat_seconds: float,
        figures: WorkerFigures | None = None,
    ) -> None:
        self.worker = worker
        self.lease_seconds = lease_seconds
        self._use = use
        self._database = database
        self._queues = queues
        self._concurrency = concurrency
        self._heartbeat_seconds = heartbeat_seconds
        self._figures = figures or WorkerFigures(worker)
        self._watched: dict[str, Watch] = {}
        self._renewed_at = asyncio.get_running_loop().time()
        self._stopping = False
        self._is_cut_off = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_fresh(self) -> bool:
        """Whether the last heartbeat is recent enough for new leases to be kept."""
        return asyncio.get_running_loop().time() - self._renewed_at < self.lease_seconds

    @property
    def running(self) -> tuple[Job, ...]:
        """The jobs whose attempts run now. Safe in any thread."""
        return tuple(watch.job for watch in tuple(self._watched.values()))

    @asynccontextmanager
    async def keep(self, job: Job, handler: "asyncio.Task[Any]") -> AsyncIterator[Watch]:
        """Keep the lease of `job` alive around `handler`."""
        watch = Watch(job, handler)
        self._watched[job.id] = watch
        self._idle.clear()
        if self._is_cut_off:
            watch.stop(StopReason.STOPPING)  # claimed at the last moment
        try:
            yield watch
        finally:
            del self._watched[job.id]
            if not self._watched:
                self._idle.set()

    async def beat(self) -> None:
        """Renew all leases and report the worker, for ever."""
        while True:
            try:
                with self._figures.going_round(HEARTBEAT):
                    await self._renew()
            except Exception as error:
                # whatever it is, a worker without a heartbeat must not go on as if it had one
                log.exception("heartbeat.failed", worker=self.worker, running=len(self._watched), error=str(error))
                self._give_up_if_lapsed()
            self._use.kill_points.reach("heartbeat.stall", tuple(self._watched))
            await asyncio.sleep(self._heartbeat_seconds)

    async def hear_cancels(self) -> None:
        """Stop attempts whose cancellation is told through the wake-ups, for ever."""
        async for ids in self._use.wakeups.listen_cancelled():
            if any(job_id in self._watched for job_id in ids):
                try:
                    await self._renew()
                except Unavailable as error:
                    log.warning("heartbeat.failed", worker=self.worker, error=error.detail)

    async def look_for_cancels(self) -> None:
        """Look each second which attempts are to be stopped, for ever, but only while the wake-ups cannot tell it."""
        heard_since: int | None = None
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            before, heard_since = heard_since, self._use.wakeups.cancels_heard_since
            if not self._watched or (heard_since is not None and heard_since == before):
                continue
            watched = dict(self._watched)
            try:
                async with self._database.read() as tx:
                    held = await held_leases(tx, _leases(watched))
            except Unavailable:
                continue  # the heartbeat says so
            self._heed(watched, held)

    async def drain(self, grace_seconds: float) -> None:
        """Let running attempts finish for `grace_seconds`, then cut off the rest; returns when none runs."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._idle.wait()
        # from here on, also what was claimed a moment ago and has not begun
        self._is_cut_off = True
        self._stop(list(self._watched.values()), StopReason.STOPPING)
        await self._idle.wait()

    def give_up(self) -> None:
        """Cut off every attempt, for Postgres is silent; their jobs are given back when that can be written."""
        self._stop(list(self._watched.values()), StopReason.SILENT)

    async def _renew(self) -> None:
        watched = dict(self._watched)
        started = asyncio.get_running_loop().time()
        async with self._database.begin() as tx:
            await report_worker(
                tx,
                WorkerReport(
                    name=self.worker,
                    pid=os.getpid(),
                    queues=self._queues,
                    concurrency=self._concurrency,
                    running=len(watched),
                    stopping=self._stopping,
                    engines=self._use.text.standings,
                ),
            )
            held = await extend_leases(tx, _leases(watched), lease_seconds=self.lease_seconds)
        self._renewed_at = started
        self._heed(watched, held)

    def _heed(self, watched: Mapping[str, Watch], answer: Sequence[Held]) -> None:
        held = {one.job_id: one for one in answer}
        # an attempt that ended meanwhile is out of `_watched`, and its lease rightly gone
        for job_id, watch in watched.items():
            if self._watched.get(job_id) is not watch:
                continue
            if job_id not in held:
                log.warning("lease.lost", job_id=job_id, worker=self.worker)
                watch.stop(StopReason.LOST)
            elif held[job_id].cancel_requested:
                watch.stop(StopReason.CANCELLED)

    def _give_up_if_lapsed(self) -> None:
        silent = asyncio.get_running_loop().time() - self._renewed_at
        if silent > self.lease_seconds - _BESIDE_THE_LEASE:
            self.give_up()

    @staticmethod
    def _stop(watched: Iterable[Watch], reason: StopReason) -> None:
        for watch in watched:
            watch.stop(reason)


def _leases(watched: Mapping[str, Watch]) -> list[tuple[str, str]]:
    return [(watch.job.id, watch.job.lease or "") for watch in watched.values()]
