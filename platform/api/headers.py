"""The headers of every answer, whoever gives it."""

import re
from typing import Final

from litestar.datastructures import Headers

from runtime.unique_ids import new_id

SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)

RETRY_AFTER: Final = {"Retry-After": "1"}
"""Said with what is not finished, and can be asked for again."""

_SANE_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")


def combined(headers: Headers, name: str) -> str:
    """The list a header is, whether it came in one line or in several (RFC 9110, section 5.3); empty without one."""
    return ", ".join(headers.getall(name, []))


def request_id(given: bytes) -> str:
    """The id a request is answered under: the one it was given, if that is sane, else a fresh one."""
    return given.decode() if _SANE_ID.fullmatch(given) else new_id("req")
