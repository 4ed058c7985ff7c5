"""Event tokens: what a page shows that follows events, for a browser's EventSource can send no key.

A token says itself what it opens and until when, and is signed; nothing of it is stored. It opens streams alone.
"""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct

from domain.errors import Unauthenticated
from domain.jobs.events import EventFilter

SHORTEST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(hours=1)
USUAL: Final = timedelta(minutes=5)
MOST_CHARACTERS: Final = 4_096

_PREFIX: Final = "hrt_"
_PURPOSE: Final = b"headrace event tokens 1"
_ENCODER: Final = msgspec.json.Encoder()


class EventToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who was given it, by which key or session, and what it opens: one job's events, or those of a filter."""

    tenant_id: str
    user_id: str
    key_id: str | None
    session_id: str | None = None
    expires_at: datetime
    job_id: str | None = None
    wanted: EventFilter = EventFilter()


class EventTokenRefused(Unauthenticated):
    """A token that opens nothing, or not this."""

    code = "event_token_refused"
    title = "The event token is not valid here"


_DECODER: Final = msgspec.json.Decoder(EventToken)


class EventTokens:
    """Signs and reads tokens with a key of their own, made of the platform's secret."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), _PURPOSE, "sha256")

    def spell(self, token: EventToken) -> str:
        """The token as it is handed out."""
        said = base64.urlsafe_b64encode(_ENCODER.encode(token)).rstrip(b"=")
        return f"{_PREFIX}{said.decode()}.{self._signature(said)}"

    def read(self, text: str, *, now: datetime) -> EventToken:
        """The token `text` spells.

        Raises:
            EventTokenRefused: we did not sign it, or it has expired.
        """
        said, _, signature = text.removeprefix(_PREFIX).partition(".")
        is_ours = text.isascii() and len(text) <= MOST_CHARACTERS and text.startswith(_PREFIX)
        if not is_ours or not hmac.compare_digest(signature, self._signature(said.encode())):
            raise EventTokenRefused("The token is misspelt, or was signed with another secret.")
        try:
            token = _DECODER.decode(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)))
        except ValueError:  # as base64's errors and msgspec's are
            raise EventTokenRefused("The token is of another release.") from None
        if token.expires_at <= now:
            raise EventTokenRefused("The token has expired. Ask for another where this one came from.")
        return token

    def _signature(self, said: bytes) -> str:
        digest = hmac.new(self._key, said, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
