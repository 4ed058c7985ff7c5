"""The audit log in SQL: entries are added in the transaction of the act, one after the other for each tenant."""

from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Row, select, text

from domain.accounts.audit import BEGINNING, Act, Actor, AuditEntry, chain
from storage.database import Tx
from storage.tables import audit_log

# The row's lock is held until the act is committed, so that entries are in the order of their acts.
_TAKE_TURN: Final = text("""
INSERT INTO audit_heads (tenant_id, seq, hash) VALUES (:tenant_id, 1, :beginning)
ON CONFLICT (tenant_id) DO UPDATE SET seq = audit_heads.seq + 1
RETURNING seq, hash, clock_timestamp() AS at
""")

_ADD: Final = text("""
WITH head AS (UPDATE audit_heads SET hash = :hash WHERE tenant_id = :tenant_id)
INSERT INTO audit_log (tenant_id, seq, at, user_id, key_id, session_id, address, request_id, action, target, before,
    after, previous_hash, hash)
VALUES (:tenant_id, :seq, :at, :user_id, :key_id, :session_id, :address, :request_id, :action, :target,
    CAST(:before AS json), CAST(:after AS json), :previous_hash, :hash)
""")


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Which entries of a tenant; what is None does not narrow. `action` may be the first part, as in `user`."""

    user_id: str | None = None
    action: str | None = None
    target: str | None = None
    after: datetime | None = None
    before: datetime | None = None


async def audit(tx: Tx, actor: Actor, *acts: Act) -> None:
    """Add an entry for each act. Comes last in a transaction: until its end, other acts of the tenant wait."""
    for act in acts:
        head = (await tx.execute(_TAKE_TURN, {"tenant_id": actor.tenant_id, "beginning": BEGINNING})).one()
        previous = bytes(head.hash)
        given = {
            "tenant_id": actor.tenant_id,
            "seq": head.seq,
            "at": head.at,
            "user_id": actor.user_id,
            "key_id": actor.key_id,
            "session_id": actor.session_id,
            "address": actor.address,
            "request_id": actor.request_id,
            "action": act.action,
            "target": act.target,
            "before": act.before,
            "after": act.after,
            "previous_hash": previous,
            "hash": chain(actor, act, seq=head.seq, at=head.at, previous_hash=previous),
        }
        await tx.execute(_ADD, given)


async def list_entries(
    tx: Tx, tenant_id: str, wanted: AuditFilter, *, limit: int, before: int | None = None
) -> list[AuditEntry]:
    """At most `limit` of a tenant's entries that match, newest first, those before the one with `seq` `before`."""
    query = select(audit_log).where(audit_log.c.tenant_id == tenant_id)
    if before is not None:
        query = query.where(audit_log.c.seq < before)
    if wanted.user_id is not None:
        query = query.where(audit_log.c.user_id == wanted.user_id)
    if wanted.target is not None:
        query = query.where(audit_log.c.target == wanted.target)
    if wanted.action is not None:
        begun = audit_log.c.action.startswith(f"{wanted.action}.", autoescape=True)
        query = query.where((audit_log.c.action == wanted.action) | begun)
    if wanted.after is not None:
        query = query.where(audit_log.c.at > wanted.after)
    if wanted.before is not None:
        query = query.where(audit_log.c.at < wanted.before)
    rows = await tx.execute(query.order_by(audit_log.c.seq.desc()).limit(limit))
    return [_entry(row) for row in rows]


async def find_entry(tx: Tx, tenant_id: str, seq: int) -> AuditEntry | None:
    """A tenant's entry, or None."""
    query = select(audit_log).where(audit_log.c.tenant_id == tenant_id, audit_log.c.seq == seq)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _entry(row)


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        actor=Actor(
            tenant_id=row.tenant_id,
            user_id=row.user_id,
            key_id=row.key_id,
            session_id=row.session_id,
            address=row.address,
            request_id=row.request_id,
        ),
        act=Act(action=row.action, target=row.target, before=_text(row.before), after=_text(row.after)),
        seq=row.seq,
        at=row.at,
        previous_hash=bytes(row.previous_hash),
        hash=bytes(row.hash),
    )


def _text(json: bytes | None) -> str | None:
    return None if json is None else json.decode()
