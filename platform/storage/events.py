"""What happened to jobs, in order: of one job by `seq`, of a tenant by `number`.

A job's events are written under its row's lock, so each is seen before the next. Numbers are given across jobs without
any lock: one may be committed after a larger one. Who reads by number goes no further than what is `settled`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import text

from domain.jobs.events import Event, EventType, NumberedEvent
from storage.database import Tx

_AFTER: Final = text("""
SELECT job_id, seq, type, at, data FROM events WHERE job_id = :job_id AND seq > :seq ORDER BY seq LIMIT :limit
""")

# Both are asked in this order, each in a statement of its own. Whoever writes an event locks the table so before it is
# given a number, until its transaction has ended and everybody sees what it wrote: with the writers of now gone, all
# up to the last number of before is there, or never will be.
_LAST_NUMBER: Final = text("SELECT coalesce(pg_sequence_last_value('event_numbers'), 0)")
_WRITERS: Final = text("""
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = CAST('events' AS regclass) AND mode = 'RowExclusiveLock' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")

_NEWEST: Final = text("""
SELECT wanted.tenant_id, coalesce((
    SELECT number FROM events WHERE events.tenant_id = wanted.tenant_id AND number <= :settled
    ORDER BY number DESC OFFSET :back LIMIT 1
), 0) AS number
FROM unnest(CAST(:tenants AS text[])) AS wanted (tenant_id)
""")

_OF_TENANTS: Final = text("""
SELECT found.*, jobs.kind, jobs.tags, jobs.batch_id
FROM unnest(CAST(:tenants AS text[]), CAST(:numbers AS bigint[])) AS wanted (tenant_id, number)
CROSS JOIN LATERAL (
    SELECT * FROM events
    WHERE events.tenant_id = wanted.tenant_id AND events.number > wanted.number AND events.number <= :settled
    ORDER BY events.number LIMIT :limit
) AS found
JOIN jobs ON jobs.id = found.job_id
ORDER BY found.number
""")

_SEQS: Final = text("SELECT id, seq FROM jobs WHERE id = ANY(CAST(:ids AS text[]))")

_APPEND: Final = text("""
WITH told AS (
    UPDATE jobs SET seq = seq + 1 WHERE id = :job_id AND lease = :lease AND state = 'running'
    RETURNING id, seq, tenant_id
)
INSERT INTO events (job_id, seq, tenant_id, type, data)
SELECT id, seq, tenant_id, :type, CAST(:data AS json) FROM told
RETURNING seq
""")


async def events_after(tx: Tx, job_id: str, seq: int, *, limit: int = 500) -> list[Event]:
    """A job's events past number `seq`, oldest first."""
    rows = await tx.execute(_AFTER, {"job_id": job_id, "seq": seq, "limit": limit})
    return [Event(job_id=row.job_id, seq=row.seq, type=EventType(row.type), at=row.at, data=row.data) for row in rows]


async def last_number(tx: Tx) -> int:
    """The largest number an event was given so far, whether or not it is to be seen yet."""
    return int((await tx.execute(_LAST_NUMBER)).scalar_one())


async def event_writers(tx: Tx) -> frozenset[str]:
    """The transactions that may hold events nobody else sees yet; one that has ended is never named again."""
    return frozenset((await tx.execute(_WRITERS)).scalars())


async def newest_numbers(tx: Tx, tenants: Sequence[str], *, settled: int, back: int = 0) -> dict[str, int]:
    """The number of each tenant's newest event up to `settled`, or of the one so many before; 0: it has none."""
    rows = await tx.execute(_NEWEST, {"tenants": list(tenants), "settled": settled, "back": back})
    return {row.tenant_id: row.number for row in rows}


async def tenant_events(
    tx: Tx, after: Mapping[str, int], *, settled: int, limit: int
) -> dict[str, list[NumberedEvent]]:
    """Of each tenant at most `limit` events past its number and up to `settled`, in order."""
    asked = {"tenants": list(after), "numbers": list(after.values()), "settled": settled, "limit": limit}
    found: dict[str, list[NumberedEvent]] = {tenant_id: [] for tenant_id in after}
    for row in await tx.execute(_OF_TENANTS, asked):
        event = Event(job_id=row.job_id, seq=row.seq, type=EventType(row.type), at=row.at, data=row.data)
        found[row.tenant_id].append(
            NumberedEvent(number=row.number, event=event, kind=row.kind, tags=tuple(row.tags), batch_id=row.batch_id)
        )
    return found


async def event_counts(tx: Tx, ids: Sequence[str]) -> dict[str, int]:
    """How many events each of the jobs has, by its id; those that are pruned are missing."""
    return {row.id: row.seq for row in await tx.execute(_SEQS, {"ids": list(ids)})}


async def append_event(tx: Tx, job_id: str, lease: str, kind: EventType, data: bytes) -> bool:
    """Add what a running attempt tells; False: its lease is lost and nothing was written."""
    rows = await tx.execute(_APPEND, {"job_id": job_id, "lease": lease, "type": kind.value, "data": data.decode()})
    return rows.first() is not None
