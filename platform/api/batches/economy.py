"""What economy makes of a batch as it is taken in: its texts wait, and one job more has them gathered."""

from collections.abc import Sequence

from msgspec.structs import replace

from api.context import Notes
from domain.accounts.user import Caller
from domain.jobs.batch import NewBatch
from domain.jobs.job import NewJob, new_job
from domain.text.economize import ECONOMIZE, Economize, can_wait, gatherer_of, patient
from storage.database import Tx
from storage.economy import await_answers
from storage.jobs import submit_jobs


def in_mode(batch: NewBatch, jobs: Sequence[NewJob], *, has_key: bool) -> tuple[NewBatch, list[NewJob], list[str]]:
    """The batch and its jobs as they are run, and the ids of those that wait for the provider's batches.

    Without a key for a provider that has batches there is no economy.
    """
    if batch.mode != "economy" or not has_key:
        return replace(batch, mode="standard"), list(jobs), []
    waiting = {job.id for job in jobs if can_wait(job)}
    return batch, [patient(job) if job.id in waiting else job for job in jobs], sorted(waiting)


async def have_gathered(tx: Tx, batch: NewBatch, waiting: Sequence[str], caller: Caller, notes: Notes) -> None:
    """Let the jobs of a batch that was written wait, and submit the job that gathers them; nothing where none waits."""
    if not waiting:
        return
    await await_answers(tx, batch.tenant_id, batch.id, waiting)
    gathering = new_job(
        ECONOMIZE,
        Economize(batch_id=batch.id),
        caller,
        job_id=gatherer_of(batch.id),
        request_id=notes.request_id,
        traceparent=notes.traceparent,
    )
    await submit_jobs(tx, [gathering])
