"""Who calls: an API key or an access token becomes a `Caller`; each route demands its permission."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeAlias

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from api.context import Use, notes_of
from api.limits import SharedLimiter, stop
from api.token_holders import TAKES_TOKENS
from domain.accounts.user import Caller
from domain.errors import Unauthenticated

ANONYMOUS_PER_MINUTE: Final = 600
"""Requests without a valid key that one address may make."""

Connection: TypeAlias = ASGIConnection[Any, Any, Any, Any]
Guard: TypeAlias = Callable[[Connection, BaseRouteHandler], Awaitable[None]]

OPEN: Final = {"open": True}
"""In `opt` of a router: whoever asks needs no key, and is counted by address."""


async def authenticated(connection: Connection, handler: BaseRouteHandler) -> None:
    """A guard that knows the caller and counts the request, before anything of it is read."""
    notes = notes_of(connection.scope)
    use = notes.use
    try:
        if handler.opt.keys() >= TAKES_TOKENS.keys():
            notes.event_token = use.holders.read(connection)
        if notes.event_token is None:
            notes.ask_again = partial(use.ring.caller, spelled_key(connection))
        else:
            notes.ask_again = partial(use.holders.caller, notes.event_token)
        caller = await notes.ask_again()
    except Unauthenticated:
        await _count_stranger(connection, use.strangers)
        raise
    notes.caller = connection.scope["user"] = caller
    notes.standing, wait = await use.callers.take(caller.key_id or caller.user_id, caller.requests_per_minute)
    stop(wait)


async def counted(connection: Connection, _: BaseRouteHandler) -> None:
    """A guard that lets everybody pass who has not asked too often from their address."""
    await _count_stranger(connection, notes_of(connection.scope).use.strangers)


def address_of(connection: Connection) -> str:
    """Where a request comes from: what the socket says, or a proxy that the settings trust; no header is believed."""
    return connection.client.host if connection.client else ""


def needs(permission: str) -> Guard:
    """A guard that lets callers pass who hold `permission`."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        connection.user.demand(permission)

    guard.permission = permission  # type: ignore[attr-defined]
    return guard


def spelled_key(connection: Connection) -> str:
    """The key or token a request carries.

    Raises:
        Unauthenticated: none.
    """
    header = connection.headers.get("authorization")
    if header is not None:
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Send an API key or an access token as Authorization: Bearer ….")
        return key.strip()
    key = connection.headers.get("x-api-key", "")
    if not key:
        raise Unauthenticated("Send an API key or an access token, as Authorization: Bearer … or as X-API-Key.")
    return key.strip()


async def provide_caller(request: Connection) -> Caller:
    """The caller, for handlers."""
    caller: Caller = request.user
    return caller


async def provide_use(request: Connection) -> Use:
    """What handlers use, of the database what is the caller's tenant's."""
    notes = notes_of(request.scope)
    return notes.use if notes.caller is None else notes.use.of(notes.caller.tenant_id)


async def _count_stranger(connection: Connection, strangers: SharedLimiter) -> None:
    notes_of(connection.scope).standing, wait = await strangers.take(address_of(connection), ANONYMOUS_PER_MINUTE)
    stop(wait)
