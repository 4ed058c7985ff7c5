"""A job: one piece of work to be done, as the platform keeps it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from domain.accounts.user import Caller
from domain.ids import JobId
from domain.jobs.kind import Input, Kind
from domain.jobs.once import IdempotencyKey, Unique
from domain.jobs.state import TERMINAL, State

Priority = Annotated[int, Meta(ge=-100, le=100, description="-100 to 100; higher runs first")]
Tag = Annotated[str, Meta(min_length=1, max_length=64)]
Tags = Annotated[tuple[Tag, ...], Meta(max_length=10)]
MetadataKey = Annotated[str, Meta(min_length=1, max_length=64)]
MetadataValue = Annotated[str, Meta(max_length=512)]
MOST_METADATA: Final = 16
Metadata = Annotated[dict[MetadataKey, MetadataValue], Meta(max_length=MOST_METADATA)]
Attempts = Annotated[int, Meta(ge=1, le=50)]

LONGEST_DELAY: Final = timedelta(days=36_500)
"""A hundred years: what is to wait longer is a slip of the pen."""

LONGEST_TIMEOUT: Final = timedelta(hours=24)

_ENCODER: Final = msgspec.json.Encoder()


class JobOptions(Struct, frozen=True, kw_only=True):
    """How a job is to be run; everything has a default, most of them the kind's."""

    priority: int = 0
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = {}
    delay: timedelta | None = None
    run_at: datetime | None = None
    expires_in: timedelta | None = None
    timeout: timedelta | None = None
    max_attempts: int | None = None
    concurrency_key: str | None = None
    webhook_url: str | None = None
    no_cache: bool = False


class NewJob(Struct, frozen=True, kw_only=True):
    """A row not yet written. Its times are told to the database, whose clock decides: `delay` counts from there.

    One with an `answer`, the JSON of its result, is written as succeeded and never queued. One with `no_cache` is
    answered anew, whatever was answered before.
    """

    id: JobId
    tenant_id: str
    caller_id: str
    kind: str
    queue: str
    input: bytes
    priority: int
    tags: tuple[str, ...]
    metadata: Mapping[str, str]
    max_attempts: int
    timeout_seconds: float
    delay_seconds: float | None
    run_at: datetime | None
    expires_in_seconds: float | None
    concurrency_key: str | None
    schedule_id: str | None = None
    batch_id: str | None = None
    batch_index: int | None = None
    parent_id: str | None = None
    request_id: str | None = None
    traceparent: str | None = None
    idempotency: IdempotencyKey | None = None
    unique: Unique | None = None
    webhook_url: str | None = None
    no_cache: bool = False
    answer: bytes | None = None


class Job(Struct, frozen=True, kw_only=True):
    """A job as its row stands.

    `input`, `result`, `metadata`, `error` and `usage` are JSON text that passes through unread.
    `seq` counts the job's events; it grows with every change and so names the version of the row.
    """

    id: JobId
    tenant_id: str
    caller_id: str
    kind: str
    queue: str
    state: State
    priority: int
    tags: tuple[str, ...]
    metadata: bytes
    attempt: int
    max_attempts: int
    crashes: int
    input: bytes
    result: bytes | None
    error: bytes | None
    usage: bytes | None
    progress: float | None
    timeout_seconds: float
    concurrency_key: str | None
    schedule_id: str | None
    batch_id: str | None
    batch_index: int | None
    parent_id: str | None
    request_id: str | None
    traceparent: str | None
    created_at: datetime
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    cancel_requested_at: datetime | None
    lease: str | None
    worker: str | None
    seq: int
    webhook_url: str | None = None
    no_cache: bool = False

    @property
    def is_terminal(self) -> bool:
        """Whether nothing will move this job any more, short of a hand."""
        return self.state in TERMINAL


def as_submitted(job: Job, run_at: datetime) -> Job:
    """The job as it stood when it was accepted, to run at `run_at`; one that was answered then and there had ended."""
    if job.state is State.SUCCEEDED and not job.attempt:
        return job
    waits = run_at > job.created_at
    return replace(
        job,
        state=State.SCHEDULED if waits else State.QUEUED,
        attempt=0,
        crashes=0,
        result=None,
        error=None,
        usage=None,
        progress=None,
        run_at=run_at,
        started_at=None,
        finished_at=None,
        cancel_requested_at=None,
        lease=None,
        worker=None,
        seq=0 if waits else 1,
    )


class JobError(Struct, frozen=True, kw_only=True):
    """Why a job failed, as stored and shown."""

    code: str
    title: str
    detail: str
    retryable: bool = False


def new_job(  # noqa: PLR0913 - whatever a job may be told at its making
    kind: Kind[Any, Any],
    given: Input,
    caller: Caller,
    *,
    job_id: JobId,
    options: JobOptions | None = None,
    schedule_id: str | None = None,
    batch_id: str | None = None,
    batch_index: int | None = None,
    parent_id: str | None = None,
    request_id: str | None = None,
    traceparent: str | None = None,
    idempotency: IdempotencyKey | None = None,
) -> NewJob:
    """A job of `kind` for `caller`, ready to be written; options not given fall back to the kind's.

    Whether the caller may submit it is asked at the door, not here.
    """
    options = options or JobOptions()
    return NewJob(
        id=job_id,
        tenant_id=caller.tenant_id,
        caller_id=caller.user_id,
        kind=kind.name,
        queue=kind.queue,
        input=_ENCODER.encode(given),
        priority=options.priority,
        tags=options.tags,
        metadata=options.metadata,
        max_attempts=options.max_attempts or kind.max_attempts,
        timeout_seconds=(options.timeout or kind.timeout).total_seconds(),
        delay_seconds=None if options.delay is None else options.delay.total_seconds(),
        run_at=options.run_at,
        expires_in_seconds=None if options.expires_in is None else options.expires_in.total_seconds(),
        concurrency_key=options.concurrency_key,
        webhook_url=options.webhook_url,
        no_cache=options.no_cache,
        schedule_id=schedule_id,
        batch_id=batch_id,
        batch_index=batch_index,
        parent_id=parent_id,
        request_id=request_id,
        traceparent=traceparent,
        idempotency=idempotency,
    )
