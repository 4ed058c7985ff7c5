"""Bulk actions in SQL. Relays work on one under its row's lock, each turn a transaction with the jobs it moves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct
from sqlalchemy import Row, text

from domain.jobs.bulk import BulkState, BulkVerb
from storage.database import Tx
from storage.job_lists import JobFilter

_ENCODER: Final = msgspec.json.Encoder()
_FILTER: Final = msgspec.json.Decoder(JobFilter)
_UNREADABLE_SECONDS: Final = 300.0
_LOG: Final = structlog.stdlib.get_logger(__name__)

_ACTION: Final = (
    "id, tenant_id, caller_id, action, filter, dry_run, rate_per_second, state, matched, done, skipped, cursor, "
    "created_at, started_at, finished_at"
)

_ADD: Final = text(f"""
INSERT INTO bulk_actions (id, tenant_id, caller_id, action, filter, dry_run, rate_per_second)
VALUES (:id, :tenant_id, :caller_id, :action, CAST(:filter AS json), :dry_run, :rate_per_second)
RETURNING {_ACTION}
""")  # noqa: S608 - the only thing formatted in is a constant list of columns

# Of the tenant whose last turn is longest ago the one that has waited longest: tenants take turns, and so do actions.
_TAKE: Final = text(f"""
SELECT {_ACTION}, CAST(extract(epoch FROM now() - next_at) AS float8) AS late_seconds FROM bulk_actions
LEFT JOIN unnest(CAST(:tenants AS text[])) WITH ORDINALITY AS had (tenant, turn) ON had.tenant = bulk_actions.tenant_id
WHERE state IN ('pending', 'running') AND next_at <= now()
ORDER BY had.turn NULLS FIRST, next_at, id LIMIT 1 FOR UPDATE OF bulk_actions SKIP LOCKED
""")  # noqa: S608 - as above

_RECORD: Final = text("""
UPDATE bulk_actions SET state = CASE WHEN CAST(:cursor AS text) IS NULL THEN 'done' ELSE 'running' END,
    matched = matched + :matched, done = done + :done, skipped = skipped + :skipped,
    cursor = coalesce(CAST(:cursor AS text), cursor), started_at = coalesce(started_at, now()),
    finished_at = CASE WHEN CAST(:cursor AS text) IS NULL THEN now() END,
    next_at = now() + make_interval(secs => :pause_seconds)
WHERE id = :id AND state IN ('pending', 'running')
""")

_UNFINISHED: Final = text("""
SELECT count(*) FROM bulk_actions WHERE tenant_id = :tenant_id AND state IN ('pending', 'running')
""")

_PUT_OFF: Final = text("UPDATE bulk_actions SET next_at = now() + make_interval(secs => :seconds) WHERE id = :id")

_ABORT: Final = text("""
UPDATE bulk_actions SET state = 'aborted', finished_at = now()
WHERE id = :id AND tenant_id = :tenant_id AND state IN ('pending', 'running')
""")

_FIND: Final = text(
    f"SELECT {_ACTION} FROM bulk_actions WHERE id = :id AND tenant_id = :tenant_id"  # noqa: S608 - as above
)

_LIST: Final = text(f"""
SELECT {_ACTION} FROM bulk_actions
WHERE tenant_id = :tenant_id AND (CAST(:before AS text) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit
""")  # noqa: S608 - as above


class NewBulkAction(Struct, frozen=True, kw_only=True):
    """A row not yet written."""

    id: str
    tenant_id: str
    caller_id: str
    action: BulkVerb
    wanted: JobFilter
    dry_run: bool
    rate_per_second: int


class BulkAction(NewBulkAction, frozen=True, kw_only=True):
    """A bulk action as its row stands. `cursor` is the last job looked at; `matched` is `done` and `skipped` so far."""

    state: BulkState
    matched: int
    done: int
    skipped: int
    cursor: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_finished(self) -> bool:
        """Whether nothing more is done for it."""
        return self.finished_at is not None


class Turn(Struct, frozen=True):
    """A bulk action whose turn it is, under lock, and how long it has been."""

    action: BulkAction
    late_seconds: float


async def add_bulk_action(tx: Tx, new: NewBulkAction) -> BulkAction:
    """Write a bulk action; what it works on is bounded by the time it is written."""
    rows = await tx.execute(
        _ADD,
        {
            "id": new.id,
            "tenant_id": new.tenant_id,
            "caller_id": new.caller_id,
            "action": new.action.value,
            "filter": _ENCODER.encode(new.wanted).decode(),
            "dry_run": new.dry_run,
            "rate_per_second": new.rate_per_second,
        },
    )
    return _as_action(rows.one())


async def take_turn(tx: Tx, *, had: Sequence[str] = ()) -> Turn | None:
    """Lock the unfinished action whose turn it is; None: there is none, or others are at work on them.

    `had`: the tenants that had a turn, the latest last. An action that cannot be read, for another release wrote it,
    is put off.
    """
    row = (await tx.execute(_TAKE, {"tenants": list(had)})).one_or_none()
    if row is None:
        return None
    try:
        return Turn(_as_action(row), row.late_seconds)
    except (msgspec.MsgspecError, ValueError):
        _LOG.exception("bulk.unreadable", bulk_action_id=row.id, hint="finish the deploy, or abort it")
        await put_off(tx, row.id, seconds=_UNREADABLE_SECONDS)
        return None


async def count_unfinished(tx: Tx, tenant_id: str) -> int:
    """How many of the tenant's actions are not finished."""
    return int((await tx.execute(_UNFINISHED, {"tenant_id": tenant_id})).scalar_one())


async def record_turn(  # noqa: PLR0913 - what a turn has come to
    tx: Tx, action_id: str, *, matched: int, done: int, skipped: int, cursor: str | None, pause_seconds: float
) -> None:
    """Add what a turn did, in its transaction. The next begins past `cursor`, after a pause; None: it was the last."""
    await tx.execute(
        _RECORD,
        {
            "id": action_id,
            "matched": matched,
            "done": done,
            "skipped": skipped,
            "cursor": cursor,
            "pause_seconds": pause_seconds,
        },
    )


async def put_off(tx: Tx, action_id: str, *, seconds: float) -> None:
    """Let an action wait whose turn failed, so that it does not hold up the others."""
    await tx.execute(_PUT_OFF, {"id": action_id, "seconds": seconds})


async def abort_bulk_action(tx: Tx, tenant_id: str, action_id: str) -> BulkAction | None:
    """Let nothing more be done for a tenant's action; one that is finished stays what it is. None: there is none."""
    await tx.execute(_ABORT, {"id": action_id, "tenant_id": tenant_id})
    return await find_bulk_action(tx, tenant_id, action_id)


async def find_bulk_action(tx: Tx, tenant_id: str, action_id: str) -> BulkAction | None:
    """A tenant's bulk action, or None."""
    row = (await tx.execute(_FIND, {"id": action_id, "tenant_id": tenant_id})).one_or_none()
    return None if row is None else _as_action(row)


async def list_bulk_actions(tx: Tx, tenant_id: str, *, limit: int, before: str | None = None) -> list[BulkAction]:
    """A tenant's bulk actions, newest first, those made before `before`."""
    rows = await tx.execute(_LIST, {"tenant_id": tenant_id, "limit": limit, "before": before})
    return [_as_action(row) for row in rows]


def _as_action(row: Row[Any]) -> BulkAction:
    return BulkAction(
        id=row.id,
        tenant_id=row.tenant_id,
        caller_id=row.caller_id,
        action=BulkVerb(row.action),
        wanted=_FILTER.decode(row.filter),
        dry_run=row.dry_run,
        rate_per_second=row.rate_per_second,
        state=BulkState(row.state),
        matched=row.matched,
        done=row.done,
        skipped=row.skipped,
        cursor=row.cursor,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
