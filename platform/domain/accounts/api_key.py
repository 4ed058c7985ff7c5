"""API keys: `hr_<public id>_<secret><checksum>`; found by the public part, kept only as a hash."""

import hashlib
import hmac
import re
import zlib
from typing import Final

from msgspec import Struct

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM_LENGTH: Final = 6
_SHAPE: Final = re.compile(r"^hr_([0-9A-Za-z]{8})_([0-9A-Za-z]{30,64})$")


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
        return f"hr_{self.public_id}_{self.secret}{_checksum(self.public_id + self.secret)}"

    def __repr__(self) -> str:
        return f"ApiKey({self.public_id!r}, …)"


def parse_key(text: str) -> ApiKey | None:
    """The key `text` spells; None when its shape or its checksum is wrong, so that no query is spent on it."""
    match = _SHAPE.match(text)
    if match is None:
        return None
    public_id, rest = match[1], match[2]
    secret, checksum = rest[:-_CHECKSUM_LENGTH], rest[-_CHECKSUM_LENGTH:]
    return ApiKey(public_id, secret) if _checksum(public_id + secret) == checksum else None


def make_key(randomness: bytes) -> ApiKey:
    """A key from at least 40 bytes of randomness: 8 characters that name it and 32 that are secret.

    Raises:
        ValueError: too little randomness.
    """
    if len(randomness) < 40:  # noqa: PLR2004 - one byte a character
        raise ValueError("an API key takes 40 bytes of randomness")
    characters = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in randomness[:40])
    return ApiKey(characters[:8], characters[8:])


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    digits = ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
