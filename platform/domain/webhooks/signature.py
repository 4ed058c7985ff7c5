"""Signatures of deliveries, after Standard Webhooks: who holds the secret knows who sent a body, and when."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Final

SECRET_BYTES: Final = 32
"""The standard asks for 24 to 64."""

_PREFIX: Final = "whsec_"


def spell_secret(secret: bytes) -> str:
    """A secret as its holder is shown it."""
    return _PREFIX + base64.b64encode(secret).decode("ascii")


def sign(secrets: Iterable[bytes], event_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers that go with `body`: what it is known by, when it was sent, and a signature by each secret."""
    seconds = str(int(at.timestamp()))
    signed = b".".join((event_id.encode("ascii"), seconds.encode("ascii"), body))
    return {
        "webhook-id": event_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode("ascii")
