"""Whose an API key or an access token is: asked of the database, and remembered for 5 s."""

import hashlib
import time
from contextlib import suppress
from typing import Final

from msgspec.structs import replace

from domain.accounts.api_key import ApiKey, parse_key
from domain.accounts.token import Token, parse_token
from domain.accounts.user import Caller
from domain.errors import Unauthenticated
from storage.accounts import find_key, note_use
from storage.database import Database, DatabaseDown
from storage.sessions import find_session_user

KEPT_SECONDS: Final = 5.0
"""So long may what was revoked elsewhere still open; what this process revokes does not."""

_WITHIN_SECONDS: Final = 2.0
_MOST_KEPT: Final = 10_000


class KeyRing:
    """Finds callers by what they show. What is misspelt, or has a wrong checksum, costs no query."""

    def __init__(self, database: Database, *, user_requests_per_minute: int) -> None:
        self._database = database
        self._per_minute = user_requests_per_minute
        self._kept: dict[bytes, tuple[float, Caller]] = {}
        self._times_forgotten = 0

    async def caller(self, spelled: str) -> Caller:
        """Whose key or access token this is.

        Raises:
            Unauthenticated: nobody's.
        """
        now = time.monotonic()
        mark = _mark(spelled)
        kept = self._kept.get(mark)
        if kept is not None and kept[0] > now:
            return kept[1]
        asked_at = self._times_forgotten
        if (token := parse_token(spelled)) is not None:
            caller = await self._by_token(token)
        elif (key := parse_key(spelled)) is not None:
            caller = await self._by_key(key)
        else:
            raise Unauthenticated("The API key or token is misspelt.")
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        if asked_at == self._times_forgotten:  # else what was found may have been revoked while it was looked for
            self._kept[mark] = (now + KEPT_SECONDS, caller)
        return caller

    def known(self, spelled: str) -> Caller | None:
        """Whose key or token this is, if that was found within the last 5 s; nobody is asked."""
        kept = self._kept.get(_mark(spelled))
        return None if kept is None or kept[0] <= time.monotonic() else kept[1]

    def forget(self) -> None:
        """Ask the database again for whoever comes next: somebody's rights have changed."""
        self._kept.clear()
        self._times_forgotten += 1

    async def _by_key(self, key: ApiKey) -> Caller:
        async with self._database.read(within_seconds=_WITHIN_SECONDS) as tx:
            stored = await find_key(tx, key.public_id)
            if stored is None or not key.matches(stored.secret_sha256):
                raise Unauthenticated("The API key is unknown, expired or revoked.")
            if stored.unseen and stored.caller.key_id is not None:
                # a database that takes no writes still answers who may read
                with suppress(DatabaseDown):
                    await note_use(tx, stored.caller.key_id)
        return stored.caller

    async def _by_token(self, token: Token) -> Caller:
        async with self._database.read(within_seconds=_WITHIN_SECONDS) as tx:
            found = await find_session_user(tx, token)
        if found is None:
            raise Unauthenticated("The access token is unknown, expired or revoked.")
        return replace(found.caller, requests_per_minute=self._per_minute)


def _mark(spelled: str) -> bytes:
    """A hash, so that no memory of ours holds what opens."""
    return hashlib.sha256(spelled.encode("utf-8", "surrogateescape")).digest()
