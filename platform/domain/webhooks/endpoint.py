"""Endpoints: addresses of others that are told what happened, and of which happenings."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from domain.domain_event import DOMAIN_EVENTS
from domain.errors import Conflict, NotFound
from domain.jobs.state import TERMINAL

MOST_ENDPOINTS: Final = 50
"""Of one tenant."""

BOTH_VALID: Final = timedelta(hours=24)
"""How long after a rotation deliveries are signed with the secret before as well."""

TEST_EVENT: Final = "webhook.test"
"""Sent only when somebody asks for it, whatever an endpoint wants."""

JOB_EVENTS: Final = tuple(sorted(f"job.{state}" for state in TERMINAL))

_TYPES: Final = (*JOB_EVENTS, *DOMAIN_EVENTS)
_ALL: Final = "*"
PATTERNS: Final = (_ALL, *sorted({*_TYPES, *(f"{one.partition('.')[0]}.*" for one in _TYPES)}))
"""What an endpoint may ask for: all, all of a subject, or one type."""

Description = Annotated[str, Meta(max_length=500)]
Patterns = Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(min_length=1, max_length=32)]


class EndpointNotFound(NotFound):
    """No endpoint of the tenant has this id."""

    code = "webhook_not_found"
    title = "There is no such webhook endpoint"


class DeliveryNotFound(NotFound):
    """No delivery to this endpoint has this id."""

    code = "delivery_not_found"
    title = "There is no such delivery"


class EndpointInactive(Conflict):
    """The endpoint is paused or disabled: nothing is sent to it but tests."""

    code = "webhook_inactive"
    title = "The webhook endpoint is not active"


class TooManyEndpoints(Conflict):
    """The tenant has as many endpoints as one may have."""

    code = "too_many_webhooks"
    title = "Too many webhook endpoints"


class EndpointState(StrEnum):
    """Active; paused by hand; or disabled by the platform, since deliveries failed."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"


class Endpoint(Struct, frozen=True, kw_only=True):
    """An endpoint as its row stands. Its secrets are sealed; the one before is valid until `BOTH_VALID` has passed."""

    id: str
    tenant_id: str
    caller_id: str
    url: str
    events: tuple[str, ...]
    description: str
    state: EndpointState
    reason: str | None
    secret: bytes
    secret_before: bytes | None
    rotated_at: datetime | None
    failing_since: datetime | None
    created_at: datetime
    updated_at: datetime


def unknown_patterns(events: Iterable[str]) -> list[int]:
    """The places of those that no event can match."""
    return [place for place, pattern in enumerate(events) if pattern not in PATTERNS]


def wants(events: Iterable[str], event_type: str) -> bool:
    """Whether an endpoint that asks for `events` is told of one of this type."""
    mine = {_ALL, event_type, f"{event_type.partition('.')[0]}.*"}
    return any(pattern in mine for pattern in events)


def still_valid(rotated_at: datetime | None, now: datetime) -> bool:
    """Whether the secret before a rotation is valid as well."""
    return rotated_at is not None and now < rotated_at + BOTH_VALID
