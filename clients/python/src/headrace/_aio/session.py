"""A session: what a login opens, with tokens that are renewed before they expire."""

import time
from asyncio import Lock
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec import structs

from headrace.errors import HeadraceError, LoggedOut
from headrace.models import SessionTokens
from headrace.requests import ask_form

if TYPE_CHECKING:
    from headrace._aio.http import AsyncConnection

_EARLY_SECONDS: Final = 60.0
_EARLY_SHARE: Final = 0.2


class AsyncSession:
    """Has an access token that opens, however many ask for it at once.

    A refresh token is good once, and ends the session when it is shown again. So each is sent once; when its answer is
    lost or a no, the password, which is kept in memory for that, opens another session.
    """

    def __init__(self, connection: "AsyncConnection", *, email: str, password: str, scope: str | None = None) -> None:
        self._connection = connection
        self._login = {"username": email, "password": password, **({} if scope is None else {"scope": scope})}
        self._access = self._refresh = ""
        self._renew_at = 0.0
        self._is_over = False
        self._renewing = Lock()

    async def token(self, refused: str = "") -> str:
        """The access token: another than the one before when that is about to expire, or is the one that was `refused`.

        Raises:
            ApiError: the API says no to the password.
            LoggedOut: the session was ended.
        """
        if self._must_renew(refused):
            async with self._renewing:
                if self._must_renew(refused):  # nobody has, while we waited
                    await self._renew()
        return self._access

    async def end(self) -> None:
        """End the session: all its tokens open nothing any more."""
        async with self._renewing:
            self._is_over, self._login = True, {}
            if self._access:
                await self._connection.send(ask_form("/v1/auth/revoke", {"token": self._refresh or self._access}))

    def _must_renew(self, refused: str) -> bool:
        if self._is_over:
            raise LoggedOut("This client has logged out; log in again for another.")
        return self._access == refused or time.monotonic() >= self._renew_at

    async def _renew(self) -> None:
        refresh, self._refresh = self._refresh, ""
        if refresh:
            with suppress(HeadraceError):
                return await self._ask({"grant_type": "refresh_token", "refresh_token": refresh}, is_repeatable=False)
        return await self._ask({"grant_type": "password", **self._login}, is_repeatable=True)

    async def _ask(self, form: dict[str, str], *, is_repeatable: bool) -> None:
        asked_at = time.monotonic()
        request = structs.replace(ask_form("/v1/auth/token", form), is_repeatable=is_repeatable)
        tokens = (await self._connection.send(request)).into(SessionTokens)
        self._access, self._refresh = tokens.access_token, tokens.refresh_token
        early = min(_EARLY_SECONDS, tokens.expires_in * _EARLY_SHARE)
        self._renew_at = asked_at + tokens.expires_in - early
