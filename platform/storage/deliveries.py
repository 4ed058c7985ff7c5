"""Notices and their deliveries in SQL: written in the transaction that ends the job they tell of, so none is lost."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Row, text

from domain.jobs.job import Job, NewJob
from domain.jobs.shown import FailedAttempt
from domain.webhooks.deliver_webhook import Try
from domain.webhooks.delivery import Delivery, NewDelivery, job_of, new_delivery, state_of
from domain.webhooks.endpoint import EndpointState, wants
from domain.webhooks.notice import Notice, notice_of_end
from storage.database import Tx

_LISTENING: Final = text("""
SELECT id, tenant_id, caller_id, events FROM webhook_endpoints
WHERE tenant_id = ANY(CAST(:tenants AS text[])) AND state = 'active' ORDER BY id
""")

_FAILED: Final = text("""
SELECT job_id, attempt, finished_at, code, detail FROM attempts
WHERE job_id = ANY(CAST(:ids AS text[])) AND code IS NOT NULL ORDER BY id
""")

_ADD_NOTICES: Final = text("""
INSERT INTO webhook_notices (id, tenant_id, type, subject, body, created_at)
SELECT * FROM unnest(
    CAST(:id AS text[]), CAST(:tenant_id AS text[]), CAST(:type AS text[]), CAST(:subject AS text[]),
    CAST(:body AS bytea[]), CAST(:at AS timestamptz[]))
""")

_ADD: Final = text("""
INSERT INTO webhook_deliveries (id, tenant_id, notice_id, endpoint_id, url, job_id, again_of)
SELECT * FROM unnest(
    CAST(:id AS text[]), CAST(:tenant_id AS text[]), CAST(:notice_id AS text[]), CAST(:endpoint_id AS text[]),
    CAST(:url AS text[]), CAST(:job_id AS text[]), CAST(:again_of AS text[]))
""")

_SENDING: Final = text("""
SELECT deliveries.id, deliveries.tenant_id, deliveries.endpoint_id, deliveries.notice_id, notices.type, notices.body,
    coalesce(deliveries.url, endpoints.url) AS url, endpoints.state, endpoints.secret, endpoints.secret_before,
    CASE WHEN deliveries.endpoint_id IS NULL THEN signers.rotated_at ELSE endpoints.rotated_at END AS rotated_at,
    coalesce(signers.generation, 1) AS generation, now() AS now
FROM webhook_deliveries AS deliveries
JOIN webhook_notices AS notices ON notices.id = deliveries.notice_id
LEFT JOIN webhook_endpoints AS endpoints ON endpoints.id = deliveries.endpoint_id
LEFT JOIN webhook_signers AS signers ON signers.tenant_id = deliveries.tenant_id AND deliveries.endpoint_id IS NULL
WHERE deliveries.id = :id AND deliveries.tenant_id = :tenant_id
""")

_NOTE: Final = text("""
UPDATE webhook_deliveries SET tries = tries + 1, tried_at = now(), status_code = :status_code,
    duration_ms = :duration_ms, answer = :answer, code = :code
WHERE id = :id
""")

_DELIVERY: Final = """
SELECT deliveries.*, notices.type, notices.subject, jobs.state AS job_state,
    CASE WHEN jobs.state IN ('scheduled', 'queued') THEN jobs.run_at END AS next_try_at
FROM webhook_deliveries AS deliveries
JOIN webhook_notices AS notices ON notices.id = deliveries.notice_id
LEFT JOIN jobs ON jobs.id = deliveries.job_id
WHERE deliveries.tenant_id = :tenant_id AND deliveries.endpoint_id = :endpoint_id
"""

_LIST: Final = text(f"""
{_DELIVERY} AND (CAST(:before AS text) IS NULL OR deliveries.id < :before) ORDER BY deliveries.id DESC LIMIT :limit
""")

_FIND: Final = text(f"{_DELIVERY} AND deliveries.id = :id")


class Sending(Struct, frozen=True, kw_only=True):
    """What it takes to try a delivery once. `url` and `state` are null where its endpoint was deleted.

    A delivery to an endpoint is signed with its secrets, which are sealed; one to a job's URL with the tenant's, of
    this `generation`.
    """

    id: str
    tenant_id: str
    endpoint_id: str | None
    notice_id: str
    type: str
    body: bytes
    url: str | None
    state: EndpointState | None
    secret: bytes | None
    secret_before: bytes | None
    rotated_at: datetime | None
    generation: int
    now: datetime


async def write_ends(tx: Tx, jobs: Sequence[Job]) -> list[NewJob]:
    """Write what is to be told of jobs that have just ended; answers with the jobs that deliver it, to be submitted."""
    if not jobs:
        return []
    listening = (await tx.execute(_LISTENING, {"tenants": sorted({job.tenant_id for job in jobs})})).all()
    failed = await _failed_attempts(tx, [job.id for job in jobs if job.error is not None])
    notices: list[Notice] = []
    deliveries: list[NewDelivery] = []
    submitted: list[NewJob] = []
    for job in jobs:
        notice = notice_of_end(job, failed.get(job.id, ()))
        told = {
            new_delivery(notice, endpoint_id=row.id): row.caller_id
            for row in listening
            if row.tenant_id == job.tenant_id and wants(row.events, notice.type)
        }
        if job.webhook_url is not None:
            told[new_delivery(notice, url=job.webhook_url)] = job.caller_id
        if told:
            notices.append(notice)
            deliveries += told
            submitted += [
                job_of(one, caller_id, parent_id=job.id, request_id=job.request_id, traceparent=job.traceparent)
                for one, caller_id in told.items()
            ]
    await add_notices(tx, notices)
    await add_deliveries(tx, deliveries)
    return submitted


async def write_notices(tx: Tx, tenant_id: str, notices: Sequence[Notice]) -> list[NewJob]:
    """Write what is to be told of events of a tenant; answers with the jobs that deliver it, to be submitted."""
    rows = (await tx.execute(_LISTENING, {"tenants": [tenant_id]})).all()
    told = {
        new_delivery(notice, endpoint_id=row.id): (notice, row.caller_id)
        for notice in notices
        for row in rows
        if wants(row.events, notice.type)
    }
    heard = {notice.id: notice for notice, _ in told.values()}
    await add_notices(tx, list(heard.values()))
    await add_deliveries(tx, list(told))
    return [job_of(one, caller_id) for one, (_, caller_id) in told.items()]


async def add_notices(tx: Tx, notices: Sequence[Notice]) -> None:
    """Write notices."""
    if notices:
        await tx.execute(
            _ADD_NOTICES,
            {
                "id": [one.id for one in notices],
                "tenant_id": [one.tenant_id for one in notices],
                "type": [one.type for one in notices],
                "subject": [one.subject for one in notices],
                "body": [one.body for one in notices],
                "at": [one.at for one in notices],
            },
        )


async def add_deliveries(tx: Tx, deliveries: Sequence[NewDelivery]) -> None:
    """Write deliveries; their jobs are the caller's to submit, in the same transaction."""
    if deliveries:
        await tx.execute(
            _ADD,
            {
                "id": [one.id for one in deliveries],
                "tenant_id": [one.tenant_id for one in deliveries],
                "notice_id": [one.notice_id for one in deliveries],
                "endpoint_id": [one.endpoint_id for one in deliveries],
                "url": [one.url for one in deliveries],
                "job_id": [one.job_id for one in deliveries],
                "again_of": [one.again_of for one in deliveries],
            },
        )


async def find_sending(tx: Tx, tenant_id: str, delivery_id: str) -> Sending | None:
    """What it takes to try a delivery of the tenant once; None: it is kept no more."""
    row = (await tx.execute(_SENDING, {"id": delivery_id, "tenant_id": tenant_id})).one_or_none()
    if row is None:
        return None
    values: dict[str, Any] = dict(row._mapping)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - public, as in jobs
    values["state"] = None if row.state is None else EndpointState(row.state)
    return Sending(**values)


async def note_try(tx: Tx, delivery_id: str, tried: Try) -> None:
    """Write how a try went, over how the one before did."""
    await tx.execute(
        _NOTE,
        {
            "id": delivery_id,
            "status_code": tried.status_code,
            "duration_ms": tried.duration_ms,
            "answer": tried.answer,
            "code": tried.code,
        },
    )


async def list_deliveries(
    tx: Tx, tenant_id: str, endpoint_id: str, *, limit: int, before: str | None = None
) -> list[Delivery]:
    """The deliveries to an endpoint of the tenant, newest first, older than the id `before`."""
    rows = await tx.execute(
        _LIST, {"tenant_id": tenant_id, "endpoint_id": endpoint_id, "limit": limit, "before": before}
    )
    return [_as_delivery(row) for row in rows]


async def find_delivery(tx: Tx, tenant_id: str, endpoint_id: str, delivery_id: str) -> Delivery | None:
    """A delivery to an endpoint of the tenant, or None."""
    row = (
        await tx.execute(_FIND, {"tenant_id": tenant_id, "endpoint_id": endpoint_id, "id": delivery_id})
    ).one_or_none()
    return None if row is None else _as_delivery(row)


async def _failed_attempts(tx: Tx, job_ids: Iterable[str]) -> dict[str, list[FailedAttempt]]:
    found: dict[str, list[FailedAttempt]] = {}
    wanted = list(job_ids)
    for row in await tx.execute(_FAILED, {"ids": wanted}) if wanted else ():
        failed = FailedAttempt(attempt=row.attempt, at=row.finished_at, code=row.code, detail=row.detail or "")
        found.setdefault(row.job_id, []).append(failed)
    return found


def _as_delivery(row: Row[Any]) -> Delivery:
    tried = Try(status_code=row.status_code, duration_ms=0)
    return Delivery(
        id=row.id,
        tenant_id=row.tenant_id,
        notice_id=row.notice_id,
        endpoint_id=row.endpoint_id,
        url=row.url,
        again_of=row.again_of,
        type=row.type,
        subject=row.subject,
        state=state_of(row.job_state, is_taken=tried.is_taken),
        tries=row.tries,
        tried_at=row.tried_at,
        next_try_at=row.next_try_at,
        status_code=row.status_code,
        duration_ms=row.duration_ms,
        answer=row.answer,
        code=row.code,
        created_at=row.created_at,
    )
