"""Handing e-mails to a mail server by SMTP (RFC 5321), over a few connections kept open."""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponse,
    SMTPResponseException,
)
from msgspec import Struct

from domain.emails.message import Mail
from providers.mail.mime import bare_address, to_ascii, to_bytes
from providers.mail.provider import Delivered, MailDown, MailRefused
from providers.mail.smtp_url import SmtpServer

IDLE_SECONDS: Final = 30.0  # servers hang up after a minute or more; a connection older than this is not trusted
MOST_CONNECTIONS: Final = 8
MOST_MAILS_PER_CONNECTION: Final = 100  # many servers ask for a new connection about there
LONGEST_REASON: Final = 300

_PERMANENT: Final = range(500, 600)
_DEFERRED: Final = range(400, 500)


class _Kept(Struct):
    """An open connection, and what it has been used for."""

    client: SMTP
    mails: int = 0
    idle_since: float = 0.0


class SmtpProvider:
    """A mail server, spoken to by at most `most_connections` connections; more senders wait for their turn.

    `timeout_seconds` bounds each answer of the server, not the whole e-mail. `tls_context` replaces the system's
    certificate authorities. Where TLS is asked for there is no e-mail without it.
    """

    def __init__(
        self,
        server: SmtpServer,
        *,
        timeout_seconds: float = 20.0,
        most_connections: int = MOST_CONNECTIONS,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._timeout_seconds = timeout_seconds
        self._tls_context = tls_context
        self._turn = asyncio.Semaphore(most_connections)
        self._idle: list[_Kept] = []
        self._is_closed = False

    async def send(self, mail: Mail) -> Delivered:
        """Hand `mail` over to at least one of its recipients; see `MailProvider.send`.

        A recipient turned away only for now is in `refused` when another was accepted: the e-mail is gone by then,
        and trying again would send it twice to the others.

        Raises:
            MailDown: no connection, no answer in time, an answer 4xx, or the server does not let us in.
            MailRefused: an answer 5xx to the sender, to all recipients or to the content.
        """
        try:
            envelope = {to_ascii(address): address for address in mail.recipients}
            sender, content = bare_address(mail.sender), to_bytes(mail, now=datetime.now(UTC))
        except ValueError as error:
            raise MailRefused(f"The e-mail cannot be written: {_plain(str(error))}") from None
        async with self._turn:
            kept = await self._connect()
            try:
                refused, _ = await kept.client.sendmail(sender, list(envelope), content)
            except (SMTPException, OSError) as error:
                await _leave(kept.client)
                raise _meaning(error, envelope) from error
            except BaseException:  # cancelled half-way: what the server would answer next is not for us
                kept.client.close()
                raise
            await self._put_back(kept)
        return _delivered(envelope, refused)

    async def aclose(self) -> None:
        """Say goodbye on all idle connections; those in use end with their e-mail."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        for kept in idle:
            await _leave(kept.client)

    async def _connect(self) -> _Kept:
        """An open connection that has just answered, used before or new."""
        while self._idle:
            kept = self._idle.pop()
            if await self._is_alive(kept):
                return kept
            await _leave(kept.client)
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            local_hostname=_own_name(),
            timeout=self._timeout_seconds,
            use_tls=server.tls,
            start_tls={"required": True, "optional": None, "never": False}[server.starttls],
            tls_context=self._tls_context,
        )
        try:
            await client.connect()
        except (SMTPException, OSError, ValueError) as error:  # ssl's own errors are OSErrors, but for one
            reason = _plain(str(getattr(error, "message", error)))
            raise MailDown(f"{server.host}:{server.port} does not let us in: {reason}") from error
        return _Kept(client=client)

    async def _is_alive(self, kept: _Kept) -> bool:
        if kept.mails >= MOST_MAILS_PER_CONNECTION or time.monotonic() - kept.idle_since > IDLE_SECONDS:
            return False
        try:
            await kept.client.noop()
        except (SMTPException, OSError):
            return False
        except BaseException:  # cancelled while waiting: the connection would be lost to us, and never closed
            kept.client.close()
            raise
        return True

    async def _put_back(self, kept: _Kept) -> None:
        if self._is_closed:
            await _leave(kept.client)
            return
        kept.mails += 1
        kept.idle_since = time.monotonic()
        self._idle.append(kept)


def _delivered(envelope: Mapping[str, str], refused: Mapping[str, SMTPResponse]) -> Delivered:
    return Delivered(
        accepted=tuple(address for wire, address in envelope.items() if wire not in refused),
        refused={envelope[wire]: _plain(f"{answer.code} {answer.message}") for wire, answer in refused.items()},
    )


def _meaning(error: SMTPException | OSError, envelope: Mapping[str, str]) -> MailDown | MailRefused:
    """What an SMTP error makes of the e-mail. Only a clear 5xx is final."""
    match error:
        case SMTPRecipientsRefused(recipients=refused):
            return _all_refused(refused, envelope)
        case SMTPResponseException(code=code, message=answer) if code in _PERMANENT:
            return MailRefused(f"The mail server answered {code} {_plain(answer)}")
        case SMTPResponseException(code=code, message=answer) if code in _DEFERRED:
            return MailDown(f"The mail server answered {code} {_plain(answer)}")
        case _:
            return MailDown(f"The connection to the mail server broke off: {_plain(str(error))}")


def _all_refused(refused: list[SMTPRecipientRefused], envelope: Mapping[str, str]) -> MailDown | MailRefused:
    reasons = "; ".join(f"{envelope.get(r.recipient, r.recipient)}: {r.code} {_plain(r.message)}" for r in refused)
    if all(r.code in _PERMANENT for r in refused):
        return MailRefused(f"No recipient was accepted. {reasons}")
    return MailDown(f"No recipient was accepted, some only for now. {reasons}")


async def _leave(client: SMTP) -> None:
    try:
        await client.quit(timeout=1.0)
    except (SMTPException, OSError):
        pass
    finally:
        client.close()


def _own_name() -> str:
    """How we greet. A machine without a full name gives an address literal (RFC 5321, 4.1.3), as smtplib does.

    Asking the resolver for a full name, aiosmtplib's default, can take seconds where there is none.
    """
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _plain(answer: str) -> str:
    """A server's words, fit for a result and a log: one line, printable, bounded."""
    line = " ".join(answer.split())
    return "".join(character if character.isprintable() else "?" for character in line)[:LONGEST_REASON]
