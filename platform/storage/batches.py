"""Batches: written with their jobs, found and listed with their counts, their live jobs found to be cancelled."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Row, text

from domain.ids import BatchId
from domain.jobs.batch import Batch, NewBatch
from domain.jobs.job import NewJob
from domain.jobs.state import State
from storage.database import Tx
from storage.jobs import submit_jobs

# what goes into a statement: it costs the event loop some 10 ms, and ten thousand jobs take no longer than in one
_MOST_AT_ONCE: Final = 250
_MOST_BYTES_AT_ONCE: Final = 128 << 10

_ENCODER: Final = msgspec.json.Encoder()

_ADD: Final = text("""
INSERT INTO batches (id, tenant_id, caller_id, total, on_finished, mode)
VALUES (:id, :tenant_id, :caller_id, :total, CAST(:on_finished AS json), :mode)
""")

# One statement, so that what has ended and what is live are of one moment, and add up.
_SELECT: Final = """
SELECT batches.id, total, succeeded, failed, cancelled, expired, live.scheduled, live.queued, live.running,
    on_finished_job_id, created_at, finished_at, cancel_requested_at, tenant_id, mode
FROM batches CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state = 'scheduled') AS scheduled, count(*) FILTER (WHERE state = 'queued') AS queued,
        count(*) FILTER (WHERE state = 'running') AS running
    FROM jobs
    WHERE batches.finished_at IS NULL AND jobs.batch_id = batches.id AND state IN ('scheduled', 'queued', 'running')
) AS live
"""

_FIND: Final = text(f"{_SELECT} WHERE batches.id = :id AND tenant_id = :tenant_id")

_LIST: Final = text(f"""{_SELECT}
WHERE tenant_id = :tenant_id AND (CAST(:before AS text) IS NULL OR batches.id < :before)
ORDER BY batches.id DESC LIMIT :limit
""")

_ASK_CANCEL: Final = text("""
UPDATE batches SET cancel_requested_at = coalesce(cancel_requested_at, now())
WHERE id = :id AND tenant_id = :tenant_id AND finished_at IS NULL RETURNING id
""")

_TO_CANCEL: Final = text("""
SELECT id FROM jobs
WHERE batch_id = :id AND state IN ('scheduled', 'queued', 'running') AND cancel_requested_at IS NULL
ORDER BY id LIMIT :limit
""")


async def submit_batch(tx: Tx, batch: NewBatch, jobs: Sequence[NewJob]) -> None:
    """Write a batch and its jobs, as `submit_jobs` does, all or none."""
    on_finished = None if batch.on_finished is None else _ENCODER.encode(batch.on_finished).decode()
    await tx.execute(
        _ADD,
        {
            "id": batch.id,
            "tenant_id": batch.tenant_id,
            "caller_id": batch.caller_id,
            "total": batch.total,
            "on_finished": on_finished,
            "mode": batch.mode,
        },
    )
    for some in _portions(jobs):
        await submit_jobs(tx, some)


async def find_batch(tx: Tx, tenant_id: str, batch_id: str) -> Batch | None:
    """A tenant's batch, or None."""
    row = (await tx.execute(_FIND, {"id": batch_id, "tenant_id": tenant_id})).one_or_none()
    return None if row is None else _as_batch(row)


async def list_batches(tx: Tx, tenant_id: str, *, limit: int, before: str | None = None) -> list[Batch]:
    """A tenant's batches, newest first, older than the id `before`."""
    rows = await tx.execute(_LIST, {"tenant_id": tenant_id, "limit": limit, "before": before})
    return [_as_batch(row) for row in rows]


async def ask_cancel(tx: Tx, tenant_id: str, batch_id: str) -> bool:
    """Record that a batch is to be cancelled; False: there is none, or it is finished."""
    return (await tx.execute(_ASK_CANCEL, {"id": batch_id, "tenant_id": tenant_id})).first() is not None


async def jobs_to_cancel(tx: Tx, batch_id: str, *, limit: int) -> list[str]:
    """The ids of live jobs of a batch that nobody has asked to be cancelled."""
    return list((await tx.execute(_TO_CANCEL, {"id": batch_id, "limit": limit})).scalars())


def _portions(jobs: Sequence[NewJob]) -> Iterator[Sequence[NewJob]]:
    start = size = 0
    for end, job in enumerate(jobs):
        if end - start == _MOST_AT_ONCE or (size and size + len(job.input) > _MOST_BYTES_AT_ONCE):
            yield jobs[start:end]
            start, size = end, 0
        size += len(job.input)
    yield jobs[start:]


def _as_batch(row: Row[Any]) -> Batch:
    return Batch(
        id=BatchId(row.id),
        tenant_id=row.tenant_id,
        mode=row.mode,
        total=row.total,
        counts={state: getattr(row, state.value) for state in State},
        on_finished_job_id=row.on_finished_job_id,
        created_at=row.created_at,
        finished_at=row.finished_at,
        cancel_requested_at=row.cancel_requested_at,
    )
