"""Who may do what: keys, users, roles, and the log of what was done with a privilege."""

# Made by `python -m tools.client` of the module of this name in `_aio`: do not edit.

from collections.abc import Sequence
from datetime import datetime

from headrace._sync.http import Connection
from headrace._sync.listing import Listing, everything, reads
from headrace.models import ApiKey, AuditEntry, NewApiKey, Permission, Role, RolePermissions, User, UserState
from headrace.options import listed
from headrace.requests import Duration, ask, create, given, segment, spelled_duration, spelled_time


class ApiKeys:
    """Makes API keys, lists and revokes them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        name: str,
        scopes: Sequence[str] = (),
        *,
        expires_at: datetime | None = None,
        requests_per_minute: int | None = None,
        user_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> NewApiKey:
        """Make a key, yours or another user's, that may do `scopes` (permissions) as far as the user's role does.

        Keep `key`: nothing shows it again, and in the answer to the same `idempotency_key` once more it is None.

        Raises:
            Forbidden: you do not have what it is to have.
        """
        body = given(
            name=name,
            scopes=listed(scopes),
            expires_at=None if expires_at is None else spelled_time(expires_at),
            requests_per_minute=requests_per_minute,
            user_id=user_id,
        )
        return (self._connection.send(create("/v1/api-keys", body, key=idempotency_key))).into(NewApiKey)

    def get(self, key_id: str) -> ApiKey:
        """A key, without what opens."""
        return (self._connection.send(ask("GET", f"/v1/api-keys/{segment(key_id)}"))).into(ApiKey)

    def list(self, *, user_id: str | None = None, limit: int | None = None) -> Listing[ApiKey]:
        """The keys, newest first; `limit` of them, or all."""
        request = ask("GET", "/v1/api-keys", query={"user_id": user_id})
        return Listing(self._connection, request, reads(ApiKey), limit=limit)

    def rotate(self, key_id: str, *, overlap: Duration | None = None, idempotency_key: str | None = None) -> NewApiKey:
        """Make one in its place; both open until `overlap` is over, 24 hours when not given."""
        body = given(overlap=None if overlap is None else spelled_duration(overlap))
        request = create(f"/v1/api-keys/{segment(key_id)}/rotate", body, key=idempotency_key)
        return (self._connection.send(request)).into(NewApiKey)

    def revoke(self, key_id: str) -> None:
        """Let a key open nothing any more."""
        self._connection.send(ask("DELETE", f"/v1/api-keys/{segment(key_id)}", is_repeatable=False))


class Users:
    """Makes users, changes them, shuts them out and lets them in again."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        email: str,
        *,
        name: str = "",
        role: Role = "user",
        password: str | None = None,
        idempotency_key: str | None = None,
    ) -> User:
        """Make a user; one without a password cannot log in until `set_password` gives one.

        Raises:
            Conflict: there is one with that address.
        """
        body = given(email=email, name=name, role=role, password=password)
        return (self._connection.send(create("/v1/users", body, key=idempotency_key))).into(User)

    def get(self, user_id: str) -> User:
        """A user."""
        return (self._connection.send(ask("GET", _user(user_id)))).into(User)

    def list(
        self,
        *,
        role: Role | None = None,
        state: UserState | None = None,
        email: str | None = None,
        limit: int | None = None,
    ) -> Listing[User]:
        """The users that meet all conditions, newest first; `limit` of them, or all."""
        request = ask("GET", "/v1/users", query={"role": role, "state": state, "email": email})
        return Listing(self._connection, request, reads(User), limit=limit)

    def update(self, user_id: str, *, name: str | None = None, role: Role | None = None) -> User:
        """Change what is given and nothing else."""
        request = ask("PATCH", _user(user_id), body=given(name=name, role=role))
        return (self._connection.send(request)).into(User)

    def set_password(self, user_id: str, password: str) -> None:
        """Give a user a password; their sessions end."""
        self._connection.send(ask("PUT", f"{_user(user_id)}/password", body={"password": password}))

    def disable(self, user_id: str, *, reason: str | None = None) -> User:
        """Shut a user out, as who manages users does; their sessions end."""
        return self._move(user_id, "disable", given(reason=reason))

    def enable(self, user_id: str) -> User:
        """Let a disabled user in again."""
        return self._move(user_id, "enable")

    def ban(self, user_id: str, *, reason: str | None = None) -> User:
        """Shut a user out, as who moderates does; their sessions end."""
        return self._move(user_id, "ban", given(reason=reason))

    def unban(self, user_id: str) -> User:
        """Let a banned user in again."""
        return self._move(user_id, "unban")

    def _move(self, user_id: str, verb: str, body: dict[str, str] | None = None) -> User:
        return (self._connection.send(ask("POST", f"{_user(user_id)}/{verb}", body=body))).into(User)


class Roles:
    """Tells what roles bundle, and changes it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def permissions(self) -> tuple[Permission, ...]:
        """Everything that somebody may be let do."""
        return everything(self._connection, "/v1/permissions", Permission)

    def list(self) -> tuple[RolePermissions, ...]:
        """All roles, each with what it bundles."""
        return everything(self._connection, "/v1/roles", RolePermissions)

    def get(self, role: Role) -> RolePermissions:
        """What a role bundles."""
        return (self._connection.send(ask("GET", _role(role)))).into(RolePermissions)

    def set(self, role: Role, permissions: Sequence[str]) -> RolePermissions:
        """Let it bundle these permissions, and no others."""
        request = ask("PUT", _role(role), body={"permissions": listed(permissions)})
        return (self._connection.send(request)).into(RolePermissions)


class Audit:
    """Reads the log of what was done with a privilege."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(
        self,
        *,
        user_id: str | None = None,
        action: str | None = None,
        target: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        limit: int | None = None,
    ) -> Listing[AuditEntry]:
        """The entries that meet all conditions, newest first; `limit` of them, or all."""
        query = {
            "user_id": user_id,
            "action": action,
            "target": target,
            "created_after": created_after,
            "created_before": created_before,
        }
        return Listing(self._connection, ask("GET", "/v1/audit", query=query), reads(AuditEntry), limit=limit)


def _user(user_id: str) -> str:
    return f"/v1/users/{segment(user_id)}"


def _role(role: str) -> str:
    return f"/v1/roles/{segment(role)}/permissions"
