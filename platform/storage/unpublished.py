"""Domain events that are still to be published: which are next, and that they have been."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import text

from storage.database import Tx

# one at a time, and in the order in which they were written: of two that publish, one would overtake the other
_DECIDE: Final = text("SELECT pg_try_advisory_xact_lock(hashtext('headrace.domain_events'))")

_NEXT: Final = text("""
SELECT id, tenant_id, type, body FROM domain_events WHERE NOT is_published ORDER BY id LIMIT :limit
""")

_PUBLISHED: Final = text("UPDATE domain_events SET is_published = true WHERE id = ANY (CAST(:ids AS text[]))")


class Unpublished(Struct, frozen=True):
    """What is to be published: `body` is the CloudEvent."""

    id: str
    tenant_id: str
    type: str
    body: bytes


async def may_publish(tx: Tx) -> bool:
    """Whether this transaction, and no other, publishes now."""
    return bool((await tx.execute(_DECIDE)).scalar_one())


async def unpublished(tx: Tx, *, limit: int) -> list[Unpublished]:
    """At most `limit` that are still to be published, of all tenants, the oldest first."""
    rows = await tx.execute(_NEXT, {"limit": limit})
    return [Unpublished(row.id, row.tenant_id, row.type, bytes(row.body)) for row in rows]


async def note_published(tx: Tx, ids: Sequence[str]) -> None:
    """Note that these have been published."""
    await tx.execute(_PUBLISHED, {"ids": list(ids)})
