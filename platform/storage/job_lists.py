"""Reading jobs: lists with filters and cursors, attempts, counts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, any_, literal, select, text, true

from domain.jobs.job import Job
from storage.database import Tx
from storage.jobs import as_job
from storage.tables import jobs

_COLUMNS: Final = [jobs.c[name] for name in Job.__struct_fields__]

_ATTEMPTS: Final = text("""
SELECT job_id, attempt, worker, started_at, finished_at, outcome, code, detail
FROM attempts WHERE job_id = ANY(CAST(:ids AS text[])) ORDER BY id
""")

_COUNTS: Final = text("""
SELECT queue, state, count(*), min(run_at) FROM jobs WHERE state IN ('scheduled', 'queued', 'running')
GROUP BY queue, state
""")


class JobFilter(Struct, frozen=True, kw_only=True):
    """Which jobs of a tenant; what is None does not narrow."""

    states: tuple[str, ...] = ()
    kind: str | None = None
    queue: str | None = None
    tag: str | None = None
    batch_id: str | None = None
    schedule_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class Attempt(Struct, frozen=True, kw_only=True):
    """One try at running a job, as it ended."""

    job_id: str
    attempt: int
    worker: str
    started_at: datetime
    finished_at: datetime
    outcome: str
    code: str | None
    detail: str | None


class QueueCount(Struct, frozen=True, kw_only=True):
    """How many live jobs of a queue stand in one state, and since when the oldest."""

    queue: str
    state: str
    count: int
    oldest: datetime


async def list_jobs(tx: Tx, tenant_id: str, wanted: JobFilter, *, limit: int, before: str | None = None) -> list[Job]:
    """A tenant's jobs, newest first, older than the id `before`."""
    query = (
        select(*_COLUMNS)
        .where(jobs.c.tenant_id == tenant_id, _matches(wanted), true() if before is None else jobs.c.id < before)
        .order_by(jobs.c.id.desc())
        .limit(limit)
    )
    return [as_job(row) for row in await tx.execute(query)]


async def list_attempts(tx: Tx, job_ids: Sequence[str]) -> list[Attempt]:
    """The ended attempts of jobs, in the order they ended."""
    rows = await tx.execute(_ATTEMPTS, {"ids": list(job_ids)})
    return [Attempt(**row) for row in rows.mappings()]


async def count_live(tx: Tx) -> list[QueueCount]:
    """Live jobs by queue and state, of all tenants."""
    rows = await tx.execute(_COUNTS)
    return [QueueCount(queue=queue, state=state, count=count, oldest=oldest) for queue, state, count, oldest in rows]


def _matches(wanted: JobFilter) -> ColumnElement[bool]:
    narrowed: list[ColumnElement[Any]] = [
        jobs.c[name] == value
        for name in ("kind", "queue", "batch_id", "schedule_id")
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.states:
        narrowed.append(jobs.c.state.in_(wanted.states))
    if wanted.tag is not None:
        narrowed.append(literal(wanted.tag) == any_(jobs.c.tags))
    if wanted.created_after is not None:
        narrowed.append(jobs.c.created_at > wanted.created_after)
    if wanted.created_before is not None:
        narrowed.append(jobs.c.created_at < wanted.created_before)
    return and_(true(), *narrowed)
