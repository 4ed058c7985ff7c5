"""Tenants, users and their API keys."""

from typing import Final

from msgspec import Struct
from sqlalchemy import text

from domain.accounts.permissions import ROLE_PERMISSIONS, Role
from domain.accounts.user import Caller
from domain.errors import Conflict
from storage.database import Tx

_FIND_KEY: Final = text("""
SELECT api_keys.id, api_keys.tenant_id, api_keys.user_id, secret_sha256, permissions, requests_per_minute
FROM api_keys
WHERE public_id = :public_id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
""")

_FIND_CALLER: Final = text("""
SELECT users.role, api_keys.id AS key_id, api_keys.permissions, api_keys.requests_per_minute
FROM users
LEFT JOIN api_keys ON api_keys.id = :key_id AND api_keys.user_id = users.id AND revoked_at IS NULL
    AND (expires_at IS NULL OR expires_at > now())
WHERE users.tenant_id = :tenant_id AND users.id = :user_id AND (CAST(:key_id AS text) IS NULL) = (api_keys.id IS NULL)
""")

_ADD_TENANT: Final = text("INSERT INTO tenants (id, name) VALUES (:id, :name) ON CONFLICT DO NOTHING")

_ADD_USER: Final = text("""
INSERT INTO users (id, tenant_id, email, name, role) VALUES (:id, :tenant_id, :email, :name, :role)
ON CONFLICT DO NOTHING
""")

_TENANT_NAMED: Final = text("SELECT id FROM tenants WHERE name = :name")

_USER_OF: Final = text("SELECT id FROM users WHERE tenant_id = :tenant_id AND lower(email) = lower(:email)")

_ADD_KEY: Final = text("""
INSERT INTO api_keys (id, tenant_id, user_id, name, public_id, secret_sha256, permissions, requests_per_minute)
VALUES (:id, :tenant_id, :user_id, :name, :public_id, :secret_sha256, CAST(:permissions AS text[]),
    :requests_per_minute)
ON CONFLICT (public_id) DO NOTHING
""")


class EmailTaken(Conflict):
    """The address belongs to somebody else."""

    code = "email_taken"
    title = "E-mail address taken"


class StoredKey(Struct, frozen=True, kw_only=True):
    """A live API key as found by its public part; the secret is still to be compared."""

    secret_sha256: bytes
    caller: Caller


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


async def find_key(tx: Tx, public_id: str) -> StoredKey | None:
    """The live key with this public part, or None."""
    row = (await tx.execute(_FIND_KEY, {"public_id": public_id})).one_or_none()
    if row is None:
        return None
    caller = Caller(
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        permissions=frozenset(row.permissions),
        key_id=row.id,
        requests_per_minute=row.requests_per_minute,
    )
    return StoredKey(secret_sha256=bytes(row.secret_sha256), caller=caller)


async def find_caller(tx: Tx, tenant_id: str, user_id: str, key_id: str | None) -> Caller | None:
    """Who calls as this user by this key, or by none; None: the key is not good any more, or nobody does."""
    row = (await tx.execute(_FIND_CALLER, {"tenant_id": tenant_id, "user_id": user_id, "key_id": key_id})).one_or_none()
    if row is None:
        return None
    if row.key_id is None:
        return Caller(tenant_id=tenant_id, user_id=user_id, permissions=ROLE_PERMISSIONS[Role(row.role)])
    return Caller(
        tenant_id=tenant_id,
        user_id=user_id,
        permissions=frozenset(row.permissions),
        key_id=row.key_id,
        requests_per_minute=row.requests_per_minute,
    )


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
        },
    )
