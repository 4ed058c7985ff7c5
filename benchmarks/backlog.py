"""How long jobs take to be released and claimed, beside small and large backlogs and while old jobs are pruned.

On a Postgres of its own, durable, with nothing else in it; filled by one statement, then vacuumed and analyzed, as
autovacuum would. Prints one line of JSON with a verdict. Run by `headrace bench backlog`.
"""

# ruff: noqa: INP001 - run by its path, never imported

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
from msgspec import Struct

from domain.accounts.user import Caller
from domain.catalog import kind_named
from domain.ids import JobId
from domain.jobs.job import JobOptions, new_job
from domain.jobs.limits import Portion
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from runtime.embedded.servers import start_postgres
from runtime.kill_points import KillPoints
from runtime.logs import configure_logs
from runtime.resources import Stores
from runtime.settings import Settings
from runtime.unique_ids import new_id
from runtime.wakeups import open_wakeups
from storage.accounts import add_tenant
from storage.database import Database, open_database
from storage.jobs import Settlement, claim_jobs, settle_jobs, submit_jobs
from storage.migrations.run import migrate
from storage.outbox import look_at, look_out, promote_due, take_due
from workers.prune import prune

TENANT: Final = "tenant_" + "1" * 32
KIND: Final = kind_named("text.moderate")
CALLER: Final = Caller(tenant_id=TENANT, user_id="user_" + "1" * 32, permissions=frozenset())
AT_ONCE: Final = 10
QUEUED: Final = 1000
LEASE_SECONDS: Final = 600
RETENTION_DAYS: Final = 30
WARM_UP: Final = 30  # statements are planned anew in their first few runs on a connection
MOST_RATIO: Final = 2.0

# Ids begin with the time, as all do; each job is one moment older than the one before.
_FILL: Final = b"""
WITH made AS (
    SELECT n, now() - %(age)s * interval '1 day' - n * interval '1 ms' AS at FROM generate_series(1, %(count)s) AS n
), filled AS (
    INSERT INTO jobs (id, tenant_id, caller_id, kind, queue, state, priority, tags, metadata, max_attempts, input,
        timeout_seconds, created_at, run_at, finished_at, seq)
    SELECT
        'job_' || lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 19),
        %(tenant)s, %(caller)s, %(kind)s, %(queue)s, %(state)s, 0, '{}', '{}', 5, '{"text": "The wheel turns."}', 30,
        at, CASE WHEN %(state)s = 'scheduled' THEN now() + interval '1 year' + n * interval '1 ms' ELSE at END,
        CASE WHEN %(state)s = 'succeeded' THEN at END,
        CASE %(state)s WHEN 'succeeded' THEN 3 WHEN 'queued' THEN 1 ELSE 0 END
    FROM made
    RETURNING id, state, run_at, seq
), told AS (
    INSERT INTO events (job_id, seq, tenant_id, type, data)
    SELECT id, number, %(tenant)s, 'progress', '{}' FROM filled, LATERAL generate_series(1, filled.seq) AS number
), tried AS (
    INSERT INTO attempts (job_id, attempt, worker, lease, started_at, finished_at, outcome)
    SELECT id, 1, 'worker-1', 'lease', run_at, run_at, state FROM filled WHERE state = 'succeeded'
)
INSERT INTO outbox (job_id, tenant_id, kind, queue, priority, stage, due_at)
SELECT id, %(tenant)s, %(kind)s, %(queue)s, 0, CASE state WHEN 'scheduled' THEN 'waiting' ELSE 'due' END, run_at
FROM filled WHERE state <> 'succeeded'
"""


class Times(Struct, frozen=True):
    """Milliseconds of a look of the relay that releases ten jobs, and of a worker's claim of them."""

    rounds: int
    release_p50: float
    release_p99: float
    claim_p50: float
    claim_p99: float


class Pruned(Struct, frozen=True):
    """Jobs that pruning took away meanwhile, and how many a second."""

    jobs: int
    jobs_per_second: float


async def measure(url: str, *, large: int, rounds: int) -> dict[str, Times | Pruned | str]:
    """Time releases and claims beside a small backlog, a large one, a large one for later, and during pruning."""
    database = open_database(url, name="bench", size=4)
    wakeups = open_wakeups("unix:///nowhere/redis.sock")  # it rings nobody
    try:
        async with database.begin() as tx:
            await add_tenant(tx, TENANT, "bench")
        fill(url, QUEUED, "queued")
        small = await time_claims(database, rounds=rounds)
        fill(url, large, "scheduled")
        later = await time_claims(database, rounds=rounds)
        fill(url, large, "succeeded", age=RETENTION_DAYS + 1)
        use = Stores(database=database, wakeups=wakeups, kill_points=KillPoints())
        pruned, during = await time_beside_pruning(use, rounds=rounds)
        fill(url, large, "queued")
        queued = await time_claims(database, rounds=rounds)
    finally:
        await wakeups.close()
        await database.close()
    loaded = max(queued.claim_p99, later.claim_p99, during.claim_p99)
    ratio = round(loaded / small.claim_p99, 2)
    return {
        f"{QUEUED} queued": small,
        f"and {large} scheduled": later,
        f"and {large} being pruned": during,
        "pruned": pruned,
        f"and {large} queued": queued,
        "verdict": f"{'holds' if ratio <= MOST_RATIO else 'does not hold'}: the worst claim p99 is {ratio} times that "
        f"beside {QUEUED} queued jobs; at most {MOST_RATIO} was asked",
    }


async def time_claims(database: Database, *, rounds: int, beside: asyncio.Task[Any] | None = None) -> Times:
    """Release, claim and settle ten jobs after another; as many come in, so that the backlog stays what it is.

    It ends early when what goes on beside it does.
    """
    releases: list[float] = []
    claims: list[float] = []
    for number in range(WARM_UP + rounds):
        if beside is not None and beside.done():
            break
        async with database.begin() as tx:
            given = KIND.example
            await submit_jobs(
                tx,
                [
                    new_job(KIND, given, CALLER, job_id=JobId(new_id("job")), options=JobOptions())
                    for _ in range(AT_ONCE)
                ],
            )
        began = time.perf_counter()
        ids = await release(database)
        released = time.perf_counter()
        async with database.begin() as tx:
            held = await claim_jobs(
                tx, ids, worker="bench", lease=f"lease_{number}", lease_seconds=LEASE_SECONDS, kinds=[KIND.name]
            )
        claimed = time.perf_counter()
        if len(held) != AT_ONCE:
            raise SystemExit(f"headrace: {len(held)} of {AT_ONCE} jobs were claimed.")
        done = Verdict(state=State.SUCCEEDED, result=b"{}")
        async with database.begin() as tx:
            await settle_jobs(tx, [Settlement(job_id=one.id, lease=one.lease or "", verdict=done) for one in held])
        if number >= WARM_UP:
            releases.append((released - began) * 1000)
            claims.append((claimed - released) * 1000)
    if not claims:
        raise SystemExit("headrace: all was pruned before the first claim was timed; take more jobs.")
    return Times(
        len(claims),
        _quantile(releases, 0.5),
        _quantile(releases, 0.99),
        _quantile(claims, 0.5),
        _quantile(claims, 0.99),
    )


async def release(database: Database) -> list[str]:
    """What a relay asks of Postgres in one look, for one queue without limits."""
    async with database.begin() as tx:
        await promote_due(tx, limit=1000)
        await look_out(tx)
    async with database.begin() as tx:
        lanes = (await look_at(tx, KIND.queue, most=1000)).lanes
        portions = [Portion(tenant_id=one.tenant_id, kind=one.kind, most=AT_ONCE, share=AT_ONCE) for one in lanes]
        return [due.job_id for due in await take_due(tx, KIND.queue, portions)]


async def time_beside_pruning(use: Stores, *, rounds: int) -> tuple[Pruned, Times]:
    """Prune to the end, and time claims meanwhile."""
    began = time.perf_counter()
    pruning = asyncio.create_task(prune(use, retention_days=RETENTION_DAYS))
    during = await time_claims(use.database, rounds=rounds, beside=pruning)
    pruned = (await pruning).jobs
    return Pruned(pruned, round(pruned / (time.perf_counter() - began), 1)), during


def fill(url: str, count: int, state: str, *, age: float = 0) -> None:
    """Write so many jobs in one statement, so many days old, with all that is written of jobs."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            _FILL,
            {
                "tenant": TENANT,
                "caller": CALLER.user_id,
                "kind": KIND.name,
                "queue": KIND.queue,
                "state": state,
                "age": age,
                "count": count,
            },
        )
        connection.execute("VACUUM ANALYZE jobs, outbox, events, attempts")


def _quantile(times: list[float], share: float) -> float:
    ordered = sorted(times)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2)


def main() -> None:
    """Measure as the arguments say."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--jobs", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=1000)
    given = arguments.parse_args()
    configure_logs(Settings(log_level="warning"), process="bench")
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        place = Path(folder)
        place.chmod(0o711)  # the server's account must reach what is in it, when root measures
        with start_postgres(place) as server:
            migrate(server.url)
            figures = asyncio.run(measure(server.url, large=given.jobs, rounds=given.rounds))
    print(msgspec.json.encode(figures).decode())  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main()
