"""Who may do what: keys, users, roles, and the log of what was done with a privilege."""

from collections.abc import Sequence
from datetime import datetime

from headrace._aio.http import AsyncConnection
from headrace._aio.listing import AsyncListing, everything, reads
from headrace.models import ApiKey, AuditEntry, NewApiKey, Permission, Role, RolePermissions, User, UserState
from headrace.options import listed
from headrace.requests import Duration, ask, create, given, segment, spelled_duration, spelled_time


class AsyncApiKeys:
    """Makes API keys, lists and revokes them."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def create(
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
        return (await self._connection.send(create("/v1/api-keys", body, key=idempotency_key))).into(NewApiKey)

    async def get(self, key_id: str) -> ApiKey:
        """A key, without what opens."""
        return (await self._connection.send(ask("GET", f"/v1/api-keys/{segment(key_id)}"))).into(ApiKey)

    def list(self, *, user_id: str | None = None, limit: int | None = None) -> AsyncListing[ApiKey]:
        """The keys, newest first; `limit` of them, or all."""
        request = ask("GET", "/v1/api-keys", query={"user_id": user_id})
        return AsyncListing(self._connection, request, reads(ApiKey), limit=limit)

    async def rotate(
        self, key_id: str, *, overlap: Duration | None = None, idempotency_key: str | None = None
    ) -> NewApiKey:
        """Make one in its place; both open until `overlap` is over, 24 hours when not given."""
        body = given(overlap=None if overlap is None else spelled_duration(overlap))
        request = create(f"/v1/api-keys/{segment(key_id)}/rotate", body, key=idempotency_key)
        return (await self._connection.send(request)).into(NewApiKey)

    async def revoke(self, key_id: str) -> None:
        """Let a key open nothing any more."""
        await self._connection.send(ask("DELETE", f"/v1/api-keys/{segment(key_id)}", is_repeatable=False))


class AsyncUsers:
    """Makes users, changes them, shuts them out and lets them in again."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def create(
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
        return (await self._connection.send(create("/v1/users", body, key=idempotency_key))).into(User)

    async def get(self, user_id: str) -> User:
        """A user."""
        return (await self._connection.send(ask("GET", _user(user_id)))).into(User)

    def list(
        self,
        *,
        role: Role | None = None,
        state: UserState | None = None,
        email: str | None = None,
        limit: int | None = None,
    ) -> AsyncListing[User]:
        """The users that meet all conditions, newest first; `limit` of them, or all."""
        request = ask("GET", "/v1/users", query={"role": role, "state": state, "email": email})
        return AsyncListing(self._connection, request, reads(User), limit=limit)

    async def update(self, user_id: str, *, name: str | None = None, role: Role | None = None) -> User:
        """Change what is given and nothing else."""
        request = ask("PATCH", _user(user_id), body=given(name=name, role=role))
        return (await self._connection.send(request)).into(User)

    async def set_password(self, user_id: str, password: str) -> None:
        """Give a user a password; their sessions end."""
        await self._connection.send(ask("PUT", f"{_user(user_id)}/password", body={"password": password}))

    async def disable(self, user_id: str, *, reason: str | None = None) -> User:
        """Shut a user out, as who manages users does; their sessions end."""
        return await self._move(user_id, "disable", given(reason=reason))

    async def enable(self, user_id: str) -> User:
        """Let a disabled user in again."""
        return await self._move(user_id, "enable")

    async def ban(self, user_id: str, *, reason: str | None = None) -> User:
        """Shut a user out, as who moderates does; their sessions end."""
        return await self._move(user_id, "ban", given(reason=reason))

    async def unban(self, user_id: str) -> User:
        """Let a banned user in again."""
        return await self._move(user_id, "unban")

    async def _move(self, user_id: str, verb: str, body: dict[str, str] | None = None) -> User:
        return (await self._connection.send(ask("POST", f"{_user(user_id)}/{verb}", body=body))).into(User)


class AsyncRoles:
    """Tells what roles bundle, and changes it."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def permissions(self) -> tuple[Permission, ...]:
        """Everything that somebody may be let do."""
        return await everything(self._connection, "/v1/permissions", Permission)

    async def list(self) -> tuple[RolePermissions, ...]:
        """All roles, each with what it bundles."""
        return await everything(self._connection, "/v1/roles", RolePermissions)

    async def get(self, role: Role) -> RolePermissions:
        """What a role bundles."""
        return (await self._connection.send(ask("GET", _role(role)))).into(RolePermissions)

    async def set(self, role: Role, permissions: Sequence[str]) -> RolePermissions:
        """Let it bundle these permissions, and no others."""
        request = ask("PUT", _role(role), body={"permissions": listed(permissions)})
        return (await self._connection.send(request)).into(RolePermissions)


class AsyncAudit:
    """Reads the log of what was done with a privilege."""

    def __init__(self, connection: AsyncConnection) -> None:
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
    ) -> AsyncListing[AuditEntry]:
        """The entries that meet all conditions, newest first; `limit` of them, or all."""
        query = {
            "user_id": user_id,
            "action": action,
            "target": target,
            "created_after": created_after,
            "created_before": created_before,
        }
        return AsyncListing(self._connection, ask("GET", "/v1/audit", query=query), reads(AuditEntry), limit=limit)


def _user(user_id: str) -> str:
    return f"/v1/users/{segment(user_id)}"


def _role(role: str) -> str:
    return f"/v1/roles/{segment(role)}/permissions"
