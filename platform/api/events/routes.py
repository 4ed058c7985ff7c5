"""What happens to the jobs of a tenant, over HTTP."""

from typing import Annotated, Final

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream

from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use, leave_of
from api.events.stream import stream_tenant
from api.parameters import only_known
from api.sse import LARGEST, MEDIA_TYPE, LastEventId, answer_stream, seen_until
from domain.accounts.user import Caller
from domain.jobs.events import EventFilter
from domain.jobs.state import State

Text = Annotated[str | None, QueryParameter(max_length=200)]


@get("/events", guards=[needs("jobs:read"), only_known], media_type=MEDIA_TYPE)
async def get_events(  # noqa: PLR0913, PLR0917 - which, and from where
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    kind: Text = None,
    tag: Text = None,
    batch_id: Text = None,
    states: Annotated[
        list[State] | None, QueryParameter(name="state", max_items=7, description="events that leave a job in it")
    ] = None,
    after: Annotated[int | None, QueryParameter(ge=0, le=LARGEST, description="the last event seen")] = None,
    last_event_id: LastEventId = None,
) -> Stream:
    """What happens to the tenant's jobs, as Server-Sent Events.

    The first says where the stream begins: past the last event seen, or now.
    """
    use.streams.check(caller)
    wanted = EventFilter(kind=kind, tag=tag, batch_id=batch_id, states=tuple(states or ()))
    seen = seen_until(last_event_id, after)
    return answer_stream(stream_tenant(use, wanted, caller=caller, leave=leave_of(request), seen=seen))


router: Final = Router("/v1", route_handlers=[get_events], tags=["Events"])
