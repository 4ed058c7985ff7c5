"""Makers of batches, and what became of them."""

from typing import Any

from msgspec.structs import replace

from domain.ids import BatchId
from domain.jobs.batch import Batch, NewBatch
from domain.jobs.job import Job
from domain.jobs.kind import Kind
from runtime.unique_ids import new_id
from storage.batches import find_batch, submit_batch
from storage.database import Tx
from storage.job_lists import JobFilter, JobSort, list_jobs
from tests.support.jobs import ASK, TENANT, USER, make_job


async def make_batch(
    tx: Tx,
    size: int,
    *,
    kind: Kind[Any, Any] = ASK,
    follows: bool = True,
    **options: Any,  # noqa: ANN401 - any of JobOptions
) -> Batch:
    """A batch of `size` jobs of one kind, which one more follows if it is to."""
    batch_id = BatchId(new_id("batch"))
    jobs = [replace(make_job(kind, **options), batch_id=batch_id, batch_index=index) for index in range(size)]
    following = make_job(kind, priority=7, metadata={"batch_id": batch_id}) if follows else None
    new = NewBatch(id=batch_id, tenant_id=TENANT, caller_id=USER, total=size, on_finished=following)
    await submit_batch(tx, new, jobs)
    return await stored(tx, batch_id)


async def stored(tx: Tx, batch_id: str) -> Batch:
    found = await find_batch(tx, TENANT, batch_id)
    assert found is not None
    return found


async def jobs_of(tx: Tx, batch: Batch) -> list[Job]:
    page = await list_jobs(tx, TENANT, JobFilter(batch_id=batch.id), limit=10_000, sort=JobSort.OLDEST)
    return page.jobs
