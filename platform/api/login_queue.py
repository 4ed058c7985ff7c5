"""Logins and registrations that are under way: as many as may be hashed or wait for it, and no more.

Who comes then is refused before a line of the request is parsed or Postgres is asked, so that a flood costs little; and
before anything is counted, so that what was refused is nobody's failure. Changing a refresh token hashes no password,
and goes on.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from litestar.types import HTTPReceiveMessage, Receive, WebSocketReceiveMessage
from msgspec import Struct

from runtime.passwords import MOST, Passwords

TOKEN: Final = "/v1/auth/token"  # noqa: S105 - a path
REGISTER: Final = "/v1/auth/register"

_REFRESH: Final = b"grant_type=refresh_token"
_FIRST_PIECE_SECONDS: Final = 5.0


class LoginQueue:
    """Who counts them in one process, which hashes by `passwords`.

    `refused` is how many were turned away since it was last asked for.
    """

    def __init__(self, passwords: Passwords) -> None:
        self.passwords = passwords
        self.under_way = 0
        self.refused = 0

    @property
    def is_full(self) -> bool:
        """Whether a login that arrives now is to be refused."""
        return self.under_way >= MOST or self.passwords.is_full

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count a login for as long as the block lasts."""
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1


def is_login(method: str, path: str) -> bool:
    """Whether a request may have a password hashed, and comes from somebody who has nothing to show yet."""
    return method == "POST" and path.rstrip("/") in {TOKEN, REGISTER}


class Arrival(Struct, frozen=True):
    """A login as far as it has arrived, with what to go on receiving it by."""

    receive: Receive
    is_whole: bool
    is_refresh: bool


async def look_ahead(path: str, receive: Receive) -> Arrival:
    """Wait for the first piece of a login's body, and tell what it says.

    Who sends slowly is no login yet: else a few that send nothing would keep everybody out. A login that names the
    other grant somewhere else in its form is found out when that is read.
    """
    try:
        async with asyncio.timeout(_FIRST_PIECE_SECONDS):
            first = await receive()
    except TimeoutError:
        return Arrival(receive, is_whole=False, is_refresh=False)
    left = [first]

    async def again() -> HTTPReceiveMessage | WebSocketReceiveMessage:
        return left.pop() if left else await receive()

    is_whole = first["type"] == "http.request" and not first.get("more_body")
    is_refresh = path.rstrip("/") == TOKEN and first["type"] == "http.request" and _REFRESH in first["body"]
    return Arrival(again, is_whole=is_whole, is_refresh=is_refresh)
