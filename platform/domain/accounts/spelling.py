"""How what opens is spelled: characters from randomness, and a checksum that tells what nobody ever gave out."""

import zlib
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECKSUM_LENGTH: Final = 6


def characters(randomness: bytes) -> str:
    """A letter or digit for each byte: 5.9 bits each, for 256 is no multiple of 62."""
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in randomness)


def checksum(text: str) -> str:
    """The CRC-32 of `text` in six letters and digits."""
    number = zlib.crc32(text.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
