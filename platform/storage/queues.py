"""What operators set on queues, and which of them nobody hears."""

from typing import Final

from msgspec import Struct
from sqlalchemy import text

from storage.database import Tx

_PAUSE: Final = text("""
INSERT INTO queues (name, paused) VALUES (:name, :paused)
ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, updated_at = now()
""")

_PAUSED: Final = text("SELECT name FROM queues WHERE paused")

_UNHEARD: Final = text("""
SELECT sent.queue, sent.jobs, taken.workers FROM (
    SELECT queue, count(*) AS jobs FROM outbox WHERE stage = 'sent' AND sends >= :sends GROUP BY queue
) AS sent, LATERAL (
    SELECT count(*) AS workers, coalesce(sum(concurrency - running), 0) AS room FROM workers
    WHERE sent.queue = ANY (queues) AND NOT stopping AND seen_at > now() - make_interval(secs => :seen_seconds)
) AS taken
WHERE taken.workers = 0 OR taken.room > 0
ORDER BY sent.queue
""")


class Unheard(Struct, frozen=True, kw_only=True):
    """A queue whose jobs were sent again and again and not claimed, though its workers have room or it has none."""

    queue: str
    jobs: int
    workers: int


async def pause_queue(tx: Tx, name: str, *, paused: bool) -> None:
    """Hold a queue's jobs back from now on, or let them go; what is with the broker already still runs."""
    await tx.execute(_PAUSE, {"name": name, "paused": paused})


async def paused_queues(tx: Tx) -> frozenset[str]:
    """The queues that are held back."""
    return frozenset((await tx.execute(_PAUSED)).scalars())


async def unheard_queues(tx: Tx, *, sends: int, seen_seconds: float) -> list[Unheard]:
    """The queues with jobs sent at least `sends` times that no worker claims, unless all who could are busy.

    A worker counts if it was heard within `seen_seconds` and is not stopping.
    """
    rows = await tx.execute(_UNHEARD, {"sends": sends, "seen_seconds": seen_seconds})
    return [Unheard(**row) for row in rows.mappings()]
