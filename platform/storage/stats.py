"""Numbers about a tenant's jobs. Everything made in the window is read: a week of many jobs takes its time."""

from typing import Final

from msgspec import Struct
from sqlalchemy import text

from storage.database import Tx

_RECENT: Final = "tenant_id = :tenant_id AND created_at > now() - make_interval(secs => :window_seconds)"

_COUNTS: Final = text(f"SELECT kind, state, count(*) FROM jobs WHERE {_RECENT} GROUP BY kind, state")  # noqa: S608 - a constant

# An attempt waits from when it may run until it is claimed; a clock that jumped is not told as less than nothing.
_TIMES: Final = text(f"""
SELECT kind,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY waited) AS wait_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY waited) AS wait_p95,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY ran) AS run_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY ran) AS run_p95
FROM (
    SELECT kind, greatest(CAST(extract(epoch FROM started_at - run_at) AS float8), 0) AS waited,
        greatest(CAST(extract(epoch FROM finished_at - started_at) AS float8), 0) AS ran
    FROM jobs WHERE {_RECENT} AND started_at IS NOT NULL AND state <> 'scheduled'
) AS begun
GROUP BY GROUPING SETS ((kind), ())
""")  # noqa: S608 - as above

_FAILURES: Final = text(f"""
SELECT error ->> 'code' AS code, count(*) AS count FROM jobs WHERE {_RECENT} AND state = 'failed'
GROUP BY code ORDER BY count DESC, code LIMIT 100
""")  # noqa: S608 - as above


class KindCount(Struct, frozen=True):
    """How many jobs of a kind stand in one state."""

    kind: str
    state: str
    count: int


class KindTimes(Struct, frozen=True, kw_only=True):
    """How long the last attempts of a kind waited and ran, in seconds; of all kinds, where it is None."""

    kind: str | None
    wait_p50: float | None
    wait_p95: float | None
    run_p50: float | None
    run_p95: float | None


class Failure(Struct, frozen=True):
    """How many jobs failed with a code."""

    code: str
    count: int


async def count_jobs(tx: Tx, tenant_id: str, *, window_seconds: float) -> list[KindCount]:
    """A tenant's jobs made within the window, by kind and state."""
    rows = await tx.execute(_COUNTS, {"tenant_id": tenant_id, "window_seconds": window_seconds})
    return [KindCount(kind, state, count) for kind, state, count in rows]


async def time_jobs(tx: Tx, tenant_id: str, *, window_seconds: float) -> list[KindTimes]:
    """How long they waited and ran, by kind and all together."""
    rows = await tx.execute(_TIMES, {"tenant_id": tenant_id, "window_seconds": window_seconds})
    return [KindTimes(**row) for row in rows.mappings()]


async def count_failures(tx: Tx, tenant_id: str, *, window_seconds: float) -> list[Failure]:
    """Why those that failed did, the most frequent first."""
    rows = await tx.execute(_FAILURES, {"tenant_id": tenant_id, "window_seconds": window_seconds})
    return [Failure(code or "", count) for code, count in rows]
