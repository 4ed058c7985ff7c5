"""A job as clients are shown it: by the API, and in what webhooks tell."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from domain.jobs.job import Job, JobError
from domain.jobs.state import State

_ERROR: Final = msgspec.json.Decoder(JobError)

Time = Annotated[datetime, Meta(tz=True)]


class FailedAttempt(Struct, frozen=True, kw_only=True):
    """An attempt that failed, in brief."""

    attempt: int
    at: Time
    code: str
    detail: str


class ErrorView(Struct, frozen=True, kw_only=True):
    """Why a job failed, or why it is tried again; `attempts` lists the attempts that failed so far."""

    code: str
    title: str
    detail: str
    retryable: bool
    attempts: tuple[FailedAttempt, ...]


class Links(Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    self: str
    events: str
    cancel: str


class JobView(Struct, frozen=True, kw_only=True):
    """A job. `input`, `result` and `usage` are JSON of the kind's own shape; GET /v1/kinds has their schemas."""

    id: Annotated[str, Meta(pattern="^job_[0-9a-f]{32}$")]
    kind: str
    state: State
    queue: str
    priority: int
    tags: tuple[str, ...]
    metadata: Raw
    attempt: int
    max_attempts: int
    progress: float | None
    input: Raw
    result: Raw | None
    error: ErrorView | None
    usage: Raw | None
    created_at: Time
    run_at: Time
    started_at: Time | None
    finished_at: Time | None
    expires_at: Time | None
    schedule_id: str | None
    batch_id: str | None
    parent_id: str | None
    links: Links
    deduplicated: (
        Annotated[bool, Meta(description="told where a submission is answered with a job that stood")] | UnsetType
    ) = UNSET


def show_job(job: Job, failed: Sequence[FailedAttempt], base: str) -> JobView:
    """The job as shown to whoever reaches the API at `base`; `failed` are its attempts that failed."""
    path = f"{base}/v1/jobs/{job.id}"
    return JobView(
        id=job.id,
        kind=job.kind,
        state=job.state,
        queue=job.queue,
        priority=job.priority,
        tags=job.tags,
        metadata=Raw(job.metadata),
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        progress=job.progress,
        input=Raw(job.input),
        result=_raw(job.result),
        error=None if job.error is None else _show_error(job.error, failed),
        usage=_raw(job.usage),
        created_at=job.created_at,
        run_at=job.run_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        expires_at=job.expires_at,
        schedule_id=job.schedule_id,
        batch_id=job.batch_id,
        parent_id=job.parent_id,
        links=Links(self=path, events=f"{path}/events", cancel=f"{path}/cancel"),
    )


def _raw(json: bytes | None) -> Raw | None:
    return None if json is None else Raw(json)


def _show_error(error: bytes, failed: Sequence[FailedAttempt]) -> ErrorView:
    stored = _ERROR.decode(error)
    return ErrorView(
        code=stored.code,
        title=stored.title,
        detail=stored.detail,
        retryable=stored.retryable,
        attempts=tuple(failed),
    )
