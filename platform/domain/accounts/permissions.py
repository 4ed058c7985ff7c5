"""Permissions, and the roles that bundle them. Code checks permissions, never roles.

What a role bundles is the tenant's to say, and stands in the database where it was said; what stands here is what it
bundles until then.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from domain.errors import Conflict, NotFound


class RoleNotFound(NotFound):
    """There is no role of this name."""

    code = "role_not_found"
    title = "No such role"


class RoleNeeded(Conflict):
    """Without this permission in this role a tenant could lock itself out."""

    code = "role_needed"
    title = "The role cannot do without it"


class Role(StrEnum):
    """What a user is, as a bundle of permissions."""

    ADMIN = "admin"
    OPERATOR = "operator"
    MODERATOR = "moderator"
    USER = "user"
    VIEWER = "viewer"


PERMISSIONS: Final[dict[str, str]] = {
    "jobs:submit": "Submit jobs",
    "jobs:read": "See jobs, their events and their results",
    "jobs:manage": "Cancel and retry jobs",
    "orders:read": "See orders, products and balances",
    "orders:manage": "Order for somebody else, and deposit store credit",
    "products:manage": "Change the catalogue: categories, products, and their stock",
    "reviews:write": "Review products, and change and remove one's own reviews",
    "reviews:manage": "Remove anybody's reviews",
    "chat:use": "Hold conversations",
    "schedules:read": "See schedules and their runs",
    "schedules:manage": "Create, change, pause and trigger schedules",
    "webhooks:read": "See webhook endpoints and their deliveries",
    "webhooks:manage": "Create, change, test and delete webhook endpoints, and send deliveries again",
    "keys:manage": "Create, rotate and revoke one's own API keys",
    "users:read": "See users",
    "users:ban": "Ban users, and lift bans",
    "users:manage": "Manage users, roles, and everybody's API keys",
    "safety:manage": "Say what is done about injections and unsafe requests in texts",
    "audit:read": "Read the audit log",
    "queues:manage": "Pause, resume and limit queues, for all tenants",
    "budgets:manage": "Set how much texts may cost the tenant in a day",
    "stats:read": "See queues, workers and numbers",
}

_VIEW: Final = frozenset({"jobs:read", "orders:read", "schedules:read", "stats:read"})
_USE: Final = frozenset(
    {"jobs:submit", "jobs:read", "jobs:manage", "orders:read", "reviews:write", "chat:use", "schedules:read"}
    | {"keys:manage"}
)

ROLE_PERMISSIONS: Final[dict[Role, frozenset[str]]] = {
    Role.ADMIN: frozenset(PERMISSIONS),
    Role.OPERATOR: _VIEW
    | _USE
    | {"schedules:manage", "queues:manage", "webhooks:read", "webhooks:manage"}
    | {"users:read", "audit:read"},
    Role.MODERATOR: _VIEW
    | {"jobs:submit", "jobs:manage", "keys:manage", "users:read", "users:ban", "reviews:write", "reviews:manage"},
    Role.USER: _USE,
    Role.VIEWER: _VIEW,
}
"""What a role bundles in a tenant that has not said otherwise."""

KEEPS_THE_KEYS: Final = "users:manage"
"""What an admin always has: without it nobody could give anything back."""


def role_named(name: str) -> Role:
    """The role of that name.

    Raises:
        RoleNotFound: there is none.
    """
    try:
        return Role(name)
    except ValueError:
        raise RoleNotFound(f"There is no such role. There are: {', '.join(Role)}.") from None


def permissions_of(role: Role, told: Iterable[str] | None) -> frozenset[str]:
    """What a role bundles: what the tenant `told`, or else what it does everywhere; only what there still is."""
    return ROLE_PERMISSIONS[role] if told is None else frozenset(told) & PERMISSIONS.keys()
