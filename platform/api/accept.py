"""Accepting jobs: those of concurrent requests are committed together (group commit), each before its answer."""

from collections.abc import Callable, Sequence

from domain.errors import Unavailable
from domain.jobs.job import NewJob
from runtime.batching import Batcher, BatcherFull
from runtime.kill_points import KillPoints
from runtime.wakeups import Wakeups
from storage.database import Database, DatabaseDown
from storage.once import Refusal, Submitted, submit_once


class Overloaded(Unavailable):
    """More jobs are waiting to be written than can be written soon."""

    code = "overloaded"
    title = "Too much at once"


class Accept:
    """The door jobs come in by. One for each process; close it before the database."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        kill_points: KillPoints,
        *,
        waiting_limit: int = 5_000,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`on_batch` is told how many jobs each commit wrote."""
        self._database = database
        self._wakeups = wakeups
        self._kill_points = kill_points
        self._batcher: Batcher[NewJob, Submitted | Refusal | DatabaseDown] = Batcher(
            self._write, waiting_limit=waiting_limit
        )
        self._on_batch = on_batch

    async def accept(self, new: NewJob) -> Submitted:
        """The job as committed, or the one that stood for it. From here on it is done, whatever dies.

        Raises:
            IdempotencyKeyReused, IdempotencyAnswerGone: it cannot be answered as its key was before.
            Overloaded: too many jobs wait to be written.
            DatabaseDown: nothing could be written.
        """
        try:
            answer = await self._batcher.put(new)
        except BatcherFull:
            raise Overloaded("Too many jobs are waiting to be written.", retry_after_seconds=1.0) from None
        if isinstance(answer, DatabaseDown):
            # one a caller: an exception raised in many places at once would gather all their tracebacks
            raise DatabaseDown(answer.detail, retry_after_seconds=answer.retry_after_seconds)
        if not isinstance(answer, Submitted):
            raise answer
        return answer

    async def close(self) -> None:
        """Wait until what was accepted is written."""
        await self._batcher.close()

    async def _write(self, new: Sequence[NewJob]) -> Sequence[Submitted | Refusal | DatabaseDown]:
        try:
            async with self._database.begin() as tx:
                answers = await submit_once(tx, new)
                self._kill_points.reach("api.before_commit", (job.kind for job in new))
        except DatabaseDown as down:
            # an answer, not a failure: a batch that fails is tried again job by job, and a database that is down
            # would make each of them wait
            return [down] * len(new)
        self._kill_points.reach("api.after_commit", (job.kind for job in new))
        written = sum(isinstance(answer, Submitted) and answer.is_new for answer in answers)
        if written:
            self._wakeups.ring_relay()
            self._on_batch(written)
        return answers
