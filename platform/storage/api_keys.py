"""API keys in SQL, as they are managed: listed, counted, permitted more, revoked, given an end."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Row, text

from storage.database import Tx

_KEY: Final = """
    id, tenant_id, user_id, name, public_id, permissions, requests_per_minute, created_at, expires_at, revoked_at,
    last_used_at, revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AS is_live
"""

_WHOSE: Final = "tenant_id = :tenant_id AND (CAST(:of AS text) IS NULL OR user_id = :of)"

_FIND: Final = text(f"SELECT {_KEY} FROM api_keys WHERE id = :id AND {_WHOSE}")  # noqa: S608 - only constants

_LOCK: Final = text(f"SELECT {_KEY} FROM api_keys WHERE id = :id AND {_WHOSE} FOR UPDATE")  # noqa: S608 - as above

_LIST: Final = text(f"""
SELECT {_KEY} FROM api_keys
WHERE {_WHOSE} AND (CAST(:before AS text) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
""")  # noqa: S608 - as above

# Two that make keys for one user take turns, so that they count each other's.
_COUNT: Final = text("""
WITH turn AS MATERIALIZED (SELECT id FROM users WHERE id = :user_id FOR NO KEY UPDATE)
SELECT count(*) FROM turn JOIN api_keys ON api_keys.user_id = turn.id
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
""")

_PERMIT: Final = text("""
UPDATE api_keys SET permissions = CAST(:permissions AS text[])
WHERE id = :id AND permissions <> CAST(:permissions AS text[])
""")

_REVOKE: Final = text("UPDATE api_keys SET revoked_at = now() WHERE id = :id AND revoked_at IS NULL")

_END: Final = text("""
UPDATE api_keys SET expires_at = least(expires_at, now() + make_interval(secs => :seconds))
WHERE id = :id RETURNING expires_at
""")


class KeptKey(Struct, frozen=True, kw_only=True):
    """An API key as it is kept: all but its secret."""

    id: str
    tenant_id: str
    user_id: str
    name: str
    public_id: str
    permissions: tuple[str, ...]
    requests_per_minute: int
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    is_live: bool


async def find_kept_key(tx: Tx, tenant_id: str, key_id: str, *, of: str | None, lock: bool = False) -> KeptKey | None:
    """The tenant's key of that id, of the user `of` unless that is None; with `lock`, until the transaction ends."""
    given = {"id": key_id, "tenant_id": tenant_id, "of": of}
    row = (await tx.execute(_LOCK if lock else _FIND, given)).one_or_none()
    return None if row is None else _as_key(row)


async def list_keys(tx: Tx, tenant_id: str, *, of: str | None, limit: int, before: str | None = None) -> list[KeptKey]:
    """At most `limit` keys of a tenant, newest first: of the user `of`, or of all."""
    given = {"tenant_id": tenant_id, "of": of, "before": before, "limit": limit}
    return [_as_key(row) for row in await tx.execute(_LIST, given)]


async def count_live_keys(tx: Tx, user_id: str) -> int:
    """How many live keys a user has; until the transaction ends nobody else makes one for them."""
    counted: int = (await tx.execute(_COUNT, {"user_id": user_id})).scalar_one()
    return counted


async def permit_key(tx: Tx, key_id: str, permissions: Iterable[str]) -> None:
    """Let a key do these things and no others, as far as its user may."""
    await tx.execute(_PERMIT, {"id": key_id, "permissions": sorted(permissions)})


async def revoke_key(tx: Tx, key_id: str) -> bool:
    """Revoke a key; False if it was already."""
    return bool((await tx.execute(_REVOKE, {"id": key_id})).rowcount)


async def end_key(tx: Tx, key_id: str, *, seconds: float) -> datetime:
    """Let a key expire after so many seconds, unless it does before; answers when."""
    expires_at: datetime = (await tx.execute(_END, {"id": key_id, "seconds": seconds})).scalar_one()
    return expires_at


def _as_key(row: Row[Any]) -> KeptKey:
    return KeptKey(
        id=row.id,
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        name=row.name,
        public_id=row.public_id,
        permissions=tuple(sorted(row.permissions)),
        requests_per_minute=row.requests_per_minute,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        is_live=row.is_live,
    )
