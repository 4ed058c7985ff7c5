"""API keys: `hr_<public id>_<secret><checksum>`; found by the public part, kept only as a hash."""

import hashlib
import hmac
import re
from datetime import timedelta
from typing import Final

from msgspec import Struct

from domain.accounts.spelling import CHECKSUM_LENGTH, characters, checksum
from domain.errors import Conflict, NotFound

MOST_LIVE: Final = 50
"""How many live keys a user may have."""

LONGEST_OVERLAP: Final = timedelta(days=30)
"""How long a key that was rotated may go on opening beside the one that replaces it."""

_SHAPE: Final = re.compile(r"hr_([0-9A-Za-z]{8})_([0-9A-Za-z]{30,64})")


class ApiKeyNotFound(NotFound):
    """There is no such key, or none that the caller may see."""

    code = "api_key_not_found"
    title = "No such API key"


class ApiKeysFull(Conflict):
    """The user has as many live keys as may be."""

    code = "api_keys_full"
    title = "Too many API keys"


class ApiKeyDead(Conflict):
    """The key is revoked or expired."""

    code = "api_key_dead"
    title = "The API key is revoked or expired"


class ApiKey(Struct, frozen=True):
    """A key whose spelling is right; whether it is anybody's is for the database to say."""

    public_id: str
    secret: str

    @property
    def secret_sha256(self) -> bytes:
        """What is stored of the secret. At its entropy a slow hash adds nothing."""
        return hashlib.sha256(self.secret.encode()).digest()

    def matches(self, secret_sha256: bytes) -> bool:
        """Whether the stored hash is this key's, compared in constant time."""
        return hmac.compare_digest(self.secret_sha256, secret_sha256)

    def __str__(self) -> str:
        return f"hr_{self.public_id}_{self.secret}{checksum(self.public_id + self.secret)}"

    def __repr__(self) -> str:
        return f"ApiKey({self.public_id!r}, …)"


def parse_key(text: str) -> ApiKey | None:
    """The key `text` spells; None when its shape or its checksum is wrong, so that no query is spent on it."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    public_id, rest = match[1], match[2]
    secret, told = rest[:-CHECKSUM_LENGTH], rest[-CHECKSUM_LENGTH:]
    return ApiKey(public_id, secret) if checksum(public_id + secret) == told else None


def make_key(randomness: bytes) -> ApiKey:
    """A key from at least 40 bytes of randomness: 8 characters that name it and 32 that are secret.

    Raises:
        ValueError: too little randomness.
    """
    if len(randomness) < 40:  # noqa: PLR2004 - one byte a character
        raise ValueError("an API key takes 40 bytes of randomness")
    spelled = characters(randomness[:40])
    return ApiKey(spelled[:8], spelled[8:])
