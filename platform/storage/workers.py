"""The worker processes that reported themselves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import RowMapping, text

from domain.text.breaker import EngineStanding
from storage.database import Tx

LEASES_MISSED: Final = 10
"""A worker that was silent for so many leases is not shown any more."""

_REPORT: Final = text("""
INSERT INTO workers (name, pid, queues, concurrency, running, stopping, engines)
VALUES (:name, :pid, CAST(:queues AS text[]), :concurrency, :running, :stopping, CAST(:engines AS json))
ON CONFLICT (name) DO UPDATE SET pid = excluded.pid, queues = excluded.queues, concurrency = excluded.concurrency,
    running = excluded.running, stopping = excluded.stopping, engines = excluded.engines,
    seen_at = now(),
    started_at = CASE WHEN workers.pid = excluded.pid THEN workers.started_at ELSE now() END
""")

_LIST: Final = text("""
SELECT name, pid, queues, concurrency, running, stopping, engines, started_at, seen_at FROM workers
WHERE seen_at > now() - make_interval(secs => :seconds) ORDER BY name
""")

_FORGET: Final = text("DELETE FROM workers WHERE seen_at < now() - make_interval(secs => :seconds)")


class WorkerReport(Struct, frozen=True, kw_only=True):
    """What a worker process says of itself with every heartbeat."""

    name: str
    pid: int
    queues: tuple[str, ...]
    concurrency: int
    running: int
    stopping: bool
    engines: tuple[EngineStanding, ...] = ()


class WorkerSeen(WorkerReport, frozen=True, kw_only=True):
    """A report, with when the worker started and was last heard."""

    started_at: datetime
    seen_at: datetime


async def report_worker(tx: Tx, report: WorkerReport) -> None:
    """Write a worker's heartbeat."""
    await tx.execute(
        _REPORT,
        {
            "name": report.name,
            "pid": report.pid,
            "queues": list(report.queues),
            "concurrency": report.concurrency,
            "running": report.running,
            "stopping": report.stopping,
            "engines": msgspec.json.encode(report.engines).decode(),
        },
    )


async def list_workers(tx: Tx, *, seen_within_seconds: float) -> Sequence[WorkerSeen]:
    """The workers heard of lately."""
    rows = await tx.execute(_LIST, {"seconds": seen_within_seconds})
    return [_as_worker(row) for row in rows.mappings()]


async def forget_workers(tx: Tx, *, silent_seconds: float) -> None:
    """Drop the rows of workers long gone."""
    await tx.execute(_FORGET, {"seconds": silent_seconds})


def _as_worker(row: RowMapping) -> WorkerSeen:
    engines = msgspec.json.decode(row["engines"] or b"[]", type=tuple[EngineStanding, ...])
    fields: dict[str, Any] = {**row, "queues": tuple(row["queues"]), "engines": engines}
    return WorkerSeen(**fields)
