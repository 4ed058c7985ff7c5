"""Makers of jobs and of the stores they live in."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import text

from domain.accounts.user import Caller
from domain.emails.send_email import SEND_EMAIL
from domain.ids import JobId
from domain.jobs.job import Job, JobOptions, NewJob, new_job
from domain.jobs.kind import Input, Kind, Result
from domain.jobs.limits import Portion
from runtime.unique_ids import new_id
from storage.accounts import add_tenant
from storage.database import Database, Tx, open_database
from storage.jobs import claim_jobs, submit_jobs

TENANT: Final = "tenant_" + "1" * 32
USER: Final = "user_" + "1" * 32
CALLER: Final = Caller(tenant_id=TENANT, user_id=USER, permissions=frozenset({"jobs:submit", "jobs:read"}))

_SENT: Final = text("""
UPDATE outbox SET stage = 'sent', sent_at = now(), sends = sends + 1
WHERE job_id = ANY(CAST(:ids AS text[])) AND stage = 'due'
""")


class Ask(Input, frozen=True):
    """What the kind of the tests is given."""

    question: str = "why?"


class Reply(Result, frozen=True):
    """What it gives back."""

    text: str


ASK: Final = Kind(
    name="tests.ask",
    input=Ask,
    result=Reply,
    queue="tests",
    summary="A kind for tests",
    example=Ask(),
    timeout=timedelta(seconds=30),
    max_attempts=3,
)


@asynccontextmanager
async def open_store(url: str, *, size: int = 4) -> AsyncIterator[Database]:
    """A database with one tenant in it, closed at the end."""
    database = open_database(url, name="tests", size=size)
    try:
        async with database.begin() as tx:
            await add_tenant(tx, TENANT, "tests")
        yield database
    finally:
        await database.close()


def make_job(kind: Kind[Any, Any] = ASK, given: Input | None = None, **options: Any) -> NewJob:  # noqa: ANN401 - any of JobOptions
    """A job not yet written."""
    return new_job(kind, given or kind.example, CALLER, job_id=JobId(new_id("job")), options=JobOptions(**options))


async def submit(tx: Tx, *new: NewJob) -> list[Job]:
    """Write jobs; one of the tests' kind when none is given."""
    return await submit_jobs(tx, new or [make_job()])


async def mark_sent(tx: Tx, ids: Iterable[str]) -> None:
    """Mark due jobs as sent, as a relay would that has room for all of them."""
    await tx.execute(_SENT, {"ids": list(ids)})


async def claim(
    tx: Tx, *jobs: Job, worker: str = "worker-1", lease_seconds: float = 30, are_sent: bool = False
) -> list[Job]:
    """Claim jobs as a worker would, under a fresh lease; they are marked as sent before, unless `are_sent`."""
    if not are_sent:
        await mark_sent(tx, (job.id for job in jobs))
    return await claim_jobs(
        tx,
        [job.id for job in jobs],
        worker=worker,
        lease=new_id("lease"),
        lease_seconds=lease_seconds,
        kinds=[ASK.name, SEND_EMAIL.name],
    )


def portions(*tenants: str, most: int, kind: str = ASK.name) -> list[Portion]:
    """Portions of `most` jobs for each of the tenants."""
    return [Portion(tenant_id=tenant, kind=kind, most=most, share=most) for tenant in tenants]
