"""People for tests: users of any role, with keys and passwords, as they stand in the database."""

import os
from dataclasses import dataclass

from domain.accounts.api_key import make_key
from domain.accounts.permissions import ROLE_PERMISSIONS, Role
from runtime.hashing import make_hasher
from runtime.unique_ids import new_id
from storage.accounts import NewKey, add_key, add_tenant
from storage.database import Database
from storage.users import NewUser, add_new_user

PASSWORD = "otters sing at noon"

QUICK = 8
"""KiB for one hash, the least there may be: a test that logs in waits for none."""

_HASHER = make_hasher(memory_kib=QUICK)


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user, and what opens for them: an API key with all that their role bundles, and `PASSWORD`."""

    id: str
    tenant_id: str
    email: str
    role: Role
    key: str
    key_id: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


async def add_person(
    database: Database, tenant_id: str, role: Role, *, password: str | None = PASSWORD, per_minute: int = 100_000
) -> Person:
    """A fresh user of the tenant, which is made if there is none."""
    key = make_key(os.urandom(40))
    user_id, key_id = new_id("user"), new_id("key")
    email = f"{user_id}@example.com"
    async with database.begin() as tx:
        await add_tenant(tx, tenant_id, tenant_id)
        await add_new_user(
            tx,
            NewUser(
                id=user_id,
                tenant_id=tenant_id,
                email=email,
                name=role.value,
                role=role,
                password_hash=None if password is None else _HASHER.hash(password),
            ),
        )
        await add_key(
            tx,
            NewKey(
                id=key_id,
                tenant_id=tenant_id,
                user_id=user_id,
                name="for tests",
                public_id=key.public_id,
                secret_sha256=key.secret_sha256,
                permissions=ROLE_PERMISSIONS[role],
                requests_per_minute=per_minute,
            ),
        )
    return Person(id=user_id, tenant_id=tenant_id, email=email, role=role, key=str(key), key_id=key_id)
