"""Webhooks as clients write them and as the API shows them."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.jobs.shown import Time
from domain.webhooks.delivery import Delivery, DeliveryState
from domain.webhooks.endpoint import Description, Endpoint, EndpointState, Patterns
from providers.http.target import LONGEST_URL

Url = Annotated[str, Meta(min_length=1, max_length=LONGEST_URL, examples=["https://example.com/hooks"])]
Secret = Annotated[
    str,
    Meta(
        pattern="^whsec_",
        description="what the receiver verifies signatures with; shown this once",
        examples=["whsec_aGVhZHJhY2UgYnJpbmdzIHdhdGVyIHRvIHdo"],
    ),
]


class Wanted(StrEnum):
    """What an endpoint's state can be set to."""

    ACTIVE = "active"
    PAUSED = "paused"


class WebhookBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An endpoint as made. `events` are types, as `job.succeeded`, or all of a subject, as `job.*`, or `*`."""

    url: Url
    events: Patterns
    description: Description = ""


class WebhookChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change of an endpoint; what is left out stays. Setting `state` to active ends a pause or a failure."""

    url: Url | UnsetType = UNSET
    events: Patterns | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    state: Wanted | UnsetType = UNSET


class WebhookLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    self: str
    deliveries: str
    test: str


class WebhookTold(Struct, frozen=True, kw_only=True):
    """What the audit log is told of an endpoint: of its URL, which may hold a secret, the host and a hash."""

    host: str
    url_sha256: str
    events: tuple[str, ...]
    description: str
    state: EndpointState


class WebhookView(Struct, frozen=True, kw_only=True):
    """An endpoint. `reason` says why it is not active, `failing_since` since when it has taken nothing."""

    id: Annotated[str, Meta(pattern="^hook_[0-9a-f]{32}$")]
    url: str
    events: tuple[str, ...]
    description: str
    state: EndpointState
    reason: str | None
    failing_since: Time | None
    secret_rotated_at: Time | None
    created_at: Time
    updated_at: Time
    links: WebhookLinks
    secret: Secret | UnsetType = UNSET


class DeliveryView(Struct, frozen=True, kw_only=True):
    """A delivery, and how its last attempt went: what was answered, or why nothing was.

    `event_id` is its `webhook-id`, `answer` the first 1,000 characters of the answer, `job_id` the job that delivers.
    """

    id: Annotated[str, Meta(pattern="^dlv_[0-9a-f]{32}$")]
    webhook_id: str
    event_id: str
    type: str
    subject: str
    state: DeliveryState
    attempts: int
    attempted_at: Time | None
    next_attempt_at: Time | None
    status_code: int | None
    duration_ms: int | None
    answer: str | None
    code: str | None
    job_id: str
    redelivery_of: str | None
    created_at: Time


class SigningSecretView(Struct, frozen=True, kw_only=True):
    """What deliveries to the URLs of single jobs are signed with."""

    secret: str
    rotated_at: Time | None


def told_of(endpoint: Endpoint) -> WebhookTold:
    """The endpoint as the audit log is told of it."""
    return WebhookTold(
        host=urlsplit(endpoint.url).hostname or "",
        url_sha256=hashlib.sha256(endpoint.url.encode()).hexdigest(),
        events=endpoint.events,
        description=endpoint.description,
        state=endpoint.state,
    )


def view_webhook(endpoint: Endpoint, base: str, *, secret: str | UnsetType = UNSET) -> WebhookView:
    """The endpoint as shown to a client that reached us at `base`, with its secret where that is to be shown."""
    path = f"{base}/v1/webhooks/{endpoint.id}"
    return WebhookView(
        id=endpoint.id,
        url=endpoint.url,
        events=endpoint.events,
        description=endpoint.description,
        state=endpoint.state,
        reason=endpoint.reason,
        failing_since=endpoint.failing_since,
        secret_rotated_at=endpoint.rotated_at,
        created_at=endpoint.created_at,
        updated_at=endpoint.updated_at,
        links=WebhookLinks(self=path, deliveries=f"{path}/deliveries", test=f"{path}/test"),
        secret=secret,
    )


def view_delivery(delivery: Delivery) -> DeliveryView:
    """A delivery as shown."""
    return DeliveryView(
        id=delivery.id,
        webhook_id=delivery.endpoint_id or "",
        event_id=delivery.notice_id,
        type=delivery.type,
        subject=delivery.subject,
        state=delivery.state,
        attempts=delivery.tries,
        attempted_at=delivery.tried_at,
        next_attempt_at=delivery.next_try_at,
        status_code=delivery.status_code,
        duration_ms=delivery.duration_ms,
        answer=delivery.answer,
        code=delivery.code,
        job_id=delivery.job_id,
        redelivery_of=delivery.again_of,
        created_at=delivery.created_at,
    )


class RotationMark(Struct, frozen=True, kw_only=True):
    """What is kept of an answer that showed a secret: not the secret, but which one it was."""

    rotated_at: datetime | None
