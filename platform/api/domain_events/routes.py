"""Domain events over HTTP: what happened in the tenant's business, as CloudEvents."""

from typing import Annotated, Final

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Response
from msgspec import Meta, Raw, Struct, field

from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use
from api.job_view import Time
from api.paging import DEFAULT, Cursor, Limit, Page, answer_page, read_cursor
from api.parameters import zoned
from domain.accounts.user import Caller
from domain.domain_event import DomainEventNotFound, EventName
from domain.ids import is_id
from storage.domain_events import DomainEventFilter, StoredEvent, find_domain_event, list_domain_events

When = Annotated[Time | None, QueryParameter()]


class DomainEventView(Struct, frozen=True, kw_only=True):
    """A CloudEvent 1.0, as webhook endpoints are told it. `subject` is what it happened to."""

    specversion: str
    id: Annotated[str, Meta(pattern="^evt_[0-9a-f]{32}$")]
    source: str
    type: EventName
    subject: str
    time: Time
    datacontenttype: str
    about: Raw = field(name="data")


@get("/domain-events", guards=[needs("webhooks:read")], operation_id="list_domain_events")
async def list_(  # noqa: PLR0913, PLR0917 - a list has these parameters
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    event_type: Annotated[EventName | None, QueryParameter(name="type")] = None,
    subject: Annotated[str | None, QueryParameter(max_length=200, description="the id of what it happened to")] = None,
    created_after: When = None,
    created_before: When = None,
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[DomainEventView]]:
    """What happened in the tenant, newest first."""
    wanted = DomainEventFilter(
        type=event_type,
        subject=subject,
        created_after=zoned("created_after", created_after),
        created_before=zoned("created_before", created_before),
    )
    before = read_cursor(cursor, "evt")
    async with use.database.read() as tx:
        found = await list_domain_events(tx, caller.tenant_id, wanted, limit=limit + 1, before=before)
    return answer_page(request, found, limit, view=_view, mark=lambda event: event.id)


@get("/domain-events/{domain_event_id:str}", guards=[needs("webhooks:read")], operation_id="get_domain_event")
async def show(
    use: NamedDependency[Use], caller: NamedDependency[Caller], domain_event_id: FromPath[str]
) -> DomainEventView:
    """One of them."""
    found: StoredEvent | None = None
    if is_id("evt", domain_event_id):
        async with use.database.read() as tx:
            found = await find_domain_event(tx, caller.tenant_id, domain_event_id)
    if found is None:
        raise DomainEventNotFound("There is no such domain event, or it is kept no more.")
    return _view(found)


router: Final = Router("/v1", route_handlers=[list_, show], tags=["Events"])


def _view(event: StoredEvent) -> DomainEventView:
    return msgspec.json.decode(event.body, type=DomainEventView)
