"""From what a client writes to an endpoint: every bound the Structs cannot say, all faults at once."""

from collections.abc import Iterable

from msgspec import UNSET
from msgspec.structs import replace

from api.bodies import BodyInvalid
from api.fields import FieldError
from api.webhooks.views import Wanted, WebhookBody, WebhookChanges
from domain.webhooks.endpoint import PATTERNS, Endpoint, EndpointState, unknown_patterns
from providers.http.outbound import Outbound
from providers.http.target import UrlRefused


async def check_body(given: WebhookBody | WebhookChanges, outbound: Outbound) -> None:
    """Go on only if the endpoint's URL may be sent to, and its events are some that there are.

    Raises:
        BodyInvalid: not so; all that is wrong is named.
    """
    faults: list[FieldError] = []
    if isinstance(given.url, str):
        try:
            await outbound.check(given.url)
        except UrlRefused as refused:
            faults.append(FieldError("/url", refused.detail))
    if given.events is not UNSET:
        faults += [
            FieldError(f"/events/{place}", f"There is no such event. There are: {', '.join(PATTERNS)}.")
            for place in unknown_patterns(given.events)
        ]
    if faults:
        raise BodyInvalid(faults)


def plain_events(events: Iterable[str]) -> tuple[str, ...]:
    """Each pattern once, in the order given."""
    return tuple(dict.fromkeys(events))


def changed(endpoint: Endpoint, changes: WebhookChanges) -> Endpoint:
    """`endpoint` with `changes` made. Made active, it is as good as new."""
    if changes.url is not UNSET:
        endpoint = replace(endpoint, url=changes.url)
    if changes.events is not UNSET:
        endpoint = replace(endpoint, events=plain_events(changes.events))
    if changes.description is not UNSET:
        endpoint = replace(endpoint, description=changes.description)
    match changes.state:
        case Wanted.ACTIVE:
            return replace(endpoint, state=EndpointState.ACTIVE, reason=None, failing_since=None)
        case Wanted.PAUSED:
            return replace(endpoint, state=EndpointState.PAUSED, reason="It was paused by hand.")
        case _:
            return endpoint
