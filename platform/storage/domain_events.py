"""Domain events in SQL: written in the transaction in which they happen, with the deliveries that tell of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Row, text

from domain.domain_event import DomainEvent
from domain.ids import derived_id
from domain.jobs.job import NewJob
from domain.webhooks.notice import notice_of
from storage.database import Tx
from storage.deliveries import write_notices
from storage.jobs import submit_jobs

# what happened is timed when it is written, so that what a lock put in order is told in order
_NOW: Final = text("SELECT clock_timestamp()")

_ADD: Final = text("""
INSERT INTO domain_events (id, tenant_id, type, subject, body, created_at)
SELECT * FROM unnest(
    CAST(:id AS text[]), CAST(:tenant_id AS text[]), CAST(:type AS text[]), CAST(:subject AS text[]),
    CAST(:body AS bytea[]), CAST(:at AS timestamptz[]))
""")

_LIST: Final = text("""
SELECT id, body FROM domain_events
WHERE tenant_id = :tenant_id
    AND (CAST(:before AS text) IS NULL OR id < :before)
    AND (CAST(:type AS text) IS NULL OR type = :type)
    AND (CAST(:subject AS text) IS NULL OR subject = :subject)
    AND (CAST(:created_after AS timestamptz) IS NULL OR created_at > :created_after)
    AND (CAST(:created_before AS timestamptz) IS NULL OR created_at < :created_before)
ORDER BY id DESC LIMIT :limit
""")

_FIND: Final = text("SELECT id, body FROM domain_events WHERE tenant_id = :tenant_id AND id = :id")


class StoredEvent(Struct, frozen=True):
    """A domain event as it is kept: `body` is the CloudEvent, byte for byte as endpoints are told it."""

    id: str
    body: bytes


class DomainEventFilter(Struct, frozen=True, kw_only=True):
    """Which domain events; each condition narrows."""

    type: str | None = None
    subject: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


async def tell(tx: Tx, events: Sequence[DomainEvent]) -> list[NewJob]:
    """Write what happened in a tenant, and submit the jobs that tell endpoints of it: answers with those, often none.

    They commit with everything else in `tx`, or not at all; ring the relay after the commit where there are any.
    """
    if not events:
        return []
    at: datetime = (await tx.execute(_NOW)).scalar_one()
    notices = [
        notice_of(
            notice_id=derived_id("evt", event.subject, f"{event.type}|{event.cause}", at=at),
            tenant_id=event.tenant_id,
            event_type=event.type,
            source=event.source,
            subject=event.subject,
            at=at,
            about=event.about,
        )
        for event in events
    ]
    await tx.execute(
        _ADD,
        {
            "id": [notice.id for notice in notices],
            "tenant_id": [notice.tenant_id for notice in notices],
            "type": [notice.type for notice in notices],
            "subject": [notice.subject for notice in notices],
            "body": [notice.body for notice in notices],
            "at": [notice.at for notice in notices],
        },
    )
    told = await write_notices(tx, events[0].tenant_id, notices)
    await submit_jobs(tx, told)
    return told


async def list_domain_events(
    tx: Tx, tenant_id: str, wanted: DomainEventFilter, *, limit: int, before: str | None = None
) -> list[StoredEvent]:
    """What happened in the tenant, newest first, older than the id `before`."""
    rows = await tx.execute(
        _LIST,
        {
            "tenant_id": tenant_id,
            "before": before,
            "type": wanted.type,
            "subject": wanted.subject,
            "created_after": wanted.created_after,
            "created_before": wanted.created_before,
            "limit": limit,
        },
    )
    return [_as_event(row) for row in rows]


async def find_domain_event(tx: Tx, tenant_id: str, event_id: str) -> StoredEvent | None:
    """One of what happened in the tenant, or None."""
    row = (await tx.execute(_FIND, {"tenant_id": tenant_id, "id": event_id})).one_or_none()
    return None if row is None else _as_event(row)


def _as_event(row: Row[Any]) -> StoredEvent:
    return StoredEvent(row.id, bytes(row.body))
