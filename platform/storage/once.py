"""Submitting once: keys of repeated requests and of unique jobs, in the transaction that writes the jobs.

Two transactions may want the same keys. Each locks the rows of its idempotency keys first, then those of its unique
keys, both in the order of the keys, so that none waits for another in a circle. Who comes second waits for the first to
commit, and reads what it wrote.

Long because the order in which both sorts of keys are locked is only seen where they stand side by side.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import text

from domain.ids import JobId
from domain.jobs.job import Job, NewJob
from domain.jobs.once import (
    KEYS_KEPT,
    LONGEST_UNIQUE,
    IdempotencyAnswerGone,
    IdempotencyInProgress,
    IdempotencyKey,
    IdempotencyKeyReused,
    reused_key,
)
from storage.database import Tx
from storage.jobs import find_jobs, submit_jobs

# The update changes nothing: it locks the row that stands, and makes RETURNING give it, committed a moment ago or not.
_TAKE: Final = text("""
INSERT INTO idempotency_keys (tenant_id, route, key, fingerprint, job_id, run_at)
SELECT tenant_id, route, key, fingerprint, job_id,
    coalesce(run_at, now() + make_interval(secs => coalesce(delay_seconds, 0)))
FROM unnest(
    CAST(:tenant_id AS text[]), CAST(:route AS text[]), CAST(:key AS text[]), CAST(:fingerprint AS bytea[]),
    CAST(:job_id AS text[]), CAST(:run_at AS timestamptz[]), CAST(:delay_seconds AS float8[])
) AS given (tenant_id, route, key, fingerprint, job_id, run_at, delay_seconds)
ORDER BY tenant_id, route, key
ON CONFLICT (tenant_id, route, key) DO UPDATE SET job_id = idempotency_keys.job_id
RETURNING tenant_id, route, key, fingerprint, job_id, run_at, deduplicated
""")

_POINT: Final = text("""
UPDATE idempotency_keys SET job_id = given.job_id, deduplicated = true
FROM unnest(CAST(:tenant_id AS text[]), CAST(:route AS text[]), CAST(:key AS text[]), CAST(:job_id AS text[]))
    AS given (tenant_id, route, key, job_id)
WHERE idempotency_keys.tenant_id = given.tenant_id AND idempotency_keys.route = given.route
    AND idempotency_keys.key = given.key
""")

_TAKE_UNIQUE: Final = text("""
INSERT INTO unique_keys (tenant_id, fingerprint, job_id)
SELECT * FROM unnest(CAST(:tenant_id AS text[]), CAST(:fingerprint AS bytea[]), CAST(:job_id AS text[]))
    AS given (tenant_id, fingerprint, job_id)
ORDER BY tenant_id, fingerprint
ON CONFLICT (tenant_id, fingerprint) DO UPDATE SET job_id = unique_keys.job_id
RETURNING tenant_id, fingerprint, job_id
""")

_AGES: Final = text("""
SELECT id, extract(epoch FROM now() - created_at) FROM jobs
WHERE id = ANY(CAST(:ids AS text[])) AND state IN ('scheduled', 'queued', 'running')
""")

_POINT_UNIQUE: Final = text("""
UPDATE unique_keys SET job_id = given.job_id, created_at = now()
FROM unnest(CAST(:tenant_id AS text[]), CAST(:fingerprint AS bytea[]), CAST(:job_id AS text[]))
    AS given (tenant_id, fingerprint, job_id)
WHERE unique_keys.tenant_id = given.tenant_id AND unique_keys.fingerprint = given.fingerprint
""")

_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")

_FIND: Final = text("""
SELECT fingerprint, job_id, status, location, body FROM idempotency_keys
WHERE tenant_id = :tenant_id AND route = :route AND key = :key
""")

_IS_KEPT: Final = text("""
SELECT EXISTS (
    SELECT FROM idempotency_keys
    WHERE tenant_id = :tenant_id AND route = :route AND key = :key AND fingerprint = :fingerprint
)
""")

_KEEP: Final = text("""
INSERT INTO idempotency_keys (tenant_id, route, key, fingerprint, job_id, status, location, body)
VALUES (:tenant_id, :route, :key, :fingerprint, :job_id, :status, :location, :body)
""")

# Rows that somebody reads now are left for the next time: nobody waits for a broom.
_PRUNE: Final = text("""
WITH old AS (
    SELECT tenant_id, route, key FROM idempotency_keys
    WHERE created_at < now() - make_interval(secs => :kept_seconds)
    ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
DELETE FROM idempotency_keys USING old
WHERE idempotency_keys.tenant_id = old.tenant_id AND idempotency_keys.route = old.route
    AND idempotency_keys.key = old.key
""")

_PRUNE_UNIQUE: Final = text("""
WITH old AS (
    SELECT tenant_id, fingerprint FROM unique_keys
    WHERE created_at < now() - make_interval(secs => :kept_seconds)
    ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
DELETE FROM unique_keys USING old
WHERE unique_keys.tenant_id = old.tenant_id AND unique_keys.fingerprint = old.fingerprint
""")

Refusal = IdempotencyKeyReused | IdempotencyAnswerGone


class Submitted(Struct, frozen=True, kw_only=True):
    """The job that answers a submission; `is_new` if this one wrote it.

    `replayed`: a request with the same key was answered with it before, to run at `run_at`; None: nobody noted that.
    `deduplicated`: it stood, and is alike.
    `is_due`: the relay has something to send of those written with it.
    """

    job: Job
    is_new: bool = True
    is_due: bool = True
    replayed: bool = False
    run_at: datetime | None = None
    deduplicated: bool = False


class KeptAnswer(Struct, frozen=True, kw_only=True):
    """What the first request with a key was answered: a job, or these very bytes."""

    fingerprint: bytes
    job_id: str | None = None
    status: int | None = None
    location: str | None = None
    body: bytes | None = None


class _Holder(Struct, frozen=True, kw_only=True):
    fingerprint: bytes
    job_id: str
    run_at: datetime | None
    deduplicated: bool


async def submit_once(tx: Tx, new: Sequence[NewJob]) -> list[Submitted | Refusal]:
    """Write those of the jobs that nobody submitted before; answers one a job, in the order given.

    Of jobs with one idempotency key the first is written, and answers the others, here or in another transaction. Of
    jobs that want to be unique the first is written, and answers the others as long as it is live and young enough.
    """
    if all(job.idempotency is None and job.unique is None for job in new):
        jobs = await submit_jobs(tx, new)
        return [Submitted(job=job, is_due=jobs.is_due) for job in jobs]
    holders = await _take_keys(tx, [job for job in new if job.idempotency is not None])
    first = [job for job in new if job.idempotency is None or holders[_name(job.idempotency)].job_id == job.id]
    standing = await _take_unique_keys(tx, first)
    await _point_keys(tx, [job for job in first if job.id in standing], standing)
    rows = await submit_jobs(tx, [job for job in first if job.id not in standing])
    written = {job.id: job for job in rows}
    shown = {job.id: _shown(job, holders, standing) for job in new}
    others = await find_jobs(tx, {job_id for job_id in shown.values() if job_id not in written})
    found = written | {JobId(job.id): job for job in others}
    return [_answer(job, found.get(JobId(shown[job.id])), holders, standing, is_due=rows.is_due) for job in new]


async def is_kept(tx: Tx, key: IdempotencyKey) -> bool:
    """Whether the very request of this key was answered before; nothing is locked."""
    given = {"tenant_id": key.tenant_id, "route": key.route, "key": key.key, "fingerprint": key.fingerprint}
    kept: bool = (await tx.execute(_IS_KEPT, given)).scalar_one()
    return kept


async def take_answer(tx: Tx, key: IdempotencyKey) -> KeptAnswer | None:
    """What was answered to this key before; None: nothing, and until the transaction ends nobody else may answer it.

    Raises:
        IdempotencyInProgress: somebody is about to answer it.
        IdempotencyKeyReused: it was answered, and the request was another.
    """
    name = "\n".join(_name(key))
    if not (await tx.execute(_LOCK, {"name": name})).scalar_one():
        raise IdempotencyInProgress("The first request with this key is not answered yet.")
    row = (await tx.execute(_FIND, _named(key))).one_or_none()
    if row is None:
        return None
    kept = KeptAnswer(**row._mapping)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - public, as in jobs.py
    if kept.fingerprint != key.fingerprint:
        raise reused_key()
    return kept


async def keep_answer(tx: Tx, key: IdempotencyKey, answer: KeptAnswer) -> None:
    """Keep what is answered to a key that `take_answer` gave to this transaction."""
    await tx.execute(
        _KEEP,
        {
            **_named(key),
            "fingerprint": answer.fingerprint,
            "job_id": answer.job_id,
            "status": answer.status,
            "location": answer.location,
            "body": answer.body,
        },
    )


async def prune_keys(tx: Tx, *, limit: int) -> None:
    """Forget at most `limit` idempotency keys older than 7 days, and as many unique keys older than any window."""
    await tx.execute(_PRUNE, {"kept_seconds": KEYS_KEPT.total_seconds(), "limit": limit})
    await tx.execute(_PRUNE_UNIQUE, {"kept_seconds": LONGEST_UNIQUE.total_seconds(), "limit": limit})


async def _take_keys(tx: Tx, new: Iterable[NewJob]) -> dict[tuple[str, str, str], _Holder]:
    """Lock the rows of the jobs' keys, which are the jobs' own where there were none."""
    first: dict[tuple[str, str, str], tuple[IdempotencyKey, NewJob]] = {}
    for job in new:
        if job.idempotency is not None:
            first.setdefault(_name(job.idempotency), (job.idempotency, job))
    if not first:
        return {}
    rows = await tx.execute(
        _TAKE,
        {
            "tenant_id": [key.tenant_id for key, _ in first.values()],
            "route": [key.route for key, _ in first.values()],
            "key": [key.key for key, _ in first.values()],
            "fingerprint": [key.fingerprint for key, _ in first.values()],
            "job_id": [job.id for _, job in first.values()],
            "run_at": [job.run_at for _, job in first.values()],
            "delay_seconds": [job.delay_seconds for _, job in first.values()],
        },
    )
    return {
        (tenant_id, route, key): _Holder(
            fingerprint=fingerprint, job_id=job_id, run_at=run_at, deduplicated=deduplicated
        )
        for tenant_id, route, key, fingerprint, job_id, run_at, deduplicated in rows
    }


async def _take_unique_keys(tx: Tx, new: Iterable[NewJob]) -> dict[str, str]:
    """Lock the rows of the jobs' unique keys; answers which job, by id, stands for which of these."""
    wanted = [(job.id, (job.tenant_id, job.unique.fingerprint), job.unique) for job in new if job.unique is not None]
    if not wanted:
        return {}
    first: dict[tuple[str, bytes], str] = {}
    for job_id, name, _ in wanted:
        first.setdefault(name, job_id)
    rows = await tx.execute(_TAKE_UNIQUE, _unique_rows(first))
    held = {(tenant_id, fingerprint): job_id for tenant_id, fingerprint, job_id in rows}
    ages = {job_id: float(age) for job_id, age in await tx.execute(_AGES, {"ids": list(held.values())})}
    standing: dict[str, str] = {}
    last = dict(held)
    for job_id, name, unique in wanted:
        if last[name] != job_id and ages.get(last[name], unique.window_seconds) < unique.window_seconds:
            standing[job_id] = last[name]
        else:
            last[name], ages[job_id] = job_id, 0.0
    moved = {name: job_id for name, job_id in last.items() if held[name] != job_id}
    if moved:
        await tx.execute(_POINT_UNIQUE, _unique_rows(moved))
    return standing


async def _point_keys(tx: Tx, new: Iterable[NewJob], standing: dict[str, str]) -> None:
    """Let the keys of these jobs name the jobs that stand for them."""
    keys = [(job.idempotency, standing[job.id]) for job in new if job.idempotency is not None]
    if keys:
        await tx.execute(
            _POINT,
            {
                "tenant_id": [key.tenant_id for key, _ in keys],
                "route": [key.route for key, _ in keys],
                "key": [key.key for key, _ in keys],
                "job_id": [job_id for _, job_id in keys],
            },
        )


def _shown(job: NewJob, holders: dict[tuple[str, str, str], _Holder], standing: dict[str, str]) -> str:
    """The id of the job that answers this one."""
    first = job.id if job.idempotency is None else holders[_name(job.idempotency)].job_id
    return standing.get(first, first)


def _answer(
    job: NewJob,
    shown: Job | None,
    holders: dict[tuple[str, str, str], _Holder],
    standing: dict[str, str],
    *,
    is_due: bool,
) -> Submitted | Refusal:
    holder = None if job.idempotency is None else holders[_name(job.idempotency)]
    replayed = holder is not None and holder.job_id != job.id
    if job.idempotency is not None and holder is not None and holder.fingerprint != job.idempotency.fingerprint:
        return reused_key()
    if shown is None:
        return IdempotencyAnswerGone("The job that this key made is kept no more.")
    first = holder.job_id if holder is not None else job.id
    return Submitted(
        job=shown,
        is_new=shown.id == job.id,
        replayed=replayed,
        run_at=holder.run_at if holder is not None else None,
        deduplicated=first in standing or (holder is not None and holder.deduplicated),
        is_due=is_due,
    )


def _name(key: IdempotencyKey) -> tuple[str, str, str]:
    return key.tenant_id, key.route, key.key


def _named(key: IdempotencyKey) -> dict[str, str]:
    return {"tenant_id": key.tenant_id, "route": key.route, "key": key.key}


def _unique_rows(jobs: dict[tuple[str, bytes], str]) -> dict[str, list[Any]]:
    return {
        "tenant_id": [tenant_id for tenant_id, _ in jobs],
        "fingerprint": [fingerprint for _, fingerprint in jobs],
        "job_id": list(jobs.values()),
    }
