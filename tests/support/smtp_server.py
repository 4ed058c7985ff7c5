"""A mail server that does as it is told: refuses, defers, hangs up, keeps silent. It records what it takes."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Received:
    """One e-mail the server took, or read and then hung up on."""

    sender: str
    recipients: list[str]
    content: bytes


@dataclass
class ScriptedSmtp:
    """What the server answers; `None` is 250. Change it while it runs."""

    greeting: str | None = None
    is_silent: bool = False  # no greeting at all
    to_sender: str | None = None
    to_recipient: Mapping[str, str] = field(default_factory=dict)
    to_content: str | None = None
    drops_after_content: int = 0  # hang up that many times instead of answering
    holds_content: asyncio.Event | None = None  # answer only once this is set
    users: Mapping[str, str] = field(default_factory=dict)
    offers_tls: ssl.SSLContext | None = None

    port: int = 0
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    received: list[Received] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    content_arrived: asyncio.Event = field(default_factory=asyncio.Event)
    transports: set[asyncio.Transport] = field(default_factory=set)

    def hang_up(self) -> None:
        """Cut every connection, as a server does that restarts."""
        for transport in tuple(self.transports):
            # Python 3.11's TLS transport is left without its protocol when the other side has closed first
            with contextlib.suppress(AttributeError):
                transport.abort()


@asynccontextmanager
async def run_smtp(
    script: ScriptedSmtp | None = None, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ScriptedSmtp]:
    """Serve `script` on a free port of loopback inside the block; `tls` encrypts from the first byte."""
    script = script or ScriptedSmtp()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Server(script), "127.0.0.1", 0, ssl=tls)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()
        script.hang_up()
        await server.wait_closed()


class _Server(SMTP):
    def __init__(self, script: ScriptedSmtp) -> None:
        super().__init__(
            _Answers(script),
            enable_SMTPUTF8=True,
            hostname="scripted",
            tls_context=script.offers_tls,
            auth_require_tls=False,
            auth_required=False,
            authenticator=_Door(script),
            loop=asyncio.get_running_loop(),
        )
        self._script = script
        self._own: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._own is None and isinstance(transport, asyncio.Transport):
            self._own = transport
            script = self._script
            script.transports.add(transport)
            script.connections += 1
            script.open_now += 1
            script.most_open = max(script.most_open, script.open_now)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._own is not None:
            self._script.transports.discard(self._own)
            self._script.open_now -= 1
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        if self._script.is_silent:
            await asyncio.Event().wait()
        if self._script.greeting is not None:
            await self.push(self._script.greeting)
            self._writer.close()
            return
        await super()._handle_client()


class _Door:
    def __init__(self, script: ScriptedSmtp) -> None:
        self._script = script

    def __call__(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: object) -> AuthResult:
        assert isinstance(given, LoginPassword)
        user = given.login.decode()
        self._script.logins.append(user)
        return AuthResult(success=self._script.users.get(user) == given.password.decode(), handled=False)


class _Answers:  # its methods are named as aiosmtpd looks for them
    def __init__(self, script: ScriptedSmtp) -> None:
        self._script = script

    async def handle_MAIL(self, _s: SMTP, _n: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        if self._script.to_sender is not None:
            return self._script.to_sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _s: SMTP, _n: Session, envelope: Envelope, address: str, _options: list[str]) -> str:  # noqa: N802
        if address in self._script.to_recipient:
            return self._script.to_recipient[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        script = self._script
        script.content_arrived.set()
        if script.holds_content is not None:
            await script.holds_content.wait()
        if script.to_content is not None:
            return script.to_content
        script.received.append(Received(envelope.mail_from or "", envelope.rcpt_tos, envelope.original_content or b""))
        if script.drops_after_content:
            script.drops_after_content -= 1
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
            await asyncio.Event().wait()  # cancelled with the connection
        return "250 OK"
