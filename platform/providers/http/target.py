"""What a URL of an endpoint says, read once: whoever connects never reads the URL again."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

import idna
from msgspec import Struct

from domain.errors import Invalid
from providers.http.addresses import Address, is_loopback, is_public, plain_address

LONGEST_URL: Final = 2000

_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z]+)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]/?#@:\\\s%]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?"
)
_REST: Final = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LONGEST_HOST: Final = 253
_MOST_PORT: Final = 65_535

# names that mean machines of one's own wherever they are asked for
_PRIVATE_NAMES: Final = ("local", "internal", "intranet", "localdomain", "lan", "home.arpa", "onion", "invalid")
_LOCALHOST: Final = "localhost"


class UrlRefused(Invalid):
    """Nothing is ever sent to this URL; the detail says what would be right."""

    code = "webhook_url_refused"
    title = "The URL cannot be an endpoint's"


class Rules(Struct, frozen=True, kw_only=True):
    """Where may be sent to: ports of https, and with `loopback` also this machine, on any port and in plain http."""

    ports: frozenset[int] = frozenset({443})
    loopback: bool = False


class Target(Struct, frozen=True, kw_only=True):
    """Where a URL leads. `host` is ASCII in lower case, without brackets; `address` if it is spelled as one."""

    is_tls: bool
    host: str
    port: int
    path: str
    address: Address | None

    @property
    def host_header(self) -> str:
        """The value of the header Host."""
        host = f"[{self.host}]" if isinstance(self.address, IPv6Address) else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"

    @property
    def is_here(self) -> bool:
        """Whether it is this machine by its spelling, whatever a name server says."""
        return self.host == _LOCALHOST if self.address is None else is_loopback(self.address)


def read_url(url: str, rules: Rules) -> Target:
    """Where `url` leads, as far as can be told without asking anybody.

    Raises:
        UrlRefused: it is no URL, or one that the rules exclude.
    """
    if len(url) > LONGEST_URL:
        raise UrlRefused(f"A URL has at most {LONGEST_URL} characters.")
    match = _URL.fullmatch(url)
    rest = "" if match is None else (match["path"] or "/") + (match["query"] or "")
    if match is None or not _REST.fullmatch(rest):
        raise UrlRefused(
            "Expected https://host/path, percent-encoded, without user, password or fragment, as in "
            "https://example.com/hooks?to=me."
        )
    scheme = match["scheme"].lower()
    if scheme not in {"http", "https"}:
        raise UrlRefused("Expected https.")
    host, address = _host(match["host"])
    target = Target(
        is_tls=scheme == "https",
        host=host,
        port=int(match["port"] or (443 if scheme == "https" else 80)),
        path=rest,
        address=address,
    )
    _check(target, rules)
    return target


def _check(target: Target, rules: Rules) -> None:
    if target.is_here and rules.loopback:
        if not 0 < target.port <= _MOST_PORT:
            raise UrlRefused(f"Expected a port from 1 to {_MOST_PORT}.")
        return
    if not target.is_tls:
        raise UrlRefused("Expected https.")
    if target.port not in rules.ports:
        raise UrlRefused(f"Expected the port {' or '.join(map(str, sorted(rules.ports)))}.")
    if target.address is None:
        _check_name(target.host)
    elif not is_public(target.address):
        raise UrlRefused("Expected an address of the public Internet.")


def _check_name(host: str) -> None:
    suffixes = {host, *(host[dot.end() :] for dot in re.finditer(r"\.", host))}
    if "." not in host or suffixes & {_LOCALHOST, *_PRIVATE_NAMES}:
        raise UrlRefused("Expected a host name of the public Internet, as in hooks.example.com.")


def _host(spelled: str) -> tuple[str, Address | None]:
    """The host as it is asked for, and the address it spells."""
    if spelled.startswith("["):
        try:
            address = plain_address(IPv6Address(spelled[1:-1]))
        except AddressValueError:
            raise UrlRefused("Expected an address of version 6 between the brackets.") from None
        return str(address), address
    try:
        # also undoes what only looks like ASCII: digits and dots of other widths
        host = idna.encode(spelled, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        raise _no_host() from None
    labels = host.split(".")
    if len(host) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise _no_host()
    if _NUMBER.fullmatch(labels[-1]):
        # what ends in a number is an address to whoever resolves it: 127.1, 0x7f.1, 2130706433
        try:
            return host, IPv4Address(host)
        except AddressValueError:
            raise UrlRefused("Expected an address as four decimal numbers, or a host name.") from None
    return host, None


def _no_host() -> UrlRefused:
    return UrlRefused("Expected a host name, as in hooks.example.com.")
