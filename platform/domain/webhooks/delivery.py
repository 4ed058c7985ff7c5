"""Deliveries: a notice on its way to one address. Each is a job of its own."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from domain.accounts.user import Caller
from domain.ids import JobId, derived_id
from domain.jobs.job import JobOptions, NewJob, new_job
from domain.jobs.state import State
from domain.webhooks.deliver_webhook import DELIVER_WEBHOOK, DeliverWebhook, lane_of
from domain.webhooks.notice import Notice

_SHORT: Final = 16


class DeliveryState(StrEnum):
    """On its way, waiting for its next try included; taken by the receiver; or given up."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class NewDelivery(Struct, frozen=True, kw_only=True):
    """A row not yet written: to an endpoint, or to the URL that came with a job."""

    id: str
    tenant_id: str
    notice_id: str
    endpoint_id: str | None = None
    url: str | None = None
    again_of: str | None = None

    @property
    def job_id(self) -> JobId:
        """The id of the job that delivers it."""
        return JobId(derived_id("job", self.id))


class Delivery(NewDelivery, frozen=True, kw_only=True):
    """A delivery as it stands, and how its last try went; `next_try_at` while there is one to come."""

    type: str
    subject: str
    state: DeliveryState
    tries: int
    tried_at: datetime | None
    next_try_at: datetime | None
    status_code: int | None
    duration_ms: int | None
    answer: str | None
    code: str | None
    created_at: datetime


def new_delivery(notice: Notice, *, endpoint_id: str | None = None, url: str | None = None) -> NewDelivery:
    """The delivery of a notice to one address: the same whoever makes it, and as often as it is made."""
    return NewDelivery(
        id=derived_id("dlv", notice.id, endpoint_id or url or ""),
        tenant_id=notice.tenant_id,
        notice_id=notice.id,
        endpoint_id=endpoint_id,
        url=url,
    )


def job_of(  # noqa: PLR0913 - whose, and where it comes from
    delivery: NewDelivery,
    caller_id: str,
    *,
    parent_id: str | None = None,
    request_id: str | None = None,
    traceparent: str | None = None,
    max_attempts: int | None = None,
) -> NewJob:
    """The job that delivers, in the name of `caller_id`."""
    caller = Caller(tenant_id=delivery.tenant_id, user_id=caller_id, permissions=frozenset())
    address = delivery.endpoint_id or hashlib.sha256((delivery.url or "").encode()).hexdigest()[:_SHORT]
    return new_job(
        DELIVER_WEBHOOK,
        DeliverWebhook(delivery_id=delivery.id),
        caller,
        job_id=delivery.job_id,
        options=JobOptions(concurrency_key=lane_of(address, delivery.id), max_attempts=max_attempts),
        parent_id=parent_id,
        request_id=request_id,
        traceparent=traceparent,
    )


def state_of(job_state: str | None, *, is_taken: bool) -> DeliveryState:
    """Where a delivery stands by the state of its job; of one whose job is kept no more, by its last try."""
    if job_state == State.SUCCEEDED or (job_state is None and is_taken):
        return DeliveryState.DELIVERED
    if job_state in {State.SCHEDULED, State.QUEUED, State.RUNNING}:
        return DeliveryState.PENDING
    return DeliveryState.FAILED
