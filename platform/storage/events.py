"""What happened to jobs, in order."""

from typing import Final

from sqlalchemy import text

from domain.jobs.events import Event, EventType
from storage.database import Tx

_AFTER: Final = text("""
SELECT job_id, seq, type, at, data FROM events WHERE job_id = :job_id AND seq > :seq ORDER BY seq LIMIT :limit
""")

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


async def append_event(tx: Tx, job_id: str, lease: str, kind: EventType, data: bytes) -> bool:
    """Add what a running attempt tells; False: its lease is lost and nothing was written."""
    rows = await tx.execute(_APPEND, {"job_id": job_id, "lease": lease, "type": kind.value, "data": data.decode()})
    return rows.first() is not None
