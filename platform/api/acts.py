"""What is told of a privileged act in the audit log: who did it, from where, and what it changed."""

from typing import Any, Final

import msgspec
from litestar.connection import ASGIConnection
from msgspec import Struct

from api.auth import address_of
from api.context import notes_of
from domain.accounts.audit import Act, Actor
from domain.accounts.user import Caller

_ENCODER: Final = msgspec.json.Encoder()


def audited(*actions: str) -> dict[str, tuple[str, ...]]:
    """Given as `opt` to a route that writes these actions to the audit log; its transaction does, by `audit`."""
    return {"audited": actions}


def actor_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Actor:
    """Who makes a request."""
    caller: Caller = connection.user
    return Actor(
        tenant_id=caller.tenant_id,
        user_id=caller.user_id,
        key_id=caller.key_id,
        session_id=caller.session_id,
        address=address_of(connection),
        request_id=notes_of(connection.scope).request_id,
    )


def act(action: str, target: str, *, before: Struct | None = None, after: Struct | None = None) -> Act:
    """An act, and what it changed as Structs, which must hold no secret."""
    return Act(action=action, target=target, before=_spelled(before), after=_spelled(after))


def _spelled(value: Struct | None) -> str | None:
    return None if value is None else _ENCODER.encode(value).decode()
