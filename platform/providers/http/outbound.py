"""Posting to addresses that others name: resolved once, judged, and connected to by what was judged.

Speaks HTTP/1.1 on a connection of its own for each request. A client made for general use would ask a name server a
second time, follow redirects, take proxies from the environment or unpack what it is given: all ways to be led astray.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from ipaddress import ip_address
from typing import Final

import httptools
from msgspec import Struct

from domain.errors import Unavailable
from providers.http.addresses import Address, is_loopback, is_public, plain_address
from providers.http.target import Rules, Target, UrlRefused, read_url

TOTAL_SECONDS: Final = 15.0
MOST_READ: Final = 64 * 1024

_CONNECT_SECONDS: Final = 5.0
_RESOLVE_SECONDS: Final = 5.0
_MOST_ADDRESSES: Final = 8
_FIRST_FINAL: Final = 200
_PART: Final = 16 * 1024
_NO_ANSWER: Final = (
    "There was no answer in HTTP: no connection, no TLS with a certificate that is valid for the name, or not within "
    f"{TOTAL_SECONDS:g} s."
)
_LOOPBACK: Final = ("127.0.0.1", "::1")

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""From a name to all its addresses, of both versions; raises OSError where there are none."""

Connect = Callable[[Address, int], Awaitable[socket.socket]]
"""A connection to an address; raises OSError where there is none."""


class AddressRefused(Unavailable):
    """The name leads where nothing may be sent, or nowhere. Nothing was connected to."""

    code = "address_refused"
    title = "The host's address is refused"


class NoAnswer(Unavailable):
    """Nothing answered in HTTP. Why is not said: it would tell open ports from closed ones."""

    code = "no_answer"
    title = "The endpoint did not answer"


class HttpAnswer(Struct, frozen=True, kw_only=True):
    """What was answered: `body` is at most the first 64 KiB, head included; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outbound:
    """Posts to URLs within `rules`. How names are resolved and connections made is for tests to replace."""

    def __init__(
        self,
        rules: Rules,
        *,
        resolve: Resolve | None = None,
        connect: Connect | None = None,
        tls_context: ssl.SSLContext | None = None,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self.rules = rules
        self._resolve = resolve or _Resolver()
        self._connect = connect or connect_to
        self._tls_context = tls_context
        self._total_seconds = total_seconds

    def read(self, url: str) -> Target:
        """Where `url` leads; nobody is asked.

        Raises:
            UrlRefused: nothing may be sent there.
        """
        return read_url(url, self.rules)

    async def check(self, url: str) -> None:
        """Go on only if `url` leads where may be sent to, as far as is known now; each sending asks again.

        A name that nobody knows yet passes: it may become known, and is no way in as long as it is not.

        Raises:
            UrlRefused: nothing may be sent there.
        """
        target = self.read(url)
        try:
            await self._addresses(target)
        except AddressRefused as refused:
            raise UrlRefused(refused.detail) from None
        except OSError:
            return

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """Post `body` and read the answer, in at most 15 s altogether. Redirects are answers like any other.

        Raises:
            UrlRefused, AddressRefused: nothing may be sent there; no connection was opened.
            NoAnswer: no answer came, or none in HTTP.
        """
        target = self.read(url)
        reading = _Reading()
        try:
            async with asyncio.timeout(self._total_seconds):
                connection = await self._connected(target)
                await self._exchange(connection, target, _spell(target, body, headers), reading)
        except (OSError, EOFError, httptools.HttpParserError) as error:  # a timeout is an OSError
            if not reading.is_answered:
                raise NoAnswer(_NO_ANSWER) from error
        if not reading.is_answered:
            raise NoAnswer(_NO_ANSWER)
        return HttpAnswer(status=reading.status, headers=reading.headers, body=bytes(reading.body))

    async def _connected(self, target: Target) -> socket.socket:
        """A connection to one of the target's addresses, all of which were judged."""
        try:
            addresses = await self._addresses(target)
        except OSError as error:
            raise AddressRefused(_refusal()) from error
        failed: OSError = OSError("no address")
        for address in addresses[:_MOST_ADDRESSES]:
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    connection = await self._connect(address, target.port)
            except OSError as error:
                failed = error
                continue
            if not self._may_be(connection):
                connection.close()
                raise AddressRefused(_refusal())
            return connection
        raise failed

    async def _addresses(self, target: Target) -> list[Address]:
        """The target's addresses, if every one of them may be connected to.

        Raises:
            AddressRefused: one may not.
            OSError: there are none.
        """
        if target.address is not None:
            return [target.address]
        if target.is_here:
            return [ip_address(spelled) for spelled in _LOOPBACK]
        async with asyncio.timeout(_RESOLVE_SECONDS):
            spelled = await self._resolve(target.host)
        try:
            found = [plain_address(ip_address(one)) for one in spelled]
        except ValueError:
            raise AddressRefused(_refusal()) from None
        if not found:
            raise OSError("the name has no address")
        if not all(self._may_reach(address) for address in found):
            raise AddressRefused(_refusal())
        return found

    def _may_reach(self, address: Address) -> bool:
        return is_public(address) or (self.rules.loopback and is_loopback(address))

    def _may_be(self, connection: socket.socket) -> bool:
        """Whether who is at the other end is one we may speak to: the last look, before a byte is sent."""
        try:
            return self._may_reach(plain_address(ip_address(connection.getpeername()[0])))
        except ValueError:
            return False

    async def _exchange(self, connection: socket.socket, target: Target, request: bytes, reading: "_Reading") -> None:
        context = (self._tls_context or _default_tls()) if target.is_tls else None
        try:
            reader, writer = await asyncio.open_connection(
                sock=connection, ssl=context, server_hostname=target.host if context else None, limit=_PART
            )
        except BaseException:
            connection.close()
            raise
        try:
            writer.write(request)
            await writer.drain()
            while not reading.is_over and (part := await reader.read(_PART)):
                reading.feed(part)
        finally:
            writer.transport.abort()


class _Reading:
    """An answer as it arrives, taken in up to a limit."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.is_answered = False
        self.is_over = False
        self._left = MOST_READ
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, part: bytes) -> None:
        """Take in what came."""
        part = part[: self._left]
        self._left -= len(part)
        self._parser.feed_data(part)
        self.is_over = self.is_over or self._left <= 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is whole."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is whole: from here on there is an answer, whatever becomes of its body."""
        self.status = self._parser.get_status_code()
        self.is_answered = self.status >= _FIRST_FINAL
        if not self.is_answered:
            self.headers.clear()

    def on_body(self, part: bytes) -> None:
        """A part of the body came."""
        self.body += part

    def on_message_complete(self) -> None:
        """The answer is whole; one before the last (1xx) is none."""
        self.is_over = self.is_answered


class _Resolver:
    """The system's resolver, in threads of its own: one that hangs holds up nobody else's."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolve")

    async def __call__(self, host: str) -> list[str]:
        # with the dot at its end it is a whole name, to which no domain of ours is appended
        asked = asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(f"{host}.", None, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(info[4][0]) for info in await asked))


async def connect_to(address: Address, port: int) -> socket.socket:
    """A TCP connection to exactly this address.

    Raises:
        OSError: there is none.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4's number
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)  # noqa: FBT003 - the standard library's signature
        await asyncio.get_running_loop().sock_connect(connection, (str(address), port))
    except BaseException:
        connection.close()
        raise
    return connection


def _spell(target: Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = {
        "Host": target.host_header,
        "User-Agent": "Headrace",
        "Accept": "*/*",
        "Connection": "close",
        "Content-Length": str(len(body)),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {target.path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body


@cache
def _default_tls() -> ssl.SSLContext:
    """The system's authorities, read once: it takes tens of milliseconds."""
    return ssl.create_default_context()


def _refusal() -> str:
    return "The host's name has no address, or one that is not of the public Internet."
