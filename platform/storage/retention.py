"""Pruning: what ended longer ago than it is kept goes, a step at a time; of each thing its id stays for a while.

Rows that somebody else has locked are left for the next time: pruning waits for nobody. Who comes for a row that goes
waits as long as the step takes, and finds it gone.
"""

from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import text

from storage.database import Tx

_KEPT: Final = "now() - make_interval(days => :days)"

# Ids that follow from others may be made again: that must not keep anything from being pruned.
_AGAIN: Final = "ON CONFLICT (id) DO UPDATE SET pruned_at = excluded.pruned_at"

# A job of a batch stays as long as its batch does, however long before the last it had ended. Rows are found by arrays,
# for then Postgres takes the index, whatever it believes of how many there are.
_PRUNE_JOBS: Final = text(f"""
WITH old AS (
    SELECT id FROM jobs
    WHERE finished_at < {_KEPT} AND finished_at >= coalesce(CAST(:since AS timestamptz), '-infinity')
        AND NOT coalesce((
            SELECT batches.finished_at IS NULL OR batches.finished_at >= {_KEPT} FROM batches
            WHERE batches.id = jobs.batch_id
        ), false)
    ORDER BY finished_at LIMIT :limit FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM jobs WHERE id = ANY (ARRAY(SELECT id FROM old)) RETURNING id, tenant_id, finished_at
), untold AS (
    DELETE FROM events WHERE job_id = ANY (ARRAY(SELECT id FROM old))
), untried AS (
    DELETE FROM attempts WHERE job_id = ANY (ARRAY(SELECT id FROM old))
), noted AS (
    INSERT INTO pruned (id, tenant_id) SELECT id, tenant_id FROM gone {_AGAIN}
)
SELECT count(*) AS jobs, max(finished_at) AS last FROM gone
""")  # noqa: S608 - the only thing formatted in is a constant expression

_PRUNE_BATCHES: Final = text(f"""
WITH old AS (
    SELECT id FROM batches
    WHERE finished_at < {_KEPT}
        AND (SELECT true FROM jobs WHERE jobs.batch_id = batches.id LIMIT 1) IS NULL
    ORDER BY finished_at LIMIT :limit FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM batches WHERE id = ANY (ARRAY(SELECT id FROM old)) RETURNING id, tenant_id
), ungathered AS (
    DELETE FROM provider_batches WHERE batch_id = ANY (ARRAY(SELECT id FROM old))
), unanswered AS (
    DELETE FROM provider_answers WHERE batch_id = ANY (ARRAY(SELECT id FROM old))
), noted AS (
    INSERT INTO pruned (id, tenant_id) SELECT id, tenant_id FROM gone {_AGAIN}
)
SELECT count(*) FROM gone
""")  # noqa: S608 - as above

# No index: operators do not make many.
_PRUNE_BULK_ACTIONS: Final = text(f"""
WITH old AS (
    SELECT id FROM bulk_actions WHERE finished_at < {_KEPT} LIMIT :limit FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM bulk_actions WHERE id = ANY (ARRAY(SELECT id FROM old)) RETURNING id, tenant_id
), noted AS (
    INSERT INTO pruned (id, tenant_id) SELECT id, tenant_id FROM gone {_AGAIN}
)
SELECT count(*) FROM gone
""")  # noqa: S608 - as above

# Ids begin with the time, so what is old is found by the primary key. A delivery stays as long as its job does, and a
# notice as long as any delivery of it.
_OLDER: Final = "lpad(to_hex(CAST(floor(extract(epoch FROM {kept}) * 1000) AS bigint)), 12, '0')"

_PRUNE_DELIVERIES: Final = text(f"""
WITH old AS (
    SELECT id FROM webhook_deliveries AS deliveries
    WHERE id < 'dlv_' || {_OLDER.format(kept=_KEPT)}
        AND (SELECT true FROM jobs WHERE jobs.id = deliveries.job_id) IS NULL
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM webhook_deliveries WHERE id = ANY (ARRAY(SELECT id FROM old)) RETURNING notice_id
), untold AS (
    DELETE FROM webhook_notices WHERE id = ANY (ARRAY(SELECT notice_id FROM gone)) AND NOT EXISTS (
        SELECT FROM webhook_deliveries AS others
        WHERE others.notice_id = webhook_notices.id AND NOT others.id = ANY (ARRAY(SELECT id FROM old))
    )
)
SELECT count(*) FROM gone
""")  # noqa: S608 - as above

_PRUNE_DOMAIN_EVENTS: Final = text(f"""
DELETE FROM domain_events WHERE id = ANY (ARRAY(
    SELECT id FROM domain_events WHERE id < 'evt_' || {_OLDER.format(kept=_KEPT)}
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
))
""")  # noqa: S608 - as above

# The last run of a schedule stays: of one that fires once a year it is what there is to see. No firing comes again when
# its run is gone, for a schedule goes on from the last, and a backfill reaches back no further than runs are kept.
_PRUNE_RUNS: Final = text(f"""
DELETE FROM schedule_runs AS runs WHERE (schedule_id, fire_at) IN (
    SELECT schedule_id, fire_at FROM schedule_runs AS old
    WHERE recorded_at < {_KEPT} AND fire_at < {_KEPT} AND EXISTS (
        SELECT FROM schedule_runs AS later WHERE later.schedule_id = old.schedule_id AND later.fire_at > old.fire_at
    )
    ORDER BY recorded_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
""")  # noqa: S608 - as above

_FORGET: Final = text(f"""
DELETE FROM pruned WHERE id = ANY (ARRAY(
    SELECT id FROM pruned WHERE pruned_at < {_KEPT} ORDER BY pruned_at LIMIT :limit FOR UPDATE SKIP LOCKED
))
""")  # noqa: S608 - as above

_PRUNED_AT: Final = text("SELECT pruned_at FROM pruned WHERE id = :id AND tenant_id = :tenant_id")


class Pruned(Struct, frozen=True):
    """How many jobs a step took, and when the last of them had ended: the next step goes on there."""

    jobs: int
    last: datetime | None


async def prune_jobs(tx: Tx, *, days: int, limit: int, since: datetime | None = None) -> Pruned:
    """Delete at most `limit` jobs that ended over `days` ago, with their events and attempts, the oldest ends first.

    None that ended before `since`: those that a step before passed over, for their batches, are not looked at again.
    """
    row = (await tx.execute(_PRUNE_JOBS, {"days": days, "limit": limit, "since": since})).one()
    return Pruned(row.jobs, row.last)


async def prune_batches(tx: Tx, *, days: int, limit: int) -> int:
    """Delete at most `limit` batches finished over `days` ago whose jobs are gone; answers how many."""
    return int((await tx.execute(_PRUNE_BATCHES, {"days": days, "limit": limit})).scalar_one())


async def prune_bulk_actions(tx: Tx, *, days: int, limit: int) -> int:
    """Delete at most `limit` bulk actions finished over `days` ago; answers how many."""
    return int((await tx.execute(_PRUNE_BULK_ACTIONS, {"days": days, "limit": limit})).scalar_one())


async def prune_deliveries(tx: Tx, *, days: int, limit: int) -> int:
    """Delete at most `limit` deliveries made over `days` ago whose jobs are gone, and notices left without any."""
    return int((await tx.execute(_PRUNE_DELIVERIES, {"days": days, "limit": limit})).scalar_one())


async def prune_domain_events(tx: Tx, *, days: int, limit: int) -> int:
    """Delete at most `limit` domain events of over `days` ago; answers how many."""
    return (await tx.execute(_PRUNE_DOMAIN_EVENTS, {"days": days, "limit": limit})).rowcount


async def prune_schedule_runs(tx: Tx, *, days: int, limit: int) -> int:
    """Delete at most `limit` runs of over `days` ago, of no schedule its last; answers how many."""
    return (await tx.execute(_PRUNE_RUNS, {"days": days, "limit": limit})).rowcount


async def forget_pruned(tx: Tx, *, days: int, limit: int) -> int:
    """Forget at most `limit` of those pruned over `days` ago, whom nobody knows from then on; answers how many."""
    return (await tx.execute(_FORGET, {"days": days, "limit": limit})).rowcount


async def pruned_at(tx: Tx, tenant_id: str, any_id: str) -> datetime | None:
    """When this thing of the tenant was pruned; None: it was not, or is forgotten."""
    moment: datetime | None = (
        await tx.execute(_PRUNED_AT, {"id": any_id, "tenant_id": tenant_id})
    ).scalar_one_or_none()
    return moment
