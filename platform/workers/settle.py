"""Writing the ends of attempts: many at once, each only if its lease still holds."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from domain.errors import Unavailable
from domain.jobs.job import Job
from domain.jobs.state import State
from runtime.batching import Batcher
from runtime.resources import Stores
from storage.jobs import Moved, Settlement, settle_jobs

log: Final = structlog.get_logger()

_BETWEEN_TRIES_SECONDS: Final = 0.5


class Settler:
    """Groups the settlements of concurrent attempts into few transactions."""

    def __init__(self, use: Stores, *, patience_seconds: float) -> None:
        self._use = use
        self._patience_seconds = patience_seconds
        self._batcher: Batcher[Settlement, Job | None] = Batcher(self._write, most=200, shared=(Unavailable,))

    async def settle(self, settlement: Settlement) -> Job | None:
        """Write the end of an attempt; None: its lease was lost, and nothing was written.

        A database that is down is asked again until the lease must have lapsed; then rescue takes the job back.

        Raises:
            DatabaseDown: it stayed down that long.
        """
        deadline = asyncio.get_running_loop().time() + self._patience_seconds
        while True:
            try:
                return await self._batcher.put(settlement)
            except Unavailable:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(_BETWEEN_TRIES_SECONDS)

    async def _write(self, settlements: Sequence[Settlement]) -> list[Job | None]:
        async with self._use.database.begin() as tx:
            self._use.kill_points.reach("result.before_write")
            settled = await settle_jobs(tx, settlements)
        tell_settled(self._use, settled)
        by_id = {job.id: job for job in settled}
        return [by_id.get(one.job_id) for one in settlements]  # type: ignore[call-overload]


def tell_settled(use: Stores, settled: Moved, *, follow_ups: bool = False) -> None:
    """After the commit: wake who waits for these jobs or their batches, and the relay where something is due again."""
    for job in settled:
        log.info("job.settled", job_id=job.id, kind=job.kind, state=job.state.value, attempt=job.attempt)
    use.wakeups.tell_jobs([job.id for job in settled])
    use.wakeups.tell_finished(settled.finished)
    # a job that is due again, a follow-up, or the next of a concurrency key or of a limited queue
    if (
        follow_ups
        or settled.frees
        or any(job.state in {State.SCHEDULED, State.QUEUED} or job.concurrency_key for job in settled)
    ):
        use.wakeups.ring_relay()
