"""Accepting jobs: those of concurrent requests are committed together (group commit), each before its answer.

Nobody waits long for a Postgres that hangs: who is in a commit hears after 2 s, who waits behind it after 1 s, and who
comes then at once.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from api.backlog import Backlog, Full
from domain.errors import Unavailable
from domain.jobs.job import Job, NewJob
from domain.jobs.state import State
from runtime.batching import Batcher, BatcherFull, BatcherStalled
from runtime.kill_points import KillPoints
from runtime.wakeups import Wakeups
from storage.database import Database, DatabaseDown, Tx
from storage.once import Refusal, Submitted, submit_once
from storage.standing import find_standing

_WITHIN_SECONDS: Final = 2.0
_PATIENCE_SECONDS: Final = 1.0


class Overloaded(Unavailable):
    """More jobs are waiting to be written than can be written soon."""

    code = "overloaded"
    title = "Too much at once"


Answer = Submitted | Refusal | DatabaseDown | Full


class _Asked(Struct, frozen=True):
    """A submission; `full` if it may be answered with what stands already, and with nothing else."""

    new: NewJob
    full: Full | None


class Accept:
    """The door jobs come in by. One for each process; close it before the database."""

    def __init__(  # noqa: PLR0913 - what it uses and what bounds it
        self,
        database: Database,
        wakeups: Wakeups,
        kill_points: KillPoints,
        *,
        backlog: Backlog | None = None,
        waiting_limit: int = 5_000,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`backlog` bounds what waits to be run. `on_batch` is told how many jobs each commit wrote."""
        self._database = database
        self._wakeups = wakeups
        self._kill_points = kill_points
        self._backlog = backlog or Backlog(most_of_one=sys.maxsize, most=sys.maxsize)
        self._batcher: Batcher[_Asked, Answer] = Batcher(
            self._write, waiting_limit=waiting_limit, patience_seconds=_PATIENCE_SECONDS
        )
        self._on_batch = on_batch

    async def accept(self, new: NewJob) -> Submitted:
        """The job as committed, or the one that stood for it. From here on it is done, whatever dies.

        Raises:
            IdempotencyKeyReused, IdempotencyAnswerGone: it cannot be answered as its key was before.
            BacklogFull, QueuesFull: too many jobs wait to be run, and none stands for this one.
            Overloaded: too many jobs wait to be written.
            DatabaseDown: nothing could be written.
        """
        full = self._backlog.full(new.tenant_id)
        if full is not None and new.idempotency is None and new.unique is None:
            raise full
        is_written = False
        self._backlog.enter(new.tenant_id)
        try:
            answer = await self._batcher.put(_Asked(new, full))
            is_written = isinstance(answer, Submitted) and answer.is_new
        except BatcherFull:
            raise Overloaded("Too many jobs are waiting to be written.", retry_after_seconds=1.0) from None
        except BatcherStalled:
            raise Overloaded("Postgres is slow to write what came before.", retry_after_seconds=1.0) from None
        finally:
            self._backlog.leave(new.tenant_id, is_written=is_written)
        if isinstance(answer, DatabaseDown):
            # one a caller: an exception raised in many places at once would gather all their tracebacks
            raise DatabaseDown(answer.detail, retry_after_seconds=answer.retry_after_seconds)
        if not isinstance(answer, Submitted):
            raise answer
        return answer

    async def close(self) -> None:
        """Wait until what was accepted is written."""
        await self._batcher.close()

    async def _write(self, asked: Sequence[_Asked]) -> Sequence[Answer]:
        kinds = [one.new.kind for one in asked]
        try:
            async with self._database.begin(within_seconds=_WITHIN_SECONDS) as tx:
                answers = await _answer(tx, asked)
                self._kill_points.reach("api.before_commit", kinds)
        except DatabaseDown as down:
            # an answer, not a failure: a batch that fails is tried again job by job, and a database that is down
            # would make each of them wait
            return [down] * len(asked)
        self._kill_points.reach("api.after_commit", kinds)
        written = [answer for answer in answers if isinstance(answer, Submitted) and answer.is_new]
        if any(answer.is_due for answer in written):  # an answer known already asks nothing of the relay
            ring_for(self._wakeups, [answer.job for answer in written])
        if written:
            self._on_batch(len(written))
        return answers


def ring_for(wakeups: Wakeups, written: Sequence[Job]) -> None:
    """Tell the relay of jobs that were written: where they queue, if that is all there is to say.

    Of one that waits for its time it has to know when, and what is told of one that has ended queues elsewhere.
    """
    if all(job.state is State.QUEUED for job in written):
        wakeups.ring_relay({job.queue for job in written})
    else:
        wakeups.ring_relay()


async def _answer(tx: Tx, asked: Sequence[_Asked]) -> list[Answer]:
    """Write what may be written, and refuse the rest unless something stands for it."""
    barred = {one.new.id: one.full for one in asked if one.full is not None}
    if not barred:
        return [*await submit_once(tx, [one.new for one in asked])]
    standing = await find_standing(tx, [one.new for one in asked if one.full is not None])
    answers: dict[str, Answer] = {job_id: full for job_id, full in barred.items() if job_id not in standing}
    heard = [one.new for one in asked if one.new.id not in answers]
    answers.update(zip((new.id for new in heard), await submit_once(tx, heard), strict=True))
    return [answers[one.new.id] for one in asked]
