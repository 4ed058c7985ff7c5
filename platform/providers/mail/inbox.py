"""The local inbox: a real SMTP server on loopback that keeps every e-mail as a file."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Final
from uuid import UUID

from aiosmtpd.smtp import SMTP, Envelope, Session
from msgspec import Struct
from uuid_utils.compat import uuid7

from domain.errors import NotFound

LARGEST_MAIL_BYTES: Final = 25 * 1024 * 1024
IDLE_SECONDS: Final = 300.0

_ID: Final = re.compile(r"[0-9a-f]{32}")
_ENDING: Final = ".eml"
_LARGEST_HEAD_BYTES: Final = 64 * 1024
_FROM: Final = "X-Envelope-From"
_TO: Final = "X-Envelope-To"


class MailNotFound(NotFound):
    """No e-mail of that id is in the inbox."""

    code = "mail_not_found"
    title = "No such e-mail"


class MailSummary(Struct, frozen=True, kw_only=True):
    """An e-mail as a line of a list. `recipients` is who it was handed over for, hidden ones too."""

    id: str
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str
    size_bytes: int


class StoredMail(Struct, frozen=True, kw_only=True):
    """An e-mail as it is read: its summary, its headers in order and its two bodies."""

    summary: MailSummary
    headers: tuple[tuple[str, str], ...]
    text: str | None
    html: str | None


def list_mails(directory: Path, limit: int = 50) -> tuple[MailSummary, ...]:
    """The latest `limit` e-mails of the inbox, newest first; none when there is no inbox yet."""
    try:
        found = [path.stem for path in directory.iterdir() if path.suffix == _ENDING and _ID.fullmatch(path.stem)]
    except FileNotFoundError:
        return ()
    return tuple(_read_summary(directory, mail_id) for mail_id in sorted(found, reverse=True)[:limit])


def read_mail(directory: Path, mail_id: str) -> StoredMail:
    """One e-mail, decoded.

    Raises:
        MailNotFound: it is not there.
    """
    content = read_raw_mail(directory, mail_id)
    message = message_from_bytes(content, policy=policy.default)
    return StoredMail(
        summary=_summary(mail_id, content, len(content)),
        headers=tuple(_headers(message)),
        text=_body(message, "plain"),
        html=_body(message, "html"),
    )


def read_raw_mail(directory: Path, mail_id: str) -> bytes:
    """One e-mail as it came in, below two headers of ours: who it came from, and for whom.

    Raises:
        MailNotFound: it is not there.
    """
    if not _ID.fullmatch(mail_id):
        raise MailNotFound(f"No e-mail {mail_id!r} is in the inbox.")
    try:
        return (directory / f"{mail_id}{_ENDING}").read_bytes()
    except FileNotFoundError:
        raise MailNotFound(f"No e-mail {mail_id!r} is in the inbox.") from None


async def serve_inbox(directory: Path, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Take e-mails on `host:port` until SIGTERM or SIGINT. `ready` is told the port, which 0 leaves to the system.

    Raises:
        OSError: the address is taken, or the directory cannot be written.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    try:
        async with open_inbox(directory, host, port) as bound:
            ready(bound)
            await stop.wait()
    finally:
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(sign)


@contextlib.asynccontextmanager
async def open_inbox(directory: Path, host: str = "127.0.0.1", port: int = 0) -> AsyncGenerator[int, None]:
    """An inbox that takes e-mails inside the block; gives its port. Connections still open at the end are cut.

    Raises:
        OSError: the address is taken, or the directory cannot be written.
    """
    await asyncio.to_thread(_prepare, directory)
    connections: set[_Connection] = set()
    keeper = _Keeper(directory)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(keeper, connections), host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in tuple(connections):
            connection.cut()
        await server.wait_closed()


class _Connection(SMTP):
    """One client's connection, known to the inbox so that it can be cut."""

    def __init__(self, keeper: "_Keeper", connections: "set[_Connection]") -> None:
        super().__init__(
            keeper,
            data_size_limit=LARGEST_MAIL_BYTES,
            enable_SMTPUTF8=True,
            hostname="localhost",
            ident="Headrace inbox",
            timeout=IDLE_SECONDS,
            loop=asyncio.get_running_loop(),
        )
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        super().connection_lost(error)

    def cut(self) -> None:
        """Hang up at once."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()


class _Keeper:
    """What the SMTP server does with an e-mail: it is answered 250 once its file has its name."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        mail_id = uuid7().hex
        try:
            await asyncio.to_thread(_keep, self._directory, mail_id, _with_envelope(envelope))
        except OSError:
            return "451 4.3.0 The e-mail could not be stored"
        return f"250 2.0.0 Kept as {mail_id}"

    async def handle_exception(self, error: Exception) -> str:
        return f"451 4.3.0 {type(error).__name__}"


def _prepare(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for leftover in directory.glob(".*.part"):  # of a process that died while it wrote
        leftover.unlink(missing_ok=True)


def _keep(directory: Path, mail_id: str, content: bytes) -> None:
    """Write whole or not at all; a reader never sees half an e-mail."""
    part = directory / f".{mail_id}.part"
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    part.rename(directory / f"{mail_id}{_ENDING}")


def _with_envelope(envelope: Envelope) -> bytes:
    recipients = ",\r\n ".join(_header_safe(address) for address in envelope.rcpt_tos)
    head = f"{_FROM}: {_header_safe(envelope.mail_from or '')}\r\n{_TO}: {recipients}\r\n"
    return head.encode() + (envelope.original_content or b"")


def _header_safe(address: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in address)


def _read_summary(directory: Path, mail_id: str) -> MailSummary:
    with (directory / f"{mail_id}{_ENDING}").open("rb") as file:
        return _summary(mail_id, file.read(_LARGEST_HEAD_BYTES), os.fstat(file.fileno()).st_size)


def _summary(mail_id: str, head: bytes, size_bytes: int) -> MailSummary:
    headers = dict(reversed(_headers(BytesHeaderParser(policy=policy.compat32).parsebytes(head))))  # the first wins
    return MailSummary(
        id=mail_id,
        received_at=datetime.fromtimestamp((UUID(mail_id).int >> 80) / 1000, UTC),
        sender=headers.get("From", ""),
        recipients=tuple(address.strip() for address in headers.get(_TO, "").split(",") if address.strip()),
        subject=headers.get("Subject", ""),
        message_id=headers.get("Message-ID", "").strip(),
        size_bytes=size_bytes,
    )


def _headers(message: Message) -> list[tuple[str, str]]:
    return [(name, _readable(name, value)) for name, value in message.raw_items()]


def _readable(name: str, value: object) -> str:
    """A header decoded. Anybody may have written it: what the parser chokes on is shown as it came."""
    raw = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        return str(policy.default.header_factory(name, "".join(raw.splitlines())))
    except Exception:  # noqa: BLE001 - the standard parser fails in many ways on hostile headers
        return raw


def _body(message: EmailMessage, subtype: str) -> str | None:
    try:
        part = message.get_body((subtype,))
        content = None if part is None else part.get_content()
    except Exception:  # noqa: BLE001 - as above: an unknown charset, a broken multipart
        return None
    return content.replace("\r\n", "\n") if isinstance(content, str) else None
