"""The life of a job in SQL: submit, claim, extend, settle, cancel, retry. Each move is one guarded statement.

Long because the moves are read against each other: what one writes, another's condition asks for. A move into an end
or out of one counts in the job's batch, whose row is locked after the jobs: a transaction moves jobs of batches with
one call, so that no two wait for each other in a circle.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Any, Final

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Row, TextClause, text

from domain.jobs.job import Job, NewJob
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from domain.webhooks.deliver_webhook import DELIVER_WEBHOOK
from storage.batch_counts import count_moves
from storage.database import Tx
from storage.deliveries import write_ends

_ENCODER: Final = msgspec.json.Encoder()

_JSON: Final = ("metadata", "input", "result", "error", "usage")

ROW: Final = f"""(SELECT row_to_json(one) FROM (SELECT
    id, tenant_id, caller_id, kind, queue, state, priority, tags, attempt, max_attempts, crashes, progress,
    timeout_seconds, concurrency_key, schedule_id, batch_id, batch_index, parent_id, request_id, traceparent,
    created_at, run_at, started_at, finished_at, expires_at, cancel_requested_at, lease, worker, seq, webhook_url,
    no_cache
) AS one) AS job, {", ".join(_JSON)}"""  # noqa: S608 - a constant list of columns
"""A row of jobs, for `as_job`: in one column, and what is JSON itself, which passes through unread.

To take 36 columns from the driver, one by one, costs as much as a statement does otherwise.
"""

_STORED: Final = msgspec.json.Decoder(
    msgspec.defstruct("Stored", [(each.name, each.type) for each in structs.fields(Job) if each.name not in _JSON])
)

# Whether anybody is to be told of a job's end: asked by the statement that ends it, so that nobody pays who has no
# endpoint. Deliveries tell of others, and nobody is told of them.
_IS_TOLD: Final = f"""(
    state IN ('succeeded', 'failed', 'cancelled', 'expired') AND kind <> '{DELIVER_WEBHOOK.name}' AND (
    webhook_url IS NOT NULL OR EXISTS (
        SELECT FROM webhook_endpoints AS endpoints WHERE endpoints.tenant_id = ended.tenant_id
            AND endpoints.state = 'active'))) AS is_told"""


def submission(before: str = "", only_if: str = "true") -> TextClause:
    """The statement that writes jobs, given as `jobs_as_given`: behind what is written `before`, if that says so.

    `before`: common table expressions, with a comma behind each. It answers with the rows, and `is_told` of each.
    """
    return text(f"""
WITH {before} given AS (
    SELECT *, coalesce(run_at, now() + make_interval(secs => coalesce(delay_seconds, 0))) AS due_at
    FROM json_to_recordset(CAST(:jobs AS json)) AS g (
        id text, tenant_id text, caller_id text, kind text, queue text, input text, priority smallint, tags text,
        metadata text, max_attempts int, timeout_seconds float8, delay_seconds float8, run_at timestamptz,
        expires_in_seconds float8, concurrency_key text, schedule_id text, batch_id text, batch_index int,
        parent_id text, request_id text, traceparent text, webhook_url text, no_cache bool, answer text
    ) WHERE {only_if}
), submitted AS (
    INSERT INTO jobs (
        id, tenant_id, caller_id, kind, queue, state, priority, tags, metadata, max_attempts, input, timeout_seconds,
        concurrency_key, schedule_id, batch_id, batch_index, parent_id, request_id, traceparent, created_at, run_at,
        expires_at, seq, webhook_url, no_cache, result, progress, finished_at
    )
    SELECT id, tenant_id, caller_id, kind, queue,
        CASE WHEN answer IS NOT NULL THEN 'succeeded' WHEN due_at > now() THEN 'scheduled' ELSE 'queued' END, priority,
        CASE WHEN tags = '[]' THEN '{{}}' ELSE ARRAY(SELECT json_array_elements_text(CAST(tags AS json))) END,
        CAST(metadata AS json), max_attempts, CAST(input AS json), timeout_seconds,
        concurrency_key, schedule_id, batch_id, batch_index, parent_id, request_id, traceparent, now(), due_at,
        now() + make_interval(secs => expires_in_seconds),
        CASE WHEN answer IS NOT NULL THEN 2 WHEN due_at > now() THEN 0 ELSE 1 END, webhook_url, no_cache,
        CAST(answer AS json), CASE WHEN answer IS NOT NULL THEN 1 END, CASE WHEN answer IS NOT NULL THEN now() END
    FROM given
    RETURNING jobs.*
), posted AS (
    INSERT INTO outbox (job_id, tenant_id, kind, queue, priority, traceparent, concurrency_key, stage, due_at)
    SELECT id, tenant_id, kind, queue, priority, traceparent, concurrency_key,
        CASE WHEN state = 'scheduled' THEN 'waiting' ELSE 'due' END, run_at
    FROM submitted WHERE state <> 'succeeded'
), told AS (
    INSERT INTO events (job_id, seq, tenant_id, type, data)
    SELECT id, 1 AS seq, tenant_id, 'queued', CAST('{{}}' AS json) FROM submitted
    WHERE state IN ('queued', 'succeeded')
    UNION ALL
    SELECT id, 2, tenant_id, 'succeeded', CAST('{{"attempt": 0}}' AS json) FROM submitted WHERE state = 'succeeded'
    ORDER BY seq
)
SELECT {ROW}, {_IS_TOLD} FROM submitted AS ended
""")  # noqa: S608 - all that is formatted in is constant


_SUBMIT: Final = submission()

# A job needs more than to be queued: its outbox row must stand as sent, which the relay allows within the limits of the
# queue and of the job's concurrency key. A message that comes late, of a job that was put back, claims nothing. The row
# is read under its lock, for the relay may be about to commit it.
_CLAIM: Final = text(f"""
WITH wanted AS (
    SELECT id FROM jobs
    WHERE id = ANY(CAST(:ids AS text[])) AND state = 'queued' AND kind = ANY(CAST(:kinds AS text[]))
        AND (expires_at IS NULL OR expires_at > now())
    ORDER BY id FOR UPDATE SKIP LOCKED
), posted AS (
    SELECT job_id, stage FROM outbox WHERE job_id IN (SELECT id FROM wanted) FOR UPDATE
), claimed AS (
    UPDATE jobs SET state = 'running', attempt = attempt + 1, started_at = now(), progress = NULL, worker = :worker,
        lease = :lease, lease_until = now() + make_interval(secs => :lease_seconds), seq = seq + 1
    FROM posted WHERE jobs.id = posted.job_id AND posted.stage = 'sent'
    RETURNING jobs.*
), taken AS (
    DELETE FROM outbox USING claimed WHERE outbox.job_id = claimed.id
), counted AS (
    INSERT INTO starts (queue, tenant_id, kind, count)
    SELECT claimed.queue, claimed.tenant_id, claimed.kind, count(*)
    FROM claimed JOIN queues ON queues.name = claimed.queue AND queues.counts_starts
    GROUP BY claimed.queue, claimed.tenant_id, claimed.kind
), told AS (
    INSERT INTO events (job_id, seq, tenant_id, type, data)
    SELECT id, seq, tenant_id, 'started', json_build_object('attempt', attempt, 'worker', worker) FROM claimed
)
SELECT {ROW} FROM claimed
""")  # noqa: S608 - as above

# Rows locked by a settle or a cancel in flight are skipped: both end the need for the extension.
_EXTEND: Final = text("""
WITH mine AS (
    SELECT jobs.id FROM jobs
    JOIN unnest(CAST(:ids AS text[]), CAST(:leases AS text[])) AS held (id, lease)
        ON jobs.id = held.id AND jobs.lease = held.lease
    FOR UPDATE OF jobs SKIP LOCKED
)
UPDATE jobs SET lease_until = now() + make_interval(secs => :lease_seconds) FROM mine WHERE jobs.id = mine.id
""")

_HELD: Final = text("""
SELECT jobs.id, jobs.cancel_requested_at IS NOT NULL FROM jobs
JOIN unnest(CAST(:ids AS text[]), CAST(:leases AS text[])) AS held (id, lease)
    ON jobs.id = held.id AND jobs.lease = held.lease
""")

# A cancel asked for while the attempt ran wins over trying again, and loses to an end that came first.
_SETTLE: Final = text(f"""
WITH given AS (
    SELECT * FROM unnest(
        CAST(:id AS text[]), CAST(:lease AS text[]), CAST(:state AS text[]), CAST(:result AS text[]),
        CAST(:usage AS text[]), CAST(:error AS text[]), CAST(:delay_seconds AS float8[]),
        CAST(:counts_as_attempt AS bool[]), CAST(:counts_as_crash AS bool[])
    ) AS g (id, lease, state, result, usage, error, delay_seconds, counts_as_attempt, counts_as_crash)
), held AS (
    SELECT given.*, jobs.attempt AS tried, jobs.worker AS held_by, jobs.started_at AS since,
        CASE WHEN jobs.cancel_requested_at IS NOT NULL AND given.state IN ('scheduled', 'queued')
            THEN 'cancelled' ELSE given.state END AS to_state
    FROM given JOIN jobs ON jobs.id = given.id AND jobs.lease = given.lease AND jobs.state = 'running'
    ORDER BY jobs.id FOR UPDATE OF jobs
), settled AS (
    UPDATE jobs SET state = held.to_state, result = CAST(held.result AS json), error = CAST(held.error AS json),
        usage = coalesce(CAST(held.usage AS json), jobs.usage), lease = NULL, lease_until = NULL, worker = NULL,
        progress = CASE WHEN held.to_state = 'succeeded' THEN 1 ELSE jobs.progress END,
        attempt = jobs.attempt - CASE WHEN held.counts_as_attempt THEN 0 ELSE 1 END,
        crashes = jobs.crashes + CASE WHEN held.counts_as_crash THEN 1 ELSE 0 END,
        run_at = CASE WHEN held.to_state = 'scheduled' THEN now() + make_interval(secs => held.delay_seconds)
            ELSE jobs.run_at END,
        finished_at = CASE WHEN held.to_state IN ('scheduled', 'queued') THEN NULL ELSE now() END,
        seq = jobs.seq + 1
    FROM held WHERE jobs.id = held.id
    RETURNING jobs.*
), tried AS (
    INSERT INTO attempts (job_id, attempt, worker, lease, started_at, finished_at, outcome, code, detail)
    SELECT id, tried, held_by, lease, since, now(), to_state, CAST(error AS json) ->> 'code',
        CAST(error AS json) ->> 'detail'
    FROM held
), posted AS (
    INSERT INTO outbox (job_id, tenant_id, kind, queue, priority, traceparent, concurrency_key, stage, due_at)
    SELECT id, tenant_id, kind, queue, priority, traceparent, concurrency_key,
        CASE WHEN state = 'scheduled' THEN 'waiting' ELSE 'due' END,
        CASE WHEN state = 'scheduled' THEN run_at ELSE now() END
    FROM settled WHERE state IN ('scheduled', 'queued')
    ON CONFLICT (job_id) DO UPDATE SET stage = excluded.stage, due_at = excluded.due_at, sent_at = NULL
), told AS (
    INSERT INTO events (job_id, seq, tenant_id, type, data)
    SELECT settled.id, settled.seq, settled.tenant_id,
        CASE settled.state WHEN 'scheduled' THEN 'retrying' ELSE settled.state END,
        json_strip_nulls(json_build_object(
            'attempt', held.tried, 'error', settled.error,
            'run_at', CASE WHEN settled.state = 'scheduled' THEN settled.run_at END))
    FROM settled JOIN held ON held.id = settled.id
)
SELECT {ROW}, EXISTS (SELECT FROM queues WHERE name = ended.queue AND limits IS NOT NULL) AS was_limited, {_IS_TOLD}
FROM settled AS ended
""")  # noqa: S608 - as above

_LAPSED: Final = text(f"""
SELECT {ROW} FROM jobs WHERE state = 'running' AND lease_until < now()
    AND pg_postmaster_start_time() < now() - make_interval(secs => :up_seconds)
ORDER BY lease_until LIMIT :limit FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - as above

_CANCEL: Final = text(f"""
WITH live AS (
    SELECT id FROM jobs
    WHERE id = ANY(CAST(:ids AS text[])) AND tenant_id = :tenant_id AND state IN ('scheduled', 'queued', 'running')
    ORDER BY id FOR UPDATE
), stopped AS (
    UPDATE jobs SET
        state = CASE WHEN state = 'running' THEN state ELSE 'cancelled' END,
        finished_at = CASE WHEN state = 'running' THEN NULL ELSE now() END,
        seq = seq + CASE WHEN state = 'running' THEN 0 ELSE 1 END,
        cancel_requested_at = coalesce(cancel_requested_at, now())
    FROM live WHERE jobs.id = live.id
    RETURNING jobs.*
), withdrawn AS (
    DELETE FROM outbox USING stopped WHERE outbox.job_id = stopped.id
), told AS (
    INSERT INTO events (job_id, seq, tenant_id, type, data)
    SELECT id, seq, tenant_id, 'cancelled', '{{}}' FROM stopped WHERE state = 'cancelled'
)
SELECT {ROW}, {_IS_TOLD} FROM stopped AS ended
""")  # noqa: S608 - as above

_RETRY: Final = text(f"""
WITH ended AS (
    SELECT id, state AS was FROM jobs
    WHERE id = ANY(CAST(:ids AS text[])) AND tenant_id = :tenant_id AND state IN ('failed', 'cancelled', 'expired')
    ORDER BY id FOR UPDATE
), revived AS (
    UPDATE jobs SET state = 'queued', attempt = 0, crashes = 0, error = NULL, result = NULL, progress = NULL,
        cancel_requested_at = NULL, finished_at = NULL, expires_at = NULL, run_at = now(), seq = seq + 1
    FROM ended WHERE jobs.id = ended.id
    RETURNING jobs.*, ended.was
), posted AS (
    INSERT INTO outbox (job_id, tenant_id, kind, queue, priority, traceparent, concurrency_key, stage, due_at)
    SELECT id, tenant_id, kind, queue, priority, traceparent, concurrency_key, 'due', now() FROM revived
    ON CONFLICT (job_id) DO UPDATE SET stage = 'due', due_at = now(), sent_at = NULL
), told AS (
    INSERT INTO events (job_id, seq, tenant_id, type, data)
    SELECT id, seq, tenant_id, 'queued', '{{"by": "hand"}}' FROM revived
)
SELECT {ROW}, was FROM revived
""")  # noqa: S608 - as above

_EXPIRE: Final = text(f"""
WITH late AS (
    SELECT id FROM jobs WHERE expires_at <= now() AND state IN ('scheduled', 'queued')
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
), expired AS (
    UPDATE jobs SET state = 'expired', error = NULL, finished_at = now(), seq = seq + 1 FROM late
    WHERE jobs.id = late.id
    RETURNING jobs.*
), withdrawn AS (
    DELETE FROM outbox USING expired WHERE outbox.job_id = expired.id
), told AS (
    INSERT INTO events (job_id, seq, tenant_id, type, data)
    SELECT id, seq, tenant_id, 'expired', '{{}}' FROM expired
)
SELECT {ROW}, {_IS_TOLD} FROM expired AS ended
""")  # noqa: S608 - as above

_PROGRESS: Final = text("""
WITH moved AS (
    UPDATE jobs SET progress = :progress, seq = seq + 1 WHERE id = :id AND lease = :lease AND state = 'running'
    RETURNING id, seq, tenant_id
)
INSERT INTO events (job_id, seq, tenant_id, type, data)
SELECT id, seq, tenant_id, 'progress', json_build_object('progress', CAST(:progress AS float8)) FROM moved
RETURNING job_id
""")

_FIND: Final = text(f"SELECT {ROW} FROM jobs WHERE id = :id AND tenant_id = :tenant_id")  # noqa: S608 - as above

_FIND_MANY: Final = text(f"SELECT {ROW} FROM jobs WHERE id = ANY(CAST(:ids AS text[]))")  # noqa: S608 - as above


class Settlement(Struct, frozen=True, kw_only=True):
    """The end of one attempt, to be written if `lease` still holds."""

    job_id: str
    lease: str
    verdict: Verdict


class Held(Struct, frozen=True):
    """A lease that still holds, and whether a caller wants its job stopped."""

    job_id: str
    cancel_requested: bool


class Moved(list[Job]):
    """Jobs as they stand after a move, and the ids of the batches whose last live job was among them.

    What such a batch asked for has been submitted: once this is committed, tell it (`Wakeups.tell_finished`). Where
    places of limits became free (`frees`), tell the relay, too.
    """

    def __init__(self, jobs: Iterable[Job], finished: Iterable[str] = (), *, frees: bool = False) -> None:
        super().__init__(jobs)
        self.finished = tuple(finished)
        self.frees = frees


class Written(list[Job]):
    """Jobs as they were written. `is_due`: there is something for the relay among them, or in what is told of them."""

    def __init__(self, jobs: Iterable[Job] = (), *, is_due: bool = False) -> None:
        super().__init__(jobs)
        self.is_due = is_due


async def submit_jobs(tx: Tx, new: Sequence[NewJob]) -> Written:
    """Write jobs with their outbox rows and first events, all or none; answers with the rows, in the order given.

    Those with an answer have ended by that, and whoever wants to hear of it is told. They belong to no batch.
    """
    if not new:
        return Written()
    found = await tx.execute(_SUBMIT, {"jobs": jobs_as_given(new)})
    rows = found.all()
    written = [as_job(row) for row in rows]
    told = await submit_jobs(
        tx, await write_ends(tx, [job for job, row in zip(written, rows, strict=True) if row.is_told])
    )
    submitted = {job.id: job for job in written}
    return Written((submitted[job.id] for job in new), is_due=bool(told) or any(job.answer is None for job in new))


async def claim_jobs(  # noqa: PLR0913 - who claims, what, how
    tx: Tx, ids: Sequence[str], *, worker: str, lease: str, lease_seconds: float, kinds: Iterable[str]
) -> list[Job]:
    """Make those of `ids` that are queued, and of a kind the worker knows, run under `lease`.

    The others are not ours: ended, cancelled, claimed already, or of a newer release's kind.
    """
    rows = await tx.execute(
        _CLAIM,
        {"ids": list(ids), "worker": worker, "lease": lease, "lease_seconds": lease_seconds, "kinds": list(kinds)},
    )
    return [as_job(row) for row in rows]


async def extend_leases(tx: Tx, leases: Sequence[tuple[str, str]], *, lease_seconds: float) -> list[Held]:
    """Renew (job id, lease) pairs; answers with those that still hold. The missing ones are lost for good."""
    await tx.execute(_EXTEND, {**_pairs(leases), "lease_seconds": lease_seconds})
    return await held_leases(tx, leases)


async def held_leases(tx: Tx, leases: Sequence[tuple[str, str]]) -> list[Held]:
    """Those of the (job id, lease) pairs that still hold; nothing is written."""
    return [Held(job_id, wanted) for job_id, wanted in await tx.execute(_HELD, _pairs(leases))]


async def settle_jobs(tx: Tx, settlements: Sequence[Settlement]) -> Moved:
    """Write the ends of attempts whose leases hold; answers with the jobs settled. The others were fenced off."""
    if not settlements:
        return Moved([])
    verdicts = [one.verdict for one in settlements]
    rows = await tx.execute(
        _SETTLE,
        {
            "id": [one.job_id for one in settlements],
            "lease": [one.lease for one in settlements],
            "state": [verdict.state.value for verdict in verdicts],
            "result": [_text(verdict.result) for verdict in verdicts],
            "usage": [_text(verdict.usage) for verdict in verdicts],
            "error": [verdict.error and _ENCODER.encode(verdict.error).decode() for verdict in verdicts],
            "delay_seconds": [verdict.delay.total_seconds() for verdict in verdicts],
            "counts_as_attempt": [verdict.counts_as_attempt for verdict in verdicts],
            "counts_as_crash": [verdict.counts_as_crash for verdict in verdicts],
        },
    )
    settled = rows.all()
    return await _close(tx, settled, frees=any(row.was_limited for row in settled))


async def take_lapsed(tx: Tx, *, limit: int, up_seconds: float = 0) -> list[Job]:
    """Lock running jobs whose lease has run out, oldest first; whoever else is at them is left alone.

    None as long as Postgres is up for less than `up_seconds`: while it was down nobody could renew a lease.
    """
    return [as_job(row) for row in await tx.execute(_LAPSED, {"limit": limit, "up_seconds": up_seconds})]


async def cancel_jobs(tx: Tx, tenant_id: str, ids: Iterable[str]) -> Moved:
    """Cancel waiting jobs, and ask the workers of running ones to stop. Those missing in the answer were not live."""
    rows = await tx.execute(_CANCEL, {"ids": list(ids), "tenant_id": tenant_id})
    return await _close(tx, rows.all())


async def cancel_job(tx: Tx, tenant_id: str, job_id: str) -> Job | None:
    """Cancel one job, as `cancel_jobs` does. None: there is no such live job."""
    return next(iter(await cancel_jobs(tx, tenant_id, [job_id])), None)


async def retry_jobs(tx: Tx, tenant_id: str, ids: Iterable[str]) -> list[Job]:
    """Queue failed, cancelled or expired jobs again with fresh attempts; the others are missing in the answer."""
    rows = (await tx.execute(_RETRY, {"ids": list(ids), "tenant_id": tenant_id})).all()
    jobs = [as_job(row) for row in rows]
    was = [State(row.was) for row in rows]
    revived = Counter((job.batch_id, end) for job, end in zip(jobs, was, strict=True) if job.batch_id is not None)
    await count_moves(tx, {end: -count for end, count in revived.items()})
    return jobs


async def retry_job(tx: Tx, tenant_id: str, job_id: str) -> Job | None:
    """Queue one job again, as `retry_jobs` does. None: there is no such job, or it is live or succeeded."""
    return next(iter(await retry_jobs(tx, tenant_id, [job_id])), None)


async def expire_jobs(tx: Tx, *, limit: int) -> Moved:
    """End waiting jobs whose time to start has passed."""
    return await _close(tx, (await tx.execute(_EXPIRE, {"limit": limit})).all())


async def note_progress(tx: Tx, job_id: str, lease: str, progress: float) -> bool:
    """Record how far a running job is, 0 to 1; False: the lease is lost."""
    rows = await tx.execute(_PROGRESS, {"id": job_id, "lease": lease, "progress": progress})
    return rows.first() is not None


async def find_job(tx: Tx, tenant_id: str, job_id: str) -> Job | None:
    """A tenant's job, or None."""
    row = (await tx.execute(_FIND, {"id": job_id, "tenant_id": tenant_id})).one_or_none()
    return None if row is None else as_job(row)


async def find_jobs(tx: Tx, ids: Iterable[str]) -> list[Job]:
    """Those of the jobs, whosever they are, that there are; in no order."""
    wanted = list(ids)
    return [as_job(row) for row in await tx.execute(_FIND_MANY, {"ids": wanted})] if wanted else []


def as_job(row: Row[Any]) -> Job:
    """The job in a row of `ROW`."""
    plain = structs.asdict(_STORED.decode(row.job))
    return Job(**plain, metadata=row.metadata, input=row.input, result=row.result, error=row.error, usage=row.usage)


async def _close(tx: Tx, rows: Sequence[Row[Any]], *, frees: bool = False) -> Moved:
    """What the end of a job brings with it, in the same transaction.

    Those that have ended are counted in their batches, and what follows a batch that this finished is submitted, with
    a delivery to everybody who wants to be told.
    """
    moved = [as_job(row) for row in rows]
    ended = Counter((job.batch_id, job.state) for job in moved if job.batch_id is not None and job.is_terminal)
    finished = await count_moves(tx, ended)
    deliveries = await write_ends(tx, [job for job, row in zip(moved, rows, strict=True) if row.is_told])
    following = [batch.following for batch in finished if batch.following is not None]
    await submit_jobs(tx, [*following, *deliveries])
    return Moved(moved, (batch.id for batch in finished), frees=frees or bool(deliveries))


def _pairs(leases: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    return {"ids": [job_id for job_id, _ in leases], "leases": [lease for _, lease in leases]}


def jobs_as_given(new: Sequence[NewJob]) -> str:
    """The jobs as a `submission` takes them."""
    return _ENCODER.encode([_given(job) for job in new]).decode()


def _given(job: NewJob) -> dict[str, object]:
    """One of them. What is JSON stays text: it may hold an escaped zero byte, which no text field takes."""
    return {
        "id": job.id,
        "tenant_id": job.tenant_id,
        "caller_id": job.caller_id,
        "kind": job.kind,
        "queue": job.queue,
        "input": job.input.decode(),
        "priority": job.priority,
        "tags": _ENCODER.encode(job.tags).decode(),
        "metadata": _ENCODER.encode(job.metadata).decode(),
        "max_attempts": job.max_attempts,
        "timeout_seconds": job.timeout_seconds,
        "delay_seconds": job.delay_seconds,
        "run_at": job.run_at and job.run_at.astimezone(UTC),  # Postgres takes no offset of 16 hours or more
        "expires_in_seconds": job.expires_in_seconds,
        "concurrency_key": job.concurrency_key,
        "schedule_id": job.schedule_id,
        "batch_id": job.batch_id,
        "batch_index": job.batch_index,
        "parent_id": job.parent_id,
        "request_id": job.request_id,
        "traceparent": job.traceparent,
        "webhook_url": job.webhook_url,
        "no_cache": job.no_cache,
        "answer": _text(job.answer),
    }


def _text(json: bytes | None) -> str | None:
    return None if json is None else json.decode()
