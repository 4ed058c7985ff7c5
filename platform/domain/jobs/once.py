"""What keeps one wish from becoming two jobs: the key of a request that is repeated, and jobs that must be unique."""

import hashlib
from datetime import timedelta
from typing import Final

from msgspec import Struct

from domain.errors import Conflict, Invalid, NotFound

KEYS_KEPT: Final = timedelta(days=7)
"""How long the answer to a request with a key is kept."""

LONGEST_UNIQUE: Final = timedelta(days=30)
"""The longest window within which a job may ask to be the only one."""


class IdempotencyKeyInvalid(Invalid):
    """The key of a request is empty, too long, or of characters that a header does not carry."""

    code = "idempotency_key_invalid"
    title = "The Idempotency-Key is not valid"


class IdempotencyKeyReused(Invalid):
    """The key came before, with another request."""

    code = "idempotency_key_reused"
    title = "The Idempotency-Key was used for another request"


class IdempotencyInProgress(Conflict):
    """The first request with this key is not answered yet."""

    code = "idempotency_in_progress"
    title = "The first request with this key is under way"
    retryable = True


class IdempotencyAnswerGone(NotFound):
    """The job that the key's first request made is kept no more."""

    code = "idempotency_answer_gone"
    title = "The first answer is gone"


class IdempotencyKey(Struct, frozen=True, kw_only=True):
    """A key a client gave its request, unique in a tenant's route; the fingerprint tells another request by."""

    tenant_id: str
    route: str
    key: str
    fingerprint: bytes


class Unique(Struct, frozen=True, kw_only=True):
    """A wish to be the only live job of this fingerprint that was submitted within the window."""

    fingerprint: bytes
    window_seconds: float


def unique_job(kind: str, given: bytes, *, window: timedelta, key: str | None = None) -> Unique:
    """Unique by `key` within the kind, or by the input as it is stored."""
    told, by = (given, b"input") if key is None else (key.encode(), b"key")
    fingerprint = hashlib.sha256(b"\0".join((kind.encode(), by, told))).digest()
    return Unique(fingerprint=fingerprint, window_seconds=window.total_seconds())


def reused_key() -> IdempotencyKeyReused:
    """The error of a key that came before with another request."""
    detail = "This key came before, with another body, query, path or caller."
    return IdempotencyKeyReused(detail, pointer="header:Idempotency-Key")
