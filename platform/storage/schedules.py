"""Schedules, and the record of their firings."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Row, TextClause, text

from domain.ids import ScheduleId
from domain.jobs.job import JobOptions
from domain.schedules.schedule import (
    CatchUp,
    Overlap,
    RunOutcome,
    Schedule,
    ScheduledJob,
    ScheduleRun,
    Timing,
)
from storage.database import Tx

_ENCODER: Final = msgspec.json.Encoder()
_OPTIONS: Final = msgspec.json.Decoder(JobOptions)

_SCHEDULE: Final = (
    "id, tenant_id, caller_id, name, cron, every_seconds, timezone, anchor, starts_at, ends_at, kind, input, options, "
    "overlap, catch_up, jitter_seconds, paused, next_at, last_at, created_at, updated_at"
)

_ADD: Final = text(f"""
INSERT INTO schedules ({_SCHEDULE})
VALUES (:id, :tenant_id, :caller_id, :name, :cron, :every_seconds, :timezone, :anchor, :starts_at, :ends_at, :kind,
    CAST(:input AS json), CAST(:options AS json), :overlap, :catch_up, :jitter_seconds, :paused, :next_at, NULL,
    now(), now())
ON CONFLICT (id) DO NOTHING
RETURNING {_SCHEDULE}
""")  # noqa: S608 - the only thing formatted in is a constant list of columns

_SAVE: Final = text(f"""
UPDATE schedules SET name = :name, cron = :cron, every_seconds = :every_seconds, timezone = :timezone,
    anchor = :anchor, starts_at = :starts_at, ends_at = :ends_at, kind = :kind, input = CAST(:input AS json),
    options = CAST(:options AS json), overlap = :overlap, catch_up = :catch_up, jitter_seconds = :jitter_seconds,
    paused = :paused, next_at = :next_at, caller_id = :caller_id, updated_at = now()
WHERE id = :id AND tenant_id = :tenant_id
RETURNING {_SCHEDULE}
""")  # noqa: S608 - as above

_FIND: Final = f"SELECT {_SCHEDULE} FROM schedules WHERE id = :id AND tenant_id = :tenant_id"  # noqa: S608 - as above

_LIST: Final = text(f"""
SELECT {_SCHEDULE} FROM schedules
WHERE tenant_id = :tenant_id AND (CAST(:before AS text) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
""")  # noqa: S608 - as above

_DELETE: Final = text("DELETE FROM schedules WHERE id = :id AND tenant_id = :tenant_id RETURNING id")

_TAKE_DUE: Final = text(f"""
SELECT {_SCHEDULE} FROM schedules WHERE NOT paused AND next_at <= now()
ORDER BY next_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - as above

_LIVE: Final = text("""
SELECT schedule_id, id FROM jobs
WHERE schedule_id = ANY(CAST(:ids AS text[])) AND state IN ('scheduled', 'queued', 'running')
    AND NOT EXISTS (SELECT FROM schedule_runs AS runs WHERE runs.job_id = jobs.id AND runs.backfilled)
ORDER BY id
""")

_GIVEN_RUNS: Final = """
INSERT INTO schedule_runs (schedule_id, fire_at, outcome, job_id, by_hand, backfilled, detail)
SELECT * FROM unnest(
    CAST(:schedule_id AS text[]), CAST(:fire_at AS timestamptz[]), CAST(:outcome AS text[]), CAST(:job_id AS text[]),
    CAST(:by_hand AS bool[]), CAST(:backfilled AS bool[]), CAST(:detail AS text[]))
"""

_RECORD: Final = text(f"""{_GIVEN_RUNS}
ON CONFLICT (schedule_id, fire_at) DO NOTHING
RETURNING schedule_id, fire_at
""")

# What submitted no job, for it was missed, skipped or refused, submits one now; what did submit one stays as it is.
_RECORD_ANEW: Final = text(f"""{_GIVEN_RUNS}
ON CONFLICT (schedule_id, fire_at) DO UPDATE SET outcome = excluded.outcome, job_id = excluded.job_id,
    by_hand = excluded.by_hand, backfilled = excluded.backfilled, detail = excluded.detail, recorded_at = now()
WHERE schedule_runs.outcome <> 'submitted'
RETURNING schedule_id, fire_at
""")

# The record may have been pruned before its job was, where days of retention were changed.
_RAN: Final = text("""
SELECT fire_at FROM unnest(CAST(:fires AS timestamptz[]), CAST(:job_ids AS text[])) AS given (fire_at, job_id)
WHERE EXISTS (
    SELECT FROM schedule_runs AS runs
    WHERE runs.schedule_id = :schedule_id AND runs.fire_at = given.fire_at AND runs.outcome = 'submitted'
) OR EXISTS (SELECT FROM jobs WHERE jobs.id = given.job_id)
OR EXISTS (SELECT FROM pruned WHERE pruned.id = given.job_id)
""")

_ADVANCE: Final = text("""
UPDATE schedules SET next_at = moved.next_at, last_at = coalesce(moved.last_at, schedules.last_at),
    paused = schedules.paused OR moved.pause
FROM unnest(
    CAST(:id AS text[]), CAST(:next_at AS timestamptz[]), CAST(:last_at AS timestamptz[]), CAST(:pause AS bool[])
) AS moved (id, next_at, last_at, pause)
WHERE schedules.id = moved.id
""")

_NEXT: Final = text("SELECT extract(epoch FROM min(next_at) - clock_timestamp()) FROM schedules WHERE NOT paused")

_RUNS: Final = text("""
SELECT schedule_id, fire_at, outcome, job_id, by_hand, backfilled, detail FROM schedule_runs
WHERE schedule_id = :schedule_id AND (CAST(:before AS timestamptz) IS NULL OR fire_at < :before)
ORDER BY fire_at DESC LIMIT :limit
""")

_NOW: Final = text("SELECT now()")


class Advance(Struct, frozen=True, kw_only=True):
    """Where a schedule stands after a tick; `pause` stops one that can no longer be computed."""

    schedule_id: str
    next_at: datetime | None
    last_at: datetime | None = None
    pause: bool = False


async def database_now(tx: Tx) -> datetime:
    """When the transaction began, by the database's clock, which all due times are judged by."""
    now: datetime = (await tx.execute(_NOW)).scalar_one()
    return now


async def add_schedule(tx: Tx, schedule: Schedule) -> Schedule | None:
    """Write a schedule; None: its id stands already, and nothing was changed."""
    row = (await tx.execute(_ADD, _values(schedule))).one_or_none()
    return None if row is None else _as_schedule(row)


async def save_schedule(tx: Tx, schedule: Schedule) -> Schedule:
    """Write a schedule, locked before, as it is to be from now on."""
    return _as_schedule((await tx.execute(_SAVE, _values(schedule))).one())


async def find_schedule(tx: Tx, tenant_id: str, schedule_id: str, *, lock: bool = False) -> Schedule | None:
    """A tenant's schedule, or None; with `lock`, nobody else changes or fires it until the transaction ends."""
    query = text(f"{_FIND} FOR UPDATE" if lock else _FIND)
    row = (await tx.execute(query, {"id": schedule_id, "tenant_id": tenant_id})).one_or_none()
    return None if row is None else _as_schedule(row)


async def list_schedules(tx: Tx, tenant_id: str, *, limit: int, before: str | None = None) -> list[Schedule]:
    """A tenant's schedules, newest first, older than the id `before`."""
    rows = await tx.execute(_LIST, {"tenant_id": tenant_id, "limit": limit, "before": before})
    return [_as_schedule(row) for row in rows]


async def delete_schedule(tx: Tx, tenant_id: str, schedule_id: str) -> bool:
    """Remove a schedule and the record of its firings; its jobs stay. False: there is none."""
    return (await tx.execute(_DELETE, {"id": schedule_id, "tenant_id": tenant_id})).first() is not None


async def take_due(tx: Tx, *, limit: int) -> list[Schedule]:
    """Lock schedules whose time has come, longest overdue first; those another beat is at are left alone."""
    return [_as_schedule(row) for row in await tx.execute(_TAKE_DUE, {"limit": limit})]


async def live_jobs(tx: Tx, schedule_ids: Sequence[str]) -> dict[str, list[str]]:
    """The ids of the live jobs of each of these schedules, backfilled ones left out; those without any are missing."""
    live: dict[str, list[str]] = {}
    for schedule_id, job_id in await tx.execute(_LIVE, {"ids": list(schedule_ids)}):
        live.setdefault(schedule_id, []).append(job_id)
    return live


async def record_runs(tx: Tx, runs: Sequence[ScheduleRun]) -> set[tuple[str, datetime]]:
    """Write what became of firings; answers with (schedule, time) of those not on record before."""
    return await _record(tx, _RECORD, runs)


async def record_backfill(tx: Tx, runs: Sequence[ScheduleRun]) -> set[tuple[str, datetime]]:
    """Write that firings are run now; answers with (schedule, time) of those that had submitted no job before."""
    return await _record(tx, _RECORD_ANEW, runs)


async def find_ran(tx: Tx, schedule_id: str, fires: Mapping[datetime, str]) -> set[datetime]:
    """Which of these firings, given with the ids of their jobs, have submitted a job."""
    given = {"schedule_id": schedule_id, "fires": list(fires), "job_ids": list(fires.values())}
    return set((await tx.execute(_RAN, given)).scalars())


async def advance(tx: Tx, moved: Sequence[Advance]) -> None:
    """Move schedules on to their next firing."""
    if not moved:
        return
    await tx.execute(
        _ADVANCE,
        {
            "id": [one.schedule_id for one in moved],
            "next_at": [one.next_at for one in moved],
            "last_at": [one.last_at for one in moved],
            "pause": [one.pause for one in moved],
        },
    )


async def seconds_to_next(tx: Tx) -> float | None:
    """How long until the next firing of any schedule; negative when one is overdue; None: nothing is to come."""
    seconds = (await tx.execute(_NEXT)).scalar_one()
    return None if seconds is None else float(seconds)


async def list_runs(tx: Tx, schedule_id: str, *, limit: int, before: datetime | None = None) -> list[ScheduleRun]:
    """What became of a schedule's firings, newest first, earlier than `before`."""
    rows = await tx.execute(_RUNS, {"schedule_id": schedule_id, "limit": limit, "before": before})
    return [
        ScheduleRun(
            schedule_id=row.schedule_id,
            fire_at=row.fire_at,
            outcome=RunOutcome(row.outcome),
            job_id=row.job_id,
            by_hand=row.by_hand,
            backfilled=row.backfilled,
            detail=row.detail,
        )
        for row in rows
    ]


async def _record(tx: Tx, statement: TextClause, runs: Sequence[ScheduleRun]) -> set[tuple[str, datetime]]:
    if not runs:
        return set()
    rows = await tx.execute(
        statement,
        {
            "schedule_id": [run.schedule_id for run in runs],
            "fire_at": [run.fire_at for run in runs],
            "outcome": [run.outcome.value for run in runs],
            "job_id": [run.job_id for run in runs],
            "by_hand": [run.by_hand for run in runs],
            "backfilled": [run.backfilled for run in runs],
            "detail": [run.detail for run in runs],
        },
    )
    return {(schedule_id, fire_at) for schedule_id, fire_at in rows}


def _values(schedule: Schedule) -> dict[str, Any]:
    timing, job = schedule.timing, schedule.job
    return {
        "id": schedule.id,
        "tenant_id": schedule.tenant_id,
        "caller_id": schedule.caller_id,
        "name": schedule.name,
        "cron": timing.cron,
        "every_seconds": None if timing.every is None else timing.every.total_seconds(),
        "timezone": timing.timezone,
        "anchor": timing.anchor,
        "starts_at": timing.starts_at,
        "ends_at": timing.ends_at,
        "kind": job.kind,
        "input": job.input.decode(),
        "options": _ENCODER.encode(job.options).decode(),
        "overlap": schedule.overlap.value,
        "catch_up": schedule.catch_up.value,
        "jitter_seconds": schedule.jitter.total_seconds(),
        "paused": schedule.paused,
        "next_at": schedule.next_at,
    }


def _as_schedule(row: Row[Any]) -> Schedule:
    return Schedule(
        id=ScheduleId(row.id),
        tenant_id=row.tenant_id,
        caller_id=row.caller_id,
        name=row.name,
        timing=Timing(
            cron=row.cron,
            every=None if row.every_seconds is None else timedelta(seconds=row.every_seconds),
            timezone=row.timezone,
            anchor=row.anchor,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
        ),
        job=ScheduledJob(kind=row.kind, input=row.input, options=_OPTIONS.decode(row.options)),
        overlap=Overlap(row.overlap),
        catch_up=CatchUp(row.catch_up),
        jitter=timedelta(seconds=row.jitter_seconds),
        paused=row.paused,
        next_at=row.next_at,
        last_at=row.last_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
