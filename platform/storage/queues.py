"""What operators set on queues, and which of them nobody hears."""

from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import text

from domain.jobs.limits import QueueLimits
from storage.database import Tx

_ENCODER: Final = msgspec.json.Encoder()

_PAUSE: Final = text("""
INSERT INTO queues (name, paused) VALUES (:name, :paused)
ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, updated_at = now()
""")


_LIMIT: Final = text("""
INSERT INTO queues (name, limits, counts_starts) VALUES (:name, CAST(:limits AS json), :counts_starts)
ON CONFLICT (name) DO UPDATE SET limits = excluded.limits, counts_starts = excluded.counts_starts, updated_at = now()
""")

# What was counted for a rate that is no more would be stale when another is set.
_FORGET_STARTS: Final = text("DELETE FROM starts WHERE queue = :name")

_READ: Final = text("SELECT name, paused, CAST(limits AS text) FROM queues WHERE paused OR limits IS NOT NULL")

# Of the newest attempts only so many are looked at: under load they are less than a minute's, and the rate is theirs.
_RATES: Final = text("""
WITH newest AS (
    SELECT job_id, finished_at FROM attempts ORDER BY id DESC LIMIT :most
), span AS (
    SELECT CASE WHEN count(*) = :most
        THEN greatest(least(60, extract(epoch FROM now() - min(finished_at))), 1) ELSE 60 END AS seconds
    FROM newest
)
SELECT jobs.queue, CAST(round(count(*) * 60 / max(span.seconds), 1) AS float8)
FROM newest JOIN jobs ON jobs.id = newest.job_id, span
WHERE newest.finished_at > now() - make_interval(secs => CAST(span.seconds AS float8)) GROUP BY jobs.queue
""")

_LOOKED_AT: Final = 2000


class QueueSetting(Struct, frozen=True, kw_only=True):
    """What an operator has set on a queue; no limits: only that of the concurrency keys, which always holds."""

    paused: bool = False
    limits: QueueLimits | None = None


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


async def unheard_queues(tx: Tx, *, sends: int, seen_seconds: float) -> list[Unheard]:
    """The queues with jobs sent at least `sends` times that no worker claims, unless all who could are busy.

    A worker counts if it was heard within `seen_seconds` and is not stopping.
    """
    rows = await tx.execute(_UNHEARD, {"sends": sends, "seen_seconds": seen_seconds})
    return [Unheard(**row) for row in rows.mappings()]


async def limit_queue(tx: Tx, name: str, limits: QueueLimits) -> None:
    """Set a queue's limits in place of those there were; they hold for what is sent from now on."""
    is_limited = limits != QueueLimits()
    await tx.execute(
        _LIMIT,
        {
            "name": name,
            "limits": _ENCODER.encode(limits).decode() if is_limited else None,
            "counts_starts": bool(limits.periods),
        },
    )
    if not limits.periods:
        await tx.execute(_FORGET_STARTS, {"name": name})


async def read_queues(tx: Tx) -> dict[str, QueueSetting]:
    """The queues on which something is set."""
    return {
        name: QueueSetting(
            paused=paused, limits=None if limits is None else msgspec.json.decode(limits, type=QueueLimits)
        )
        for name, paused, limits in await tx.execute(_READ)
    }


async def recent_rates(tx: Tx) -> dict[str, float]:
    """How many attempts of each queue ended in the last minute. Reads the newest few thousand, whatever the history."""
    return {queue: rate for queue, rate in await tx.execute(_RATES, {"most": _LOOKED_AT})}  # noqa: C416 - rows
