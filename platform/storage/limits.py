"""What of a queue's limits is used: how many of its jobs are sent or run, and how many started lately."""

from typing import Final

from sqlalchemy import text

from domain.jobs.limits import InFlight, QueueLimits, Started, Use
from storage.database import Tx

# Who decides about a limited queue must see what every other relay decided: one at a time, until its commit.
_DECIDE: Final = text("SELECT pg_try_advisory_xact_lock(hashtext('headrace.limits'), hashtext(:queue))")

# One statement, one view: a claim moves a job from the one to the other, and it must not be missed in between.
_IN_FLIGHT: Final = text("""
SELECT tenant_id, kind, count(*) FILTER (WHERE is_sent) AS sent, count(*) FILTER (WHERE NOT is_sent) AS running
FROM (
    SELECT tenant_id, kind, true AS is_sent FROM outbox WHERE queue = :queue AND stage = 'sent'
    UNION ALL
    SELECT tenant_id, kind, false FROM jobs WHERE queue = :queue AND state = 'running'
) AS occupied GROUP BY tenant_id, kind
""")

# Starts that lie close together are counted as one, as old as its youngest: for the rate they leave a little late.
_STARTED: Final = text("""
SELECT tenant_id, kind, min(age) AS age_seconds, sum(count) AS count FROM (
    SELECT tenant_id, kind, count, CAST(extract(epoch FROM clock_timestamp() - at) AS float8) AS age
    FROM starts WHERE queue = :queue AND at >= clock_timestamp() - make_interval(secs => :longest_seconds)
) AS recent GROUP BY tenant_id, kind, floor(age / :close_seconds)
""")

_FORGET: Final = text("""
DELETE FROM starts WHERE queue = :queue AND at < clock_timestamp() - make_interval(secs => :longest_seconds)
""")

_CLOSE: Final = 0.01  # of the shortest period


async def may_decide(tx: Tx, queue: str) -> bool:
    """Whether this transaction, and no other relay's, may now send jobs of a queue with limits."""
    return bool((await tx.execute(_DECIDE, {"queue": queue})).scalar_one())


async def use_of(tx: Tx, queue: str, limits: QueueLimits) -> Use:
    """What of its limits a queue uses now; asked after `may_decide`, in the same transaction.

    Costs what is in flight and what started within its longest period, whatever the backlog.
    """
    in_flight = [InFlight(**row) for row in (await tx.execute(_IN_FLIGHT, {"queue": queue})).mappings()]
    if not limits.periods:
        return Use(in_flight=in_flight)
    # read after what is sent: a job claimed in between is counted twice, never not at all
    shortest, longest = limits.periods[0], limits.periods[-1]
    await tx.execute(_FORGET, {"queue": queue, "longest_seconds": longest})
    rows = await tx.execute(_STARTED, {"queue": queue, "longest_seconds": longest, "close_seconds": shortest * _CLOSE})
    return Use(in_flight=in_flight, started=[Started(**row) for row in rows.mappings()])
