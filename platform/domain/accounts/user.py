"""Users, and who is calling."""

from collections.abc import Set as AbstractSet
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from domain.accounts.permissions import Role
from domain.errors import Conflict, Forbidden, NotFound


class PermissionMissing(Forbidden):
    """The caller lacks a permission."""

    code = "permission_missing"
    title = "Permission missing"


class PermissionBeyond(Forbidden):
    """The caller would give, or rule over, more than it holds itself."""

    code = "permission_beyond"
    title = "Beyond the caller's own permissions"


class UserNotFound(NotFound):
    """The tenant has no such user."""

    code = "user_not_found"
    title = "No such user"


class OwnAccount(Conflict):
    """Nobody changes their own role or shuts themselves out."""

    code = "own_account"
    title = "Not on one's own account"


class UserStateConflict(Conflict):
    """The user is in a state that does not allow this."""

    code = "user_state_conflict"
    title = "The user's state does not allow this"


class UserState(StrEnum):
    """Whether a user may enter. `disabled` is an administrator's, `banned` a moderator's doing."""

    ACTIVE = "active"
    DISABLED = "disabled"
    BANNED = "banned"


class User(Struct, frozen=True, kw_only=True):
    """Somebody of a tenant."""

    id: str
    tenant_id: str
    email: str
    name: str
    role: Role
    state: UserState
    state_reason: str | None
    has_password: bool
    created_at: datetime
    last_login_at: datetime | None


class Caller(Struct, frozen=True, kw_only=True):
    """Who makes a request, or on whose behalf a job runs; by an API key, or by the token of a session."""

    tenant_id: str
    user_id: str
    permissions: frozenset[str]
    key_id: str | None = None
    session_id: str | None = None
    requests_per_minute: int = 600

    def may(self, permission: str) -> bool:
        """Whether the caller holds `permission`."""
        return permission in self.permissions

    def demand(self, permission: str) -> None:
        """Go on only if the caller holds `permission`.

        Raises:
            PermissionMissing: it does not.
        """
        if permission not in self.permissions:
            raise PermissionMissing(f"This needs the permission {permission}, which you, or your key, do not have.")

    def demand_over(self, permissions: AbstractSet[str]) -> None:
        """Go on only if the caller holds all of `permissions`: nobody gives, or rules over, more than they have.

        Raises:
            PermissionBeyond: it does not.
        """
        beyond = sorted(permissions - self.permissions)
        if beyond:
            raise PermissionBeyond(f"This goes beyond your own permissions by: {', '.join(beyond)}.")
