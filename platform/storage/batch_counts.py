"""How many jobs of a batch have ended, and how: kept in its row by the transaction that moves them.

Whoever ends a job counts it, so the last one to do so knows that it is the last. Jobs are locked before the rows of
their batches, and those in the order of their ids. Live jobs are not counted here: most moves are theirs.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import text

from domain.ids import JobId, derived_id
from domain.jobs.job import NewJob
from domain.jobs.state import State
from storage.database import Tx

_FOLLOWING: Final = msgspec.json.Decoder(NewJob)
_LOG: Final = structlog.stdlib.get_logger(__name__)

# Only a job that has ended makes a batch finished, and it was live until now: a row with `finished_at` became so here.
_COUNT: Final = text("""
WITH given AS (
    SELECT * FROM unnest(
        CAST(:id AS text[]), CAST(:succeeded AS int[]), CAST(:failed AS int[]), CAST(:cancelled AS int[]),
        CAST(:expired AS int[])
    ) AS g (id, succeeded, failed, cancelled, expired)
), held AS (
    SELECT given.* FROM given JOIN batches ON batches.id = given.id ORDER BY batches.id FOR UPDATE OF batches
)
UPDATE batches SET
    succeeded = batches.succeeded + held.succeeded, failed = batches.failed + held.failed,
    cancelled = batches.cancelled + held.cancelled, expired = batches.expired + held.expired,
    finished_at = CASE
        WHEN batches.succeeded + held.succeeded + batches.failed + held.failed + batches.cancelled + held.cancelled
            + batches.expired + held.expired = batches.total THEN now() END
FROM held WHERE batches.id = held.id
RETURNING batches.id, batches.finished_at, CASE WHEN on_finished_job_id IS NULL THEN on_finished END AS on_finished
""")

_FOLLOWED: Final = text("UPDATE batches SET on_finished_job_id = :job_id WHERE id = :id AND on_finished_job_id IS NULL")


class FinishedBatch(Struct, frozen=True, kw_only=True):
    """A batch whose last live job has just ended, and the job that is to follow now; None: it follows no more."""

    id: str
    following: NewJob | None


async def count_moves(tx: Tx, moves: Mapping[tuple[str, State], int]) -> list[FinishedBatch]:
    """Add to the numbers of ended jobs, by batch and state; answers with the batches that are finished now.

    Numbers below zero take back what was counted: such a batch is finished no more. The job that follows a batch is
    handed out once, to be submitted in this transaction.
    """
    if not moves:
        return []
    ids = sorted({batch_id for batch_id, _ in moves})
    ends = (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED)
    counts = {end.value: [moves.get((batch_id, end), 0) for batch_id in ids] for end in ends}
    rows = await tx.execute(_COUNT, {"id": ids, **counts})
    finished = [row for row in rows if row.finished_at is not None]
    found: list[FinishedBatch] = []
    for row in finished:
        following = None
        if row.on_finished is not None:
            # its id says when it was made, as every id does
            job_id = JobId(derived_id("job", row.id, "on_finished", at=row.finished_at))
            try:
                following = replace(_FOLLOWING.decode(row.on_finished), id=job_id)
            except msgspec.MsgspecError:
                # whoever ends the batch's last job must not be stuck with it
                _LOG.exception("batch.unreadable", batch_id=row.id, hint="submit by hand what was to follow it")
            else:
                await tx.execute(_FOLLOWED, {"id": row.id, "job_id": job_id})
        found.append(FinishedBatch(id=row.id, following=following))
    return found
