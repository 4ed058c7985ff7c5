"""Permissions, and the roles that bundle them. Code checks permissions, never roles."""

from enum import StrEnum
from typing import Final


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
    "orders:manage": "Order for somebody else, change the catalogue, deposit store credit",
    "chat:use": "Hold conversations",
    "schedules:read": "See schedules and their runs",
    "schedules:manage": "Create, change, pause and trigger schedules",
    "webhooks:read": "See webhook endpoints and their deliveries",
    "webhooks:manage": "Create, change, test and delete webhook endpoints, and send deliveries again",
    "users:manage": "Manage users, roles and API keys",
    "queues:manage": "Pause, resume and limit queues, for all tenants",
    "stats:read": "See queues, workers and numbers",
}

_VIEW: Final = frozenset({"jobs:read", "orders:read", "schedules:read", "stats:read"})
_USE: Final = frozenset({"jobs:submit", "jobs:read", "jobs:manage", "orders:read", "chat:use", "schedules:read"})

ROLE_PERMISSIONS: Final[dict[Role, frozenset[str]]] = {
    Role.ADMIN: frozenset(PERMISSIONS),
    Role.OPERATOR: _VIEW | _USE | {"schedules:manage", "queues:manage", "webhooks:read", "webhooks:manage"},
    Role.MODERATOR: _VIEW | {"jobs:submit", "jobs:manage"},
    Role.USER: _USE,
    Role.VIEWER: _VIEW,
}
