"""Who follows events by a token: it is asked of storage, for the key or login that gave it may have ended since."""

import time
from datetime import UTC, datetime
from typing import Any, Final

from litestar.connection import ASGIConnection

from domain.accounts.event_token import EventToken, EventTokenRefused, EventTokens
from domain.accounts.user import Caller
from storage.accounts import find_caller
from storage.database import Database

TAKES_TOKENS: Final = {"event_tokens": True}
"""Given as `opt` to routes that a token opens as a key does."""

_READ: Final = frozenset({"jobs:read"})
_KEPT_SECONDS: Final = 5.0
_WITHIN_SECONDS: Final = 2.0
_MOST_KEPT: Final = 10_000


class TokenHolders:
    """Finds the callers behind tokens, who may read and nothing else; remembers them for 5 s."""

    def __init__(self, database: Database, tokens: EventTokens) -> None:
        self.tokens = tokens
        self._database = database
        self._kept: dict[tuple[str, str | None, str | None], tuple[float, Caller]] = {}

    def read(self, connection: ASGIConnection[Any, Any, Any, Any]) -> EventToken | None:
        """The token in the query; None: there is none, or the request has a key, which goes before.

        Raises:
            EventTokenRefused: it is not valid.
        """
        text = connection.query_params.get("token")
        if text is None or "authorization" in connection.headers or "x-api-key" in connection.headers:
            return None
        return self.tokens.read(text, now=datetime.now(UTC))

    async def caller(self, token: EventToken) -> Caller:
        """Who was given the token, as long as the key or session it was asked with is good, and may read jobs.

        Raises:
            EventTokenRefused: it is not any more.
            DatabaseDown: that cannot be known now.
        """
        now = time.monotonic()
        who = token.user_id, token.key_id, token.session_id
        kept = self._kept.get(who)
        if kept is not None and kept[0] > now:
            return kept[1]
        async with self._database.read(within_seconds=_WITHIN_SECONDS) as tx:
            found = await find_caller(
                tx, token.tenant_id, token.user_id, key_id=token.key_id, session_id=token.session_id
            )
        if found is None or not found.may("jobs:read"):
            raise EventTokenRefused(
                "The key or login that this token was asked with is revoked or ended, or may not read jobs any more."
            )
        caller = Caller(
            tenant_id=found.tenant_id,
            user_id=found.user_id,
            permissions=_READ,
            key_id=found.key_id,
            session_id=found.session_id,
            requests_per_minute=found.requests_per_minute,
        )
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[who] = (now + _KEPT_SECONDS, caller)
        return caller


def refuse_other_jobs(token: EventToken | None, job_id: str | None) -> None:
    """Go on only if a token, where there is one, opens the events of this job; None: those of a filter.

    Raises:
        EventTokenRefused: it opens others.
    """
    if token is not None and token.job_id != job_id:
        raise EventTokenRefused("The token opens other events than these.")
