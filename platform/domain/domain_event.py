"""Domain events: what happened in the business, told to whoever asked to be told."""

from typing import Final, Literal, get_args

from msgspec import Struct

from domain.errors import NotFound

EventName = Literal[
    "order.paid",
    "order.payment_failed",
    "order.placed",
    "product.reviewed",
    "stock.low",
    "user.banned",
    "user.registered",
]

DOMAIN_EVENTS: Final[tuple[EventName, ...]] = get_args(EventName)


class DomainEventNotFound(NotFound):
    """The tenant has no such domain event."""

    code = "domain_event_not_found"
    title = "There is no such domain event"


class DomainEvent(Struct, frozen=True, kw_only=True):
    """Something that happened; it gets its time, and its id, when it is written.

    `subject` is the id of what it happened to, `source` where such things are found in the API, `about` what is told
    of it. `cause` tells apart what happens to one subject more than once: the id of the job that did it, for one.
    """

    tenant_id: str
    type: EventName
    source: str
    subject: str
    about: Struct
    cause: str = ""
