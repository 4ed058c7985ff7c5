"""Where the API is, and the key shown to it."""

import os
from typing import Final
from urllib.parse import urlsplit

import httpx
from msgspec import Struct

DEFAULT_URL: Final = "http://127.0.0.1:8000"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Target(Struct, frozen=True, kw_only=True):
    """An API and a key; `url` has no slash at its end."""

    url: str
    key: str | None

    def __repr__(self) -> str:  # the key is nobody's to read
        return f"Target(url={self.url!r})"

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        return urlsplit(self.url).hostname in _LOOPBACK

    @property
    def headers(self) -> dict[str, str]:
        """What every request says."""
        return bearer(self.key) if self.key else {}


def bearer(shown: str) -> dict[str, str]:
    """The header that shows a key or an access token."""
    return {"Authorization": f"Bearer {shown}"}


def find_target(url: str | None, key: str | None) -> Target:
    """What was given, or else the environment's HEADRACE_URL and HEADRACE_API_KEY.

    Raises:
        ValueError: an address that is none, or a key that cannot be one.
    """
    url = (url or os.environ.get("HEADRACE_URL") or DEFAULT_URL).rstrip("/")
    key = key or os.environ.get("HEADRACE_API_KEY") or None
    try:
        parts, host = urlsplit(url), httpx.URL(url).host  # each refuses what the other lets pass
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname and host) and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        is_address = False
    if not is_address:
        raise ValueError(f"{url!r} is not the address of an API; write http://host:port.")
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError("The API key has characters no key has.")
    return Target(url=url, key=key)
