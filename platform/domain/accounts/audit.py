"""The audit log: who did what with a privilege, each entry chained to the one before in its tenant.

The hash of an entry covers all it says and the hash before it. Who changes, drops or slips in an entry later would have
to write every one after it anew, and still not match a hash that somebody noted down.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

BEGINNING: Final = bytes(32)
"""What stands in place of the hash before a tenant's first entry."""

_BETWEEN: Final = b"\x1f"  # in no value: JSON escapes it, and ids, names of acts and addresses are plain
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Actor(Struct, frozen=True, kw_only=True):
    """Who does something: a user, by which key or session, from where, in which request."""

    tenant_id: str
    user_id: str | None
    key_id: str | None = None
    session_id: str | None = None
    address: str | None = None
    request_id: str | None = None


class Act(Struct, frozen=True, kw_only=True):
    """Something done with a privilege. `before` and `after` are JSON of what it changed, without secrets."""

    action: str
    target: str
    before: str | None = None
    after: str | None = None


class AuditEntry(Struct, frozen=True, kw_only=True):
    """An act that was done, in its place in the chain; `seq` counts a tenant's entries from 1."""

    actor: Actor
    act: Act
    seq: int
    at: datetime
    previous_hash: bytes
    hash: bytes


def chain(actor: Actor, act: Act, *, seq: int, at: datetime, previous_hash: bytes) -> bytes:
    """The hash of an entry."""
    said = (
        actor.tenant_id,
        str(seq),
        str((at - _EPOCH) // timedelta(microseconds=1)),
        actor.user_id,
        actor.key_id,
        actor.session_id,
        actor.address,
        actor.request_id,
        act.action,
        act.target,
        act.before,
        act.after,
    )
    digest = hashlib.sha256(previous_hash)
    for value in said:
        digest.update(_BETWEEN)
        digest.update(b"" if value is None else b"=" + value.encode())
    return digest.digest()


def breaks(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """What is wrong with a tenant's entries, given in their order: missing, moved, or not as they were written."""
    seq, previous = 0, BEGINNING
    for entry in entries:
        seq += 1
        if entry.seq != seq:
            yield f"{entry.actor.tenant_id}: entry {seq} is missing"
            seq = entry.seq
        elif entry.previous_hash != previous:
            yield f"{entry.actor.tenant_id}: entry {seq} does not follow the one before"
        hashed = chain(entry.actor, entry.act, seq=entry.seq, at=entry.at, previous_hash=entry.previous_hash)
        if hashed != entry.hash:
            yield f"{entry.actor.tenant_id}: entry {seq} is not as it was written"
        previous = entry.hash
