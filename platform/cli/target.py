"""Which Headrace a command talks to, and with which key."""

from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from cli.exits import CommandFailed, Exit
from runtime.data_dir import find_credentials
from runtime.settings import Settings

DEFAULT_URL: Final = "http://127.0.0.1:8000"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Target(Struct, frozen=True, kw_only=True):
    """Where the API is, and the key shown to it. `named` says that somebody chose the address."""

    url: str
    key: str | None
    named: bool

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        return _host(self.url) in _LOOPBACK


def find_target(settings: Settings, url: str | None, key: str | None) -> Target:
    """What was given first, then the environment, then the credentials file.

    The file's key goes to the file's own address or to this machine, never to a stranger.

    Raises:
        CommandFailed: an address that is none, or a key that cannot be one.
    """
    named = url or settings.url
    kept = find_credentials(settings.data_dir)
    chosen = (named or (kept.url if kept else DEFAULT_URL)).rstrip("/")
    try:
        parts = urlsplit(chosen)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise CommandFailed(f"{chosen!r} is not the address of an API; write http://host:port.", Exit.USAGE)
    key = key or settings.api_key
    if key is None and kept and (_host(chosen) in _LOOPBACK or chosen == kept.url.rstrip("/")):
        key = kept.api_key
    if key is not None and not (key.isascii() and key.isprintable()):
        raise CommandFailed("The API key has characters no key has.", Exit.USAGE)
    return Target(url=chosen, key=key, named=named is not None)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
