"""What economy makes of a batch as it is taken in: its texts wait, and one job more has them gathered."""

from collections.abc import Sequence

from msgspec.structs import replace

from api.context import Notes
from domain.accounts.user import Caller
from domain.jobs.batch import NewBatch
from domain.jobs.job import NewJob, new_job
from domain.text.economize import ECONOMIZE, Economize, gatherer_of, with_patience


def in_mode(batch: NewBatch, jobs: list[NewJob], *, has_key: bool) -> tuple[NewBatch, list[NewJob]]:
    """The batch and its jobs as they are run: without a key for a provider with batches there is no economy."""
    if batch.mode == "economy" and not has_key:
        return replace(batch, mode="standard"), jobs
    return batch, [with_patience(job, batch.mode) for job in jobs]


def gathering(batch: NewBatch, jobs: Sequence[NewJob], caller: Caller, notes: Notes) -> list[NewJob]:
    """The job that has the texts of an economy batch gathered; none for another batch."""
    if batch.mode != "economy" or not jobs:
        return []
    job = new_job(
        ECONOMIZE,
        Economize(batch_id=batch.id),
        caller,
        job_id=gatherer_of(batch.id),
        request_id=notes.request_id,
        traceparent=notes.traceparent,
    )
    return [job]
