"""Kind -> handler, one line each. `bind` takes only a handler whose input and result are its kind's."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic

from msgspec import Struct

from domain.chat.condense import CONDENSE
from domain.chat.reply import REPLY
from domain.emails.send_email import SEND_EMAIL
from domain.jobs.kind import InputT, Kind, ResultT
from domain.orders.cancel_order import CANCEL_ORDER
from domain.orders.place_order import PLACE_ORDER
from domain.orders.ship_order import SHIP_ORDER
from domain.text.classify import CLASSIFY
from domain.text.economize import ECONOMIZE
from domain.text.generate import GENERATE
from domain.text.moderate import MODERATE
from domain.text.summarize import SUMMARIZE
from domain.webhooks.deliver_webhook import DELIVER_WEBHOOK
from workers.chat.condense import condense
from workers.chat.reply import reply
from workers.context import Context
from workers.emails.send_email import send_email
from workers.orders.cancel_order import cancel_order
from workers.orders.place_order import place_order
from workers.orders.ship_order import ship_order
from workers.text.classify import classify
from workers.text.economize import economize
from workers.text.generate import generate
from workers.text.moderate import moderate
from workers.text.summarize import summarize
from workers.webhooks.deliver_webhook import deliver_webhook


class Binding(Struct, Generic[InputT, ResultT], frozen=True):
    """A kind and who handles it."""

    kind: Kind[InputT, ResultT]
    handler: Callable[[InputT, Context], Awaitable[ResultT]]


def bind(
    kind: Kind[InputT, ResultT], handler: Callable[[InputT, Context], Awaitable[ResultT]]
) -> Binding[InputT, ResultT]:
    """Tie a handler to its kind; type checkers refuse a pair that does not match."""
    return Binding(kind, handler)


# Left without an annotation: `Any` would silence the checks of `bind`.
HANDLERS = (
    bind(PLACE_ORDER, place_order),
    bind(CANCEL_ORDER, cancel_order),
    bind(SHIP_ORDER, ship_order),
    bind(SEND_EMAIL, send_email),
    bind(SUMMARIZE, summarize),
    bind(MODERATE, moderate),
    bind(CLASSIFY, classify),
    bind(GENERATE, generate),
    bind(ECONOMIZE, economize),
    bind(REPLY, reply),
    bind(CONDENSE, condense),
    bind(DELIVER_WEBHOOK, deliver_webhook),
)

BY_KIND: Final[dict[str, Binding[Any, Any]]] = {binding.kind.name: binding for binding in HANDLERS}
