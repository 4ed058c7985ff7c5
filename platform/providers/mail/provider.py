"""What the platform asks of whoever takes its e-mails."""

from typing import Protocol

from msgspec import Struct

from domain.emails.message import Mail
from domain.errors import HeadraceError, Unavailable


class MailDown(Unavailable):
    """The mail server cannot be reached, does not take mail now, or does not let us in: worth another try."""

    code = "mail_unavailable"
    title = "The mail server is not available"


class MailRefused(HeadraceError):
    """The mail server will not take this e-mail, now or later: its sender, its content or all of its recipients."""

    code = "mail_refused"
    title = "The mail server refused the e-mail"


class Delivered(Struct, frozen=True, kw_only=True):
    """Who the server took the e-mail for; `refused` gives the server's reason for each address it did not."""

    accepted: tuple[str, ...]
    refused: dict[str, str]


class MailProvider(Protocol):
    """Takes e-mails. May be used by many coroutines of one event loop at once."""

    async def send(self, mail: Mail) -> Delivered:
        """Hand `mail` over to at least one of its recipients.

        An answer may get lost after the server took the e-mail; then it comes twice, with the same Message-ID.

        Raises:
            MailDown: nobody got it, or nobody knows; the same attempt may succeed later.
            MailRefused: nobody got it, and nobody will.
        """
        ...

    async def aclose(self) -> None:
        """Let go of all connections. The provider cannot be used afterwards."""
        ...
