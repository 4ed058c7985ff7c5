"""Jobs committed but not yet claimed by a worker: what is due, what was sent, what must be sent again."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import text

from domain.jobs.limits import Lane, Portion, QueueLimits
from storage.database import Tx

# Jobs are locked before their outbox rows, as everywhere: a cancel that comes at the same moment waits, or wins.
_PROMOTE: Final = text("""
WITH due AS (
    SELECT job_id FROM outbox WHERE stage = 'waiting' AND due_at <= now() ORDER BY due_at LIMIT :limit
), held AS (
    SELECT jobs.id FROM jobs JOIN due ON jobs.id = due.job_id
    WHERE jobs.state = 'scheduled' FOR UPDATE OF jobs SKIP LOCKED
), moved AS (
    UPDATE outbox SET stage = 'due' FROM held WHERE outbox.job_id = held.id AND outbox.stage = 'waiting'
), queued AS (
    UPDATE jobs SET state = 'queued', seq = seq + 1 FROM held WHERE jobs.id = held.id
    RETURNING jobs.id, jobs.seq, jobs.tenant_id
)
INSERT INTO events (job_id, seq, tenant_id, type, data)
SELECT id, seq, tenant_id, 'queued', '{}' FROM queued
RETURNING job_id
""")

# How many jobs that share the concurrency key of `due` are sent or run, wherever they queue.
_KEY_USE: Final = """(
    SELECT count(*) FROM outbox AS other
    WHERE other.tenant_id = due.tenant_id AND other.concurrency_key = due.concurrency_key AND other.stage = 'sent'
) + (
    SELECT count(*) FROM jobs AS other
    WHERE other.tenant_id = due.tenant_id AND other.concurrency_key = due.concurrency_key AND other.state = 'running'
)"""

_IN_LANE: Final = "queue = :queue AND tenant_id = lane.tenant_id AND kind = lane.kind AND stage = 'due'"

# As the index spells it.
_KEYED: Final = "num_nonnulls(concurrency_key)"

# So many jobs with a concurrency key are looked at, of a lane, at a time. Held back, they cost a look two probes each;
# and only jobs of the same tenant and kind, that have a key as well, wait behind them.
_MOST_KEYED: Final = 1000

# Each lane's tops, and of those the tops of each tenant. LATERAL where IN would read the same: a planner that takes the
# table for empty must not come to ask for each due job whether it is one of a few. Ranked by how far it is down its
# tenant's own line, so that first come the firsts of all tenants. Of the jobs that share a concurrency key, as many go
# as it has places left.
# Its commit does not wait for the disk, for a worker cannot claim before it. Should Postgres crash in that moment, the
# job is due again: the message that was sent finds it so and claims nothing, and it is sent once more.
_TAKE: Final = text(f"""
WITH candidates AS (
    SELECT due.job_id, due.tenant_id, due.concurrency_key, lane.share,
        row_number() OVER (PARTITION BY due.tenant_id ORDER BY due.priority DESC, due.due_at) AS rank,
        row_number() OVER (
            PARTITION BY due.tenant_id, coalesce(due.concurrency_key, due.job_id)
            ORDER BY due.priority DESC, due.due_at
        ) AS place
    FROM unnest(
        CAST(:tenants AS text[]), CAST(:kinds AS text[]), CAST(:mosts AS int[]), CAST(:shares AS int[])
    ) AS lane (tenant_id, kind, most, share),
    LATERAL (
        SELECT * FROM (
            SELECT job_id, tenant_id, priority, due_at, concurrency_key FROM outbox
            WHERE {_IN_LANE} AND {_KEYED} = 0
            ORDER BY priority DESC, due_at LIMIT lane.most FOR UPDATE SKIP LOCKED
        ) AS free
        UNION ALL
        SELECT keyed.* FROM (
            SELECT job_id FROM (
                SELECT job_id, tenant_id, priority, due_at, concurrency_key FROM outbox
                WHERE {_IN_LANE} AND {_KEYED} = 1 AND :with_keys
                ORDER BY priority DESC, due_at LIMIT :keyed
            ) AS due
            WHERE CAST(:per_key AS int) IS NULL OR {_KEY_USE} < :per_key
            ORDER BY priority DESC, due_at LIMIT lane.most
        ) AS open, LATERAL (
            SELECT job_id, tenant_id, priority, due_at, concurrency_key FROM outbox
            WHERE outbox.job_id = open.job_id AND stage = 'due' FOR UPDATE SKIP LOCKED
        ) AS keyed
    ) AS due
), chosen AS (
    SELECT job_id, rank FROM candidates AS due WHERE rank <= share AND (
        concurrency_key IS NULL OR CAST(:per_key AS int) IS NULL OR place + {_KEY_USE} <= :per_key
    )
)
UPDATE outbox SET stage = 'sent', sent_at = now(), sends = sends + 1 FROM chosen WHERE outbox.job_id = chosen.job_id
RETURNING outbox.job_id, outbox.tenant_id, outbox.kind, outbox.priority, outbox.due_at, outbox.traceparent, chosen.rank,
    set_config('synchronous_commit', 'off', true) AS unhurried
""")  # noqa: S608 - the only thing formatted in is a constant condition

# What is asked of a queue before its jobs are taken, in one statement as well. Of a paused one there is nothing to
# take. Lanes come in one order at each look, for turns are counted by it. Who decides about concurrency keys must see
# what every other relay decided: one at a time, until its commit; the key's use is counted by the statement that
# follows, which sees what was committed. Where no job with a key is due the decision is left to others: one that comes
# due a moment later waits for the next look.
_LOOK_AT: Final = text(f"""
WITH RECURSIVE setting AS (
    SELECT paused, limits FROM queues WHERE name = :queue
), lanes AS (
    (
        SELECT tenant_id, kind FROM outbox
        WHERE queue = :queue AND stage = 'due' AND NOT EXISTS (SELECT FROM setting WHERE paused)
        ORDER BY tenant_id, kind LIMIT 1
    )
    UNION ALL
    SELECT next.tenant_id, next.kind FROM lanes, LATERAL (
        SELECT tenant_id, kind FROM outbox
        WHERE queue = :queue AND stage = 'due' AND (tenant_id, kind) > (lanes.tenant_id, lanes.kind)
        ORDER BY tenant_id, kind LIMIT 1
    ) AS next
), sent AS (
    SELECT tenant_id, count(*) AS jobs FROM (
        SELECT tenant_id FROM outbox WHERE queue = :queue AND stage = 'sent' LIMIT :most
    ) AS unclaimed GROUP BY tenant_id
)
SELECT (
    SELECT coalesce(json_object_agg(tenant_id, jobs), '{{}}') FROM sent
) AS sent, (
    SELECT coalesce(json_agg(json_build_object(
        'tenant_id', lanes.tenant_id, 'kind', lanes.kind, 'weight', coalesce(tenants.weight, 1)
    ) ORDER BY lanes.tenant_id, lanes.kind), '[]') FROM lanes LEFT JOIN tenants ON tenants.id = lanes.tenant_id
) AS lanes, CASE WHEN EXISTS (
    SELECT FROM lanes AS lane, LATERAL (
        SELECT FROM outbox WHERE {_IN_LANE} AND {_KEYED} = 1 LIMIT 1
    ) AS keyed
) THEN pg_try_advisory_xact_lock(hashtext('headrace.concurrency_keys')) ELSE false END AS may_decide_keys,
(SELECT limits FROM setting) AS limits
""")  # noqa: S608 - as above

# What a look begins with, in one statement: somebody waits for each that is made before a job is sent.
_LOOK: Final = text("""
WITH RECURSIVE due AS (
    (SELECT queue FROM outbox WHERE stage = 'due' ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT queue FROM outbox WHERE stage = 'due' AND queue > due.queue ORDER BY queue LIMIT 1)
    FROM due WHERE due.queue IS NOT NULL
)
SELECT ARRAY(
    SELECT queue FROM due
    WHERE queue IS NOT NULL AND NOT EXISTS (SELECT FROM queues WHERE queues.name = due.queue AND queues.paused)
) AS queues, (
    SELECT extract(epoch FROM min(due_at) - now()) FROM outbox WHERE stage = 'waiting'
) AS next_seconds
""")

# The wait doubles with every send: a queue whose workers are gone must not fill the broker with copies.
_PUT_BACK: Final = text("""
WITH lost AS (
    SELECT job_id FROM outbox
    WHERE stage = 'sent' AND sent_at < now() - make_interval(secs => :resend_seconds * power(2, least(sends, 6) - 1))
    ORDER BY sent_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE outbox SET stage = 'due', sent_at = NULL FROM lost WHERE outbox.job_id = lost.job_id RETURNING outbox.job_id
""")

# No row is waited for: who holds one is a claim, a cancel or a relay, which have orders of their own.
_PUT_BACK_ALL: Final = text("""
WITH lost AS (
    SELECT job_id FROM outbox
    WHERE stage = 'sent' AND sent_at <= now() - make_interval(secs => :ago_seconds) FOR UPDATE SKIP LOCKED
)
UPDATE outbox SET stage = 'due', sent_at = NULL, sends = 0 FROM lost WHERE outbox.job_id = lost.job_id
""")

_RETURN: Final = text("""
WITH returned AS (
    SELECT job_id FROM outbox WHERE job_id = ANY(CAST(:ids AS text[])) AND stage = 'sent' ORDER BY job_id
    FOR UPDATE SKIP LOCKED
)
UPDATE outbox SET stage = 'due', sent_at = NULL FROM returned WHERE outbox.job_id = returned.job_id
""")


class Outlook(Struct, frozen=True, kw_only=True):
    """The queues that have something to send and are not paused, and how long until the next waiting job is due.

    None: nothing waits.
    """

    queues: frozenset[str]
    next_seconds: float | None


class Look(Struct, frozen=True, kw_only=True):
    """A queue before its jobs are taken: how many of each tenant are with the broker, unclaimed, and what may go.

    `may_decide_keys`: whether this transaction, and no other relay's, may now send jobs that have a concurrency key;
    False too where none is due. `limits`: what is set on the queue, if anything is.
    """

    sent: Counter[str]
    lanes: list[Lane]
    may_decide_keys: bool
    limits: QueueLimits | None


class Due(Struct, frozen=True, kw_only=True):
    """A job the relay is about to hand to the broker."""

    job_id: str
    tenant_id: str
    kind: str
    traceparent: str | None


_COUNTS: Final = msgspec.json.Decoder(dict[str, int])
_LANES: Final = msgspec.json.Decoder(list[Lane])
_LIMITS: Final = msgspec.json.Decoder(QueueLimits)


async def promote_due(tx: Tx, *, limit: int) -> list[str]:
    """Queue the scheduled jobs whose time has come, on the database's clock; answers with their ids."""
    return list((await tx.execute(_PROMOTE, {"limit": limit})).scalars())


async def look_out(tx: Tx) -> Outlook:
    """What there is to do. Costs one index probe a queue, and one more, whatever the backlog."""
    row = (await tx.execute(_LOOK)).one()
    seconds = None if row.next_seconds is None else max(0.0, float(row.next_seconds))
    return Outlook(queues=frozenset(row.queues), next_seconds=seconds)


async def look_at(tx: Tx, queue: str, *, most: int) -> Look:
    """What there is to do in `queue`: nothing while it is paused. Counts at most `most` of what is with the broker.

    Costs two index probes a lane, and what is with the broker, whatever the backlog.
    """
    row = (await tx.execute(_LOOK_AT, {"queue": queue, "most": most})).one()
    return Look(
        sent=Counter(_COUNTS.decode(row.sent)),
        lanes=_LANES.decode(row.lanes),
        may_decide_keys=row.may_decide_keys,
        limits=None if row.limits is None else _LIMITS.decode(row.limits),
    )


async def take_due(
    tx: Tx, queue: str, portions: Sequence[Portion], *, per_key: int | None = 1, with_keys: bool = True
) -> list[Due]:
    """Mark the most urgent due jobs of `queue` as sent, as many as the portions allow. Send them before committing.

    They come by turns: all tenants' firsts, then their seconds; within a turn by priority, then by age. Of the jobs
    that share a concurrency key, no more than `per_key` are ever sent or running; they are taken only `with_keys`,
    which a look in the same transaction must have allowed.
    """
    rows = await tx.execute(
        _TAKE,
        {
            "queue": queue,
            "tenants": [portion.tenant_id for portion in portions],
            "kinds": [portion.kind for portion in portions],
            "mosts": [portion.most for portion in portions],
            "shares": [portion.share for portion in portions],
            "per_key": per_key,
            "with_keys": with_keys,
            "keyed": _MOST_KEYED,
        },
    )
    return [
        Due(job_id=row.job_id, tenant_id=row.tenant_id, kind=row.kind, traceparent=row.traceparent)
        for row in sorted(rows, key=lambda row: (row.rank, -row.priority, row.due_at))
    ]


async def put_back_lost(tx: Tx, *, resend_seconds: float, limit: int) -> list[str]:
    """Make due again what was sent and never claimed: its message is lost, or waits behind a worker that is gone."""
    return list((await tx.execute(_PUT_BACK, {"resend_seconds": resend_seconds, "limit": limit})).scalars())


async def put_back_all(tx: Tx, *, ago_seconds: float = 0) -> int:
    """Make due again, as if never sent, whatever was sent so long ago or longer, for the broker has lost it; how many.

    At most a window a queue. Rows in the hands of others are passed over.
    """
    return (await tx.execute(_PUT_BACK_ALL, {"ago_seconds": ago_seconds})).rowcount


async def put_back(tx: Tx, ids: Sequence[str]) -> None:
    """Make due again jobs a worker received but has no room to claim."""
    await tx.execute(_RETURN, {"ids": list(ids)})
