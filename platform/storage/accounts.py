"""Tenants, users and their API keys, as they enter."""

from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import text

from domain.accounts.permissions import Role, permissions_of
from domain.accounts.session import EmailTaken
from domain.accounts.user import Caller
from storage.database import Tx

_FIND_KEY: Final = text("""
SELECT api_keys.id, api_keys.tenant_id, api_keys.user_id, secret_sha256, api_keys.permissions, requests_per_minute,
    users.role, role_permissions.permissions AS told,
    coalesce(last_used_at < now() - interval '1 minute', true) AS unseen
FROM api_keys JOIN users ON users.id = api_keys.user_id
LEFT JOIN role_permissions ON role_permissions.tenant_id = users.tenant_id AND role_permissions.role = users.role
WHERE public_id = :public_id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    AND users.state = 'active'
""")

_USED: Final = text("""
UPDATE api_keys SET last_used_at = now()
WHERE id = :id AND coalesce(last_used_at < now() - interval '1 minute', true)
""")

_FIND_CALLER: Final = text("""
SELECT users.role, role_permissions.permissions AS told, api_keys.id AS key_id, api_keys.permissions,
    api_keys.requests_per_minute, sessions.id AS session_id, sessions.scope
FROM users
LEFT JOIN role_permissions ON role_permissions.tenant_id = users.tenant_id AND role_permissions.role = users.role
LEFT JOIN api_keys ON api_keys.id = :key_id AND api_keys.user_id = users.id AND revoked_at IS NULL
    AND (expires_at IS NULL OR expires_at > now())
LEFT JOIN sessions ON sessions.id = :session_id AND sessions.user_id = users.id AND ended_at IS NULL
WHERE users.tenant_id = :tenant_id AND users.id = :user_id AND users.state = 'active'
    AND (CAST(:key_id AS text) IS NULL) = (api_keys.id IS NULL)
    AND (CAST(:session_id AS text) IS NULL) = (sessions.id IS NULL)
""")

_HAS_TABLES: Final = text("SELECT to_regclass('api_keys') IS NOT NULL")

_ADD_TENANT: Final = text("INSERT INTO tenants (id, name) VALUES (:id, :name) ON CONFLICT DO NOTHING")

_ADD_USER: Final = text("""
INSERT INTO users (id, tenant_id, email, name, role) VALUES (:id, :tenant_id, :email, :name, :role)
ON CONFLICT DO NOTHING
""")

_TENANT_NAMED: Final = text("SELECT id FROM tenants WHERE name = :name")

_USER_OF: Final = text("SELECT id FROM users WHERE tenant_id = :tenant_id AND lower(email) = lower(:email)")

_ADD_KEY: Final = text("""
INSERT INTO api_keys (id, tenant_id, user_id, name, public_id, secret_sha256, permissions,
    requests_per_minute, expires_at)
VALUES (:id, :tenant_id, :user_id, :name, :public_id, :secret_sha256, CAST(:permissions AS text[]),
    :requests_per_minute, :expires_at)
ON CONFLICT (public_id) DO NOTHING
""")


class StoredKey(Struct, frozen=True, kw_only=True):
    """A live API key as found by its public part; the secret is still to be compared.

    Its caller may do what both the key carries and its user's role bundles. `unseen`: no use of it is noted within
    the last minute.
    """

    secret_sha256: bytes
    caller: Caller
    unseen: bool


class NewKey(Struct, frozen=True, kw_only=True):
    """An API key to be written; of the secret only its hash."""

    id: str
    tenant_id: str
    user_id: str
    name: str
    public_id: str
    secret_sha256: bytes
    permissions: frozenset[str]
    requests_per_minute: int
    expires_at: datetime | None = None


async def find_key(tx: Tx, public_id: str) -> StoredKey | None:
    """The live key with this public part, or None."""
    row = (await tx.execute(_FIND_KEY, {"public_id": public_id})).one_or_none()
    if row is None:
        return None
    caller = Caller(
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        permissions=frozenset(row.permissions) & permissions_of(Role(row.role), row.told),
        key_id=row.id,
        requests_per_minute=row.requests_per_minute,
    )
    return StoredKey(secret_sha256=bytes(row.secret_sha256), caller=caller, unseen=row.unseen)


async def note_use(tx: Tx, key_id: str) -> None:
    """Note that a key was used, to the minute."""
    await tx.execute(_USED, {"id": key_id})


async def find_caller(
    tx: Tx, tenant_id: str, user_id: str, *, key_id: str | None, session_id: str | None
) -> Caller | None:
    """Who calls as this user by this key or in this session; None: that is not good any more, or nobody does."""
    given = {"tenant_id": tenant_id, "user_id": user_id, "key_id": key_id, "session_id": session_id}
    row = (await tx.execute(_FIND_CALLER, given)).one_or_none()
    if row is None:
        return None
    permissions = permissions_of(Role(row.role), row.told)
    for narrowed in (row.permissions, row.scope):
        if narrowed is not None:
            permissions &= frozenset(narrowed)
    caller = Caller(
        tenant_id=tenant_id,
        user_id=user_id,
        permissions=permissions,
        key_id=row.key_id,
        session_id=row.session_id,
    )
    return caller if row.key_id is None else replace(caller, requests_per_minute=row.requests_per_minute)


async def has_tables(tx: Tx) -> bool:
    """Whether the database was ever migrated."""
    has: bool = (await tx.execute(_HAS_TABLES)).scalar_one()
    return has


async def add_tenant(tx: Tx, tenant_id: str, name: str) -> None:
    """Write a tenant unless it stands already."""
    await tx.execute(_ADD_TENANT, {"id": tenant_id, "name": name})


async def add_user(tx: Tx, user_id: str, *, tenant_id: str, email: str, name: str, role: str) -> None:  # noqa: PLR0913 - a row
    """Write a user unless one stands already under this id or address."""
    await tx.execute(_ADD_USER, {"id": user_id, "tenant_id": tenant_id, "email": email, "name": name, "role": role})


async def get_or_add_tenant(tx: Tx, tenant_id: str, name: str) -> str:
    """The id of the tenant of that name, which is `tenant_id` if it was not there before."""
    await add_tenant(tx, tenant_id, name)
    found: str = (await tx.execute(_TENANT_NAMED, {"name": name})).scalar_one()
    return found


async def get_or_add_user(tx: Tx, user_id: str, *, tenant_id: str, email: str, role: str) -> str:
    """The id of the tenant's user with that address, which is `user_id` if there was none.

    Raises:
        EmailTaken: the address is a user's of another tenant.
    """
    await add_user(tx, user_id, tenant_id=tenant_id, email=email, name="", role=role)
    found = (await tx.execute(_USER_OF, {"tenant_id": tenant_id, "email": email})).scalar_one_or_none()
    if found is None:
        raise EmailTaken(f"{email} belongs to a user of another tenant.")
    return str(found)


async def add_key(tx: Tx, key: NewKey) -> None:
    """Write an API key unless its public part stands already."""
    await tx.execute(
        _ADD_KEY,
        {
            "id": key.id,
            "tenant_id": key.tenant_id,
            "user_id": key.user_id,
            "name": key.name,
            "public_id": key.public_id,
            "secret_sha256": key.secret_sha256,
            "permissions": sorted(key.permissions),
            "requests_per_minute": key.requests_per_minute,
            "expires_at": key.expires_at,
        },
    )
