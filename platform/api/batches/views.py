"""A batch as the API shows it."""

from typing import Annotated

from msgspec import Meta, Struct

from api.job_view import Time
from domain.jobs.batch import Batch, Mode


class Counts(Struct, frozen=True, kw_only=True):
    """How many of a batch's jobs stand in each state."""

    scheduled: int
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int


class BatchLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    self: str
    jobs: str
    results: str
    cancel: str


class BatchView(Struct, frozen=True, kw_only=True):
    """A batch. `finished_at` is null while a job of it is live; `on_finished_job_id` is the job that followed.

    `mode` is how it is run: what was asked for as economy is standard where the text engine has no batches.
    """

    id: Annotated[str, Meta(pattern="^batch_[0-9a-f]{32}$")]
    mode: Mode
    total: int
    counts: Counts
    created_at: Time
    finished_at: Time | None
    on_finished_job_id: str | None
    links: BatchLinks


def view_batch(batch: Batch, base: str) -> BatchView:
    """The batch as shown to a client that reached us at `base`."""
    path = f"{base}/v1/batches/{batch.id}"
    return BatchView(
        id=batch.id,
        mode=batch.mode,
        total=batch.total,
        counts=Counts(**{state.value: count for state, count in batch.counts.items()}),
        created_at=batch.created_at,
        finished_at=batch.finished_at,
        on_finished_job_id=batch.on_finished_job_id,
        links=BatchLinks(
            self=path, jobs=f"{base}/v1/jobs?batch_id={batch.id}", results=f"{path}/results", cancel=f"{path}/cancel"
        ),
    )


def batch_etag(batch: Batch) -> str:
    """Names what is shown of the batch: it changes when a job of it moves."""
    counts = "-".join(str(count) for count in batch.counts.values())
    return f'"{counts}"' if batch.finished_at is None else f'"{counts}-{batch.finished_at.timestamp():.6f}"'
