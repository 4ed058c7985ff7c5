"""Where a mail server is and how to talk to it, from its URL."""

from ipaddress import ip_address
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from domain.errors import Invalid

StartTls: TypeAlias = Literal["required", "optional", "never"]

_PORTS: Final = {"smtps": 465, "smtp": 25}
_SUBMISSION_PORT: Final = 587
_STARTTLS: Final[dict[str, StartTls]] = {"required": "required", "optional": "optional", "never": "never"}


class SmtpUrlInvalid(Invalid):
    """The URL does not name a mail server."""

    code = "smtp_url_invalid"
    title = "Not the URL of a mail server"


class SmtpServer(Struct, frozen=True, kw_only=True):
    """A mail server. `tls` is on from the first byte (smtps); `starttls` says what to do when it is not."""

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    tls: bool = False
    starttls: StartTls = "optional"

    def __repr__(self) -> str:
        return f"SmtpServer({self.host}:{self.port})"  # without the password, wherever this may be logged


def read_smtp_url(url: str) -> SmtpServer:
    """Read `smtp://user:password@host:port?starttls=required|optional|never`, or `smtps://…`.

    Ports not given are 465 for smtps, 587 with a user, else 25. `starttls` not given is `required` with a user,
    `optional` without, and `never` on loopback. User and password are percent-encoded.

    Raises:
        SmtpUrlInvalid: it is something else; the sentence does not repeat the URL, which may hold a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SmtpUrlInvalid("The port or the host is not acceptable.") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise SmtpUrlInvalid("It has the form smtp://user:password@host:587 or smtps://user:password@host.")
    if parts.path.strip("/") or parts.fragment:
        raise SmtpUrlInvalid("Nothing but ?starttls= may follow host and port.")
    if (parts.username is None) != (parts.password is None):
        raise SmtpUrlInvalid("User and password come together.")
    tls = parts.scheme == "smtps"
    return SmtpServer(
        host=parts.hostname,
        port=port or (_SUBMISSION_PORT if parts.username and not tls else _PORTS[parts.scheme]),
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        tls=tls,
        starttls=_starttls(parts.query, tls=tls, host=parts.hostname, has_user=parts.username is not None),
    )


def _starttls(query: str, *, tls: bool, host: str, has_user: bool) -> StartTls:
    options = dict(parse_qsl(query, keep_blank_values=True))
    asked = options.pop("starttls", None)
    if options:
        raise SmtpUrlInvalid(f"There is no option {', '.join(sorted(options))}; there is starttls.")
    if asked is not None:
        if tls:
            raise SmtpUrlInvalid("smtps is encrypted from the start; starttls is for smtp.")
        if asked not in _STARTTLS:
            raise SmtpUrlInvalid("starttls is required, optional or never.")
        return _STARTTLS[asked]
    if tls or _is_loopback(host):
        return "never"
    return "required" if has_user else "optional"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
