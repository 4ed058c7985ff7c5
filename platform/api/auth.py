"""Who calls: an API key or an access token becomes a `Caller`; each route demands its permission."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeAlias

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from api.context import Use, notes_of
from api.key_ring import KeyRing
from api.limits import SharedLimiter, stop
from api.token_holders import TAKES_TOKENS, TokenHolders
from domain.accounts.user import Caller
from domain.errors import Unauthenticated

ANONYMOUS_PER_MINUTE: Final = 600
"""Requests without a valid key that one address may make."""

Connection: TypeAlias = ASGIConnection[Any, Any, Any, Any]
Guard: TypeAlias = Callable[[Connection, BaseRouteHandler], Awaitable[None]]

OPEN: Final = {"open": True}
"""In `opt` of a router: whoever asks needs no key, and is counted by address."""


def authenticated(keys: KeyRing, holders: TokenHolders, callers: SharedLimiter, strangers: SharedLimiter) -> Guard:
    """A guard that knows the caller and counts the request, before anything of it is read."""

    async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        notes = notes_of(connection.scope)
        try:
            if handler.opt.keys() >= TAKES_TOKENS.keys():
                notes.event_token = holders.read(connection)
            if notes.event_token is None:
                notes.ask_again = partial(keys.caller, spelled_key(connection))
            else:
                notes.ask_again = partial(holders.caller, notes.event_token)
            caller = await notes.ask_again()
        except Unauthenticated:
            await _count_stranger(connection, strangers)
            raise
        notes.caller = connection.scope["user"] = caller
        notes.standing, wait = await callers.take(caller.key_id or caller.user_id, caller.requests_per_minute)
        stop(wait)

    return guard


def counted(strangers: SharedLimiter) -> Guard:
    """A guard that lets everybody pass who has not asked too often from their address."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        await _count_stranger(connection, strangers)

    return guard


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
    use: Use = request.app.state.use
    caller = notes_of(request.scope).caller
    return use if caller is None else use.of(caller.tenant_id)


async def _count_stranger(connection: Connection, strangers: SharedLimiter) -> None:
    notes_of(connection.scope).standing, wait = await strangers.take(address_of(connection), ANONYMOUS_PER_MINUTE)
    stop(wait)
