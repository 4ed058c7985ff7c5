"""Who calls: an API key becomes a `Caller`; each route demands its permission."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeAlias

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from api.context import Use, notes_of
from api.limits import RateLimited, SharedLimiter
from api.token_holders import TAKES_TOKENS, TokenHolders
from domain.accounts.api_key import parse_key
from domain.accounts.user import Caller
from domain.errors import Unauthenticated
from storage.accounts import find_key
from storage.database import Database

_KEPT_SECONDS: Final = 5.0
_WITHIN_SECONDS: Final = 2.0
_MOST_KEPT: Final = 10_000
ANONYMOUS_PER_MINUTE: Final = 600
"""Requests without a valid key that one address may make."""

Connection: TypeAlias = ASGIConnection[Any, Any, Any, Any]
Guard: TypeAlias = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


class KeyRing:
    """Finds callers by their keys, and remembers them for 5 s: so long may a revoked key still open."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[str, tuple[float, Caller]] = {}

    async def caller(self, spelled: str) -> Caller:
        """Whose key this is.

        Raises:
            Unauthenticated: nobody's.
        """
        now = time.monotonic()
        kept = self._kept.get(spelled)
        if kept is not None and kept[0] > now:
            return kept[1]
        key = parse_key(spelled)
        if key is None:
            raise Unauthenticated("The API key is misspelt.")
        async with self._database.read(within_seconds=_WITHIN_SECONDS) as tx:
            stored = await find_key(tx, key.public_id)
        if stored is None or not key.matches(stored.secret_sha256):
            raise Unauthenticated("The API key is unknown, expired or revoked.")
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[spelled] = (now + _KEPT_SECONDS, stored.caller)
        return stored.caller

    def known(self, spelled: str) -> Caller | None:
        """Whose key this is, if that was found within the last 5 s; nobody is asked."""
        kept = self._kept.get(spelled)
        return None if kept is None or kept[0] <= time.monotonic() else kept[1]


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
            address = connection.client.host if connection.client else ""
            notes.standing, wait = await strangers.take(address, ANONYMOUS_PER_MINUTE)
            _stop(wait)
            raise
        notes.caller = connection.scope["user"] = caller
        notes.standing, wait = await callers.take(caller.key_id or caller.user_id, caller.requests_per_minute)
        _stop(wait)

    return guard


def needs(permission: str) -> Guard:
    """A guard that lets callers pass who hold `permission`."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        connection.user.demand(permission)

    guard.permission = permission  # type: ignore[attr-defined]
    return guard


def spelled_key(connection: Connection) -> str:
    """The key a request carries.

    Raises:
        Unauthenticated: none.
    """
    header = connection.headers.get("authorization")
    if header is not None:
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Send the API key as Authorization: Bearer hr_….")
        return key.strip()
    key = connection.headers.get("x-api-key", "")
    if not key:
        raise Unauthenticated("Send an API key, as Authorization: Bearer hr_… or as X-API-Key.")
    return key.strip()


async def provide_caller(request: Connection) -> Caller:
    """The caller, for handlers."""
    caller: Caller = request.user
    return caller


async def provide_use(request: Connection) -> Use:
    """What handlers use."""
    use: Use = request.app.state.use
    return use


def _stop(wait_seconds: float) -> None:
    if wait_seconds > 0:
        raise RateLimited("This minute's requests are used up.", retry_after_seconds=wait_seconds)
