"""A batch: jobs submitted together, counted together, and what follows when the last of them has ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from domain.errors import Conflict, NotFound
from domain.ids import BatchId
from domain.jobs.job import NewJob
from domain.jobs.state import State

MOST_JOBS: Final = 10_000

Mode = Literal["standard", "economy"]
"""How a batch's texts are asked about: each as its turn comes, or gathered into a provider's batches."""

NOTED: Final = "batch_id"
"""The name in its metadata under which the job that follows a batch is told which batch that was."""


class BatchNotFound(NotFound):
    """There is no such batch, or it is another tenant's."""

    code = "batch_not_found"
    title = "No such batch"


class BatchFinished(Conflict):
    """A finished batch is to be cancelled."""

    code = "batch_finished"
    title = "The batch is finished"


class NewBatch(Struct, frozen=True, kw_only=True):
    """A batch not yet written. `on_finished` is submitted when the last of its jobs has ended, once, under a new id."""

    id: BatchId
    tenant_id: str
    caller_id: str
    total: int
    on_finished: NewJob | None = None
    mode: Mode = "standard"


class Batch(Struct, frozen=True, kw_only=True):
    """A batch as it stands. `counts` has every state; their sum is `total`.

    `finished_at` is null as long as a job is live, and null again while one that was queued again by hand is.
    """

    id: BatchId
    tenant_id: str
    mode: Mode
    total: int
    counts: Mapping[State, int]
    on_finished_job_id: str | None
    created_at: datetime
    finished_at: datetime | None
    cancel_requested_at: datetime | None

    @property
    def is_finished(self) -> bool:
        """Whether all of its jobs have ended."""
        return self.finished_at is not None
