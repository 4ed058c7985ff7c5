"""Kind -> handler, one line each. `bind` takes only a handler whose input and result are its kind's."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic

from msgspec import Struct

from domain.emails.send_email import SEND_EMAIL
from domain.jobs.kind import InputT, Kind, ResultT
from workers.context import Context
from workers.emails.send_email import send_email


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
HANDLERS = (  # noqa: RUF067
    bind(SEND_EMAIL, send_email),
)

BY_KIND: Final[dict[str, Binding[Any, Any]]] = {binding.kind.name: binding for binding in HANDLERS}
