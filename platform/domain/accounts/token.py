"""Tokens of a session: `hra_…` opens for half an hour, `hrr_…` is changed for the next pair, once.

They say nothing: whose they are is for the database to tell, which keeps only their hash. The checksum covers the
prefix too, so that one sort does not pass for the other, and what nobody gave out costs no query.
"""

import hashlib
import re
from datetime import timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct

from domain.accounts.spelling import CHECKSUM_LENGTH, characters, checksum

ACCESS_KEPT: Final = timedelta(minutes=30)
"""How long an access token opens."""

REFRESH_KEPT: Final = timedelta(days=7)
"""How long a refresh token can be changed for the next."""

LENGTH: Final = 40
_SHAPE: Final = re.compile(r"(hra|hrr)_([0-9A-Za-z]{46})")


class TokenUse(StrEnum):
    """What a token is good for."""

    ACCESS = "access"
    REFRESH = "refresh"


_PREFIXES: Final = {TokenUse.ACCESS: "hra", TokenUse.REFRESH: "hrr"}
_USES: Final = {prefix: use for use, prefix in _PREFIXES.items()}


class Token(Struct, frozen=True):
    """A token whose spelling is right."""

    use: TokenUse
    secret: str

    @property
    def sha256(self) -> bytes:
        """What is stored of it. At its entropy a slow hash adds nothing."""
        return hashlib.sha256(self._unchecked().encode()).digest()

    def __str__(self) -> str:
        return self._unchecked() + checksum(self._unchecked())

    def __repr__(self) -> str:
        return f"Token({self.use.value!r}, …)"

    def _unchecked(self) -> str:
        return f"{_PREFIXES[self.use]}_{self.secret}"


def parse_token(text: str) -> Token | None:
    """The token `text` spells; None when its shape or its checksum is wrong."""
    match = _SHAPE.fullmatch(text)
    if match is None or checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
        return None
    return Token(_USES[match[1]], match[2][:-CHECKSUM_LENGTH])


def make_token(use: TokenUse, randomness: bytes) -> Token:
    """A token from at least 40 bytes of randomness.

    Raises:
        ValueError: too little randomness.
    """
    if len(randomness) < LENGTH:
        raise ValueError(f"a token takes {LENGTH} bytes of randomness")
    return Token(use, characters(randomness[:LENGTH]))
