"""Users in SQL: found, listed, changed."""

from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Row, text

from domain.accounts.permissions import Role
from domain.accounts.session import EmailTaken
from domain.accounts.user import User, UserState
from domain.unspoken import Unspoken
from storage.database import Tx

_USER: Final = """
    id, tenant_id, email, name, role, state, state_reason, password_hash IS NOT NULL AS has_password, created_at,
    last_login_at
"""

_ADD: Final = text(f"""
INSERT INTO users (id, tenant_id, email, name, role, password_hash)
VALUES (:id, :tenant_id, :email, :name, :role, :password_hash)
ON CONFLICT (lower(email)) DO NOTHING
RETURNING {_USER}
""")  # noqa: S608 - only a constant is formatted in

_FIND: Final = text(f"SELECT {_USER} FROM users WHERE id = :id AND tenant_id = :tenant_id")  # noqa: S608 - a constant

_LOCK: Final = text(f"SELECT {_USER} FROM users WHERE id = :id AND tenant_id = :tenant_id FOR UPDATE")  # noqa: S608

_LIST: Final = text(f"""
SELECT {_USER} FROM users
WHERE tenant_id = :tenant_id AND (CAST(:role AS text) IS NULL OR role = :role)
    AND (CAST(:state AS text) IS NULL OR state = :state)
    AND (CAST(:email AS text) IS NULL OR lower(email) = lower(:email))
    AND (CAST(:before AS text) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
""")  # noqa: S608 - only a constant is formatted in

_SAVE: Final = text("""
UPDATE users SET name = :name, role = :role, state = :state, state_reason = :state_reason WHERE id = :id
""")

_SET_PASSWORD: Final = text("UPDATE users SET password_hash = :password_hash WHERE id = :id")

_REPLACE: Final = text("UPDATE users SET password_hash = :fresh WHERE id = :id AND password_hash = :password_hash")

_FIND_LOGIN: Final = text(f"""
SELECT {_USER}, password_hash FROM users WHERE lower(email) = lower(:email)
""")  # noqa: S608 - as above

_PASSWORD_OF: Final = text("SELECT password_hash FROM users WHERE id = :id")

_TENANT_NAMED: Final = text("SELECT id FROM tenants WHERE name = :name")


class NewUser(Unspoken, frozen=True, kw_only=True):
    """A user to be written; of the password only its hash, None for a user who enters by keys alone."""

    id: str
    tenant_id: str
    email: str
    name: str
    role: Role
    password_hash: str | None


class Login(Unspoken, frozen=True, kw_only=True):
    """Who logs in by an address, and the hash their password must match; no hash: none does."""

    user: User
    password_hash: str | None

    @property
    def may_enter(self) -> bool:
        """Whether the user is neither disabled nor banned."""
        return self.user.state is UserState.ACTIVE


class UserFilter(Struct, frozen=True, kw_only=True):
    """Which users of a tenant; what is None does not narrow."""

    role: Role | None = None
    state: UserState | None = None
    email: str | None = None


async def add_new_user(tx: Tx, user: NewUser) -> User:
    """Write a user.

    Raises:
        EmailTaken: the address is somebody's.
    """
    given = {name: getattr(user, name) for name in NewUser.__struct_fields__} | {"role": user.role.value}
    row = (await tx.execute(_ADD, given)).one_or_none()
    if row is None:
        raise EmailTaken("Somebody has this e-mail address already.")
    return _as_user(row)


async def find_user(tx: Tx, tenant_id: str, user_id: str, *, lock: bool = False) -> User | None:
    """The tenant's user of that id, or None; with `lock`, kept as it is until the transaction ends."""
    query = _LOCK if lock else _FIND
    row = (await tx.execute(query, {"id": user_id, "tenant_id": tenant_id})).one_or_none()
    return None if row is None else _as_user(row)


async def list_users(
    tx: Tx, tenant_id: str, wanted: UserFilter, *, limit: int, before: str | None = None
) -> list[User]:
    """At most `limit` of a tenant's users that match, newest first, those before the one called `before`."""
    given = {
        "tenant_id": tenant_id,
        "role": wanted.role,
        "state": wanted.state,
        "email": wanted.email,
        "before": before,
        "limit": limit,
    }
    return [_as_user(row) for row in await tx.execute(_LIST, given)]


async def save_user(tx: Tx, user: User) -> None:
    """Write name, role and state of a user that the transaction has locked."""
    given = {
        "id": user.id,
        "name": user.name,
        "role": user.role,
        "state": user.state,
        "state_reason": user.state_reason,
    }
    await tx.execute(_SAVE, given)


async def set_password(tx: Tx, user_id: str, password_hash: str) -> None:
    """Set a user's password, of which only the hash comes here."""
    await tx.execute(_SET_PASSWORD, {"id": user_id, "password_hash": password_hash})


async def replace_password(tx: Tx, user_id: str, *, password_hash: str, fresh: str) -> bool:
    """Put the hash `fresh` in place of one that was looked at; False: it was changed meanwhile."""
    given = {"id": user_id, "password_hash": password_hash, "fresh": fresh}
    return bool((await tx.execute(_REPLACE, given)).rowcount)


async def find_login(tx: Tx, email: str) -> Login | None:
    """Who has this address, whatever the tenant; None: nobody."""
    row = (await tx.execute(_FIND_LOGIN, {"email": email})).one_or_none()
    return None if row is None else Login(user=_as_user(row), password_hash=row.password_hash)


async def find_password(tx: Tx, user_id: str) -> str | None:
    """The hash a user's password must match, or None."""
    found: str | None = (await tx.execute(_PASSWORD_OF, {"id": user_id})).scalar_one_or_none()
    return found


async def find_tenant_named(tx: Tx, name: str) -> str | None:
    """The id of the tenant of that name, or None."""
    found: str | None = (await tx.execute(_TENANT_NAMED, {"name": name})).scalar_one_or_none()
    return found


def _as_user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        tenant_id=row.tenant_id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        state=UserState(row.state),
        state_reason=row.state_reason,
        has_password=row.has_password,
        created_at=row.created_at,
        last_login_at=row.last_login_at,
    )
