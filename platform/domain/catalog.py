"""Every kind the platform runs, one line each."""

from typing import Any, Final

from domain.chat.condense import CONDENSE
from domain.chat.reply import REPLY
from domain.emails.send_email import SEND_EMAIL
from domain.errors import Invalid
from domain.jobs.kind import Kind
from domain.orders.cancel_order import CANCEL_ORDER
from domain.orders.place_order import PLACE_ORDER
from domain.orders.ship_order import SHIP_ORDER
from domain.text.classify import CLASSIFY
from domain.text.economize import ECONOMIZE
from domain.text.generate import GENERATE
from domain.text.moderate import MODERATE
from domain.text.summarize import SUMMARIZE
from domain.webhooks.deliver_webhook import DELIVER_WEBHOOK


class UnknownKind(Invalid):
    """No kind has this name."""

    code = "unknown_kind"
    title = "Unknown kind"


KINDS: Final = (
    PLACE_ORDER,
    CANCEL_ORDER,
    SHIP_ORDER,
    SEND_EMAIL,
    SUMMARIZE,
    MODERATE,
    CLASSIFY,
    GENERATE,
    ECONOMIZE,
    REPLY,
    CONDENSE,
    DELIVER_WEBHOOK,
)

BY_NAME: Final[dict[str, Kind[Any, Any]]] = {kind.name: kind for kind in KINDS}

QUEUES: Final = tuple(sorted({kind.queue for kind in KINDS}))


def kind_named(name: str) -> Kind[Any, Any]:
    """The kind of that name.

    Raises:
        UnknownKind: there is none; the detail lists those there are.
    """
    if name not in BY_NAME:
        raise UnknownKind(f"There is no kind {name!r}. There are: {', '.join(sorted(BY_NAME))}.", pointer="/kind")
    return BY_NAME[name]
