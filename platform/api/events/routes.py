"""What happens to the jobs of a tenant, over HTTP, and the tokens that open such streams to browsers."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from litestar.response import Response, Stream

from api.auth import needs
from api.bodies import ApiRequest, BodyInvalid
from api.context import Use, leave_of, notes_of
from api.events.stream import stream_tenant
from api.events.views import EventTokenBody, EventTokenView
from api.fields import FieldError
from api.parameters import only_known
from api.problems import base_url
from api.sse import LARGEST, MEDIA_TYPE, LastEventId, TokenText, answer_stream, seen_until
from api.token_holders import TAKES_TOKENS, refuse_other_jobs
from domain.accounts.event_token import LONGEST, SHORTEST, USUAL, EventToken
from domain.accounts.user import Caller
from domain.durations import parse_duration
from domain.jobs.events import EventFilter
from domain.jobs.state import State
from storage.batches import find_batch
from storage.jobs import find_job

Text = Annotated[str | None, QueryParameter(max_length=200)]


@get("/events", guards=[needs("jobs:read"), only_known], media_type=MEDIA_TYPE, opt=TAKES_TOKENS)
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
    _token: TokenText = None,
) -> Stream:
    """What happens to the tenant's jobs, as Server-Sent Events.

    The first says where the stream begins: past the last event seen, or now.
    """
    token = notes_of(request.scope).event_token
    refuse_other_jobs(token, None)
    use.streams.check(caller)
    wanted = [EventFilter(kind=kind, tag=tag, batch_id=batch_id, states=tuple(states or ()))]
    if token is not None:
        wanted.append(token.wanted)
    seen = seen_until(last_event_id, after)
    return answer_stream(stream_tenant(use, wanted, caller=caller, leave=leave_of(request), seen=seen))


@post("/event-tokens", guards=[needs("jobs:read")], status_code=200, opt={"example": {"tag": "news"}})
async def make_event_token(
    request: ApiRequest, data: JSONBody[EventTokenBody], use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[EventTokenView]:
    """Make a token that opens the events of one job, or those of a filter, without a key, for 5 minutes.

    It is for pages that follow events: a browser's EventSource can send no key. It opens nothing else.
    """
    length = await _checked(use, caller, data)
    token = EventToken(
        tenant_id=caller.tenant_id,
        user_id=caller.user_id,
        key_id=caller.key_id,
        session_id=caller.session_id,
        expires_at=datetime.now(UTC) + length,
        job_id=data.job_id,
        wanted=EventFilter(kind=data.kind, tag=data.tag, batch_id=data.batch_id, states=data.state),
    )
    spelled = use.holders.tokens.spell(token)
    path = "/v1/events" if data.job_id is None else f"/v1/jobs/{data.job_id}/events"
    url = f"{base_url(request.scope)}{path}?token={spelled}"
    view = EventTokenView(token=spelled, expires_at=token.expires_at, url=url)
    return Response(view, headers={"Cache-Control": "no-store"})


router: Final = Router("/v1", route_handlers=[get_events, make_event_token], tags=["Events"])


async def _checked(use: Use, caller: Caller, given: EventTokenBody) -> timedelta:
    """How long the token is to be good.

    Raises:
        BodyInvalid: that, or what it is to open, is not acceptable.
    """
    errors: list[FieldError] = []
    length = USUAL
    if given.expires_in is not None:
        try:
            length = parse_duration(given.expires_in)
        except ValueError as error:
            errors.append(FieldError("/expires_in", f"{error}."))
    if not SHORTEST <= length <= LONGEST:
        errors.append(FieldError("/expires_in", "A token is good for 1s to 1h."))
    if given.job_id is not None and (given.kind or given.tag or given.batch_id or given.state):
        errors.append(FieldError("/job_id", "A token opens the events of one job, or those of a filter, not both."))
    async with use.database.read() as tx:
        if given.job_id is not None and await find_job(tx, caller.tenant_id, given.job_id) is None:
            errors.append(FieldError("/job_id", "There is no such job."))
        if given.batch_id is not None and await find_batch(tx, caller.tenant_id, given.batch_id) is None:
            errors.append(FieldError("/batch_id", "There is no such batch."))
    if errors:
        raise BodyInvalid(errors)
    return length
