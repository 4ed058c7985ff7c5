"""A bad network: a TCP proxy on loopback that is slow, silent, cut or reset as a test tells it, while it runs."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct

_CHUNK: Final = 16 * 1024
_LINGER_NOTHING: Final = struct.pack("ii", 1, 0)  # closing sends a reset


class Weather(Struct, kw_only=True):
    """How the network is now; what is changed holds for connections that are open already, too.

    `latency_seconds` is added to each chunk one way. Stalled, nothing passes and nobody is told. A connection is reset
    once `cut_after_bytes` have passed in the direction of the client: a reply that never arrives whole.
    """

    latency_seconds: float = 0.0
    is_stalled: bool = False
    refuses: bool = False
    cut_after_bytes: int | None = None


class Proxy:
    """Stands before one server; listens on `port`."""

    def __init__(self, host: str, port: int, weather: Weather) -> None:
        self.weather = weather
        self.port = 0
        self._server_at = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._calm = asyncio.Event()
        self._serving: set[asyncio.Task[None]] = set()

    def change(self, weather: Weather) -> None:
        """From now on the network is like this."""
        self.weather = weather
        self._calm.set()
        self._calm = asyncio.Event()

    def reset_all(self) -> int:
        """Reset every connection that is open; how many ends those had."""
        ends = tuple(self._open)
        for writer in ends:
            _reset(writer)
        return len(ends)

    async def close(self) -> None:
        """Reset every connection, and wait until nothing of them is left."""
        self.reset_all()
        self.change(Weather())
        while self._serving:
            await asyncio.wait(self._serving)

    def accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Serve one more connection."""
        serving = asyncio.create_task(self._serve(client, to_client))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self.weather.refuses:
            _reset(to_client)
            return
        try:
            server, to_server = await self._reach()
        except OSError:
            _reset(to_client)
            return
        self._open |= {to_client, to_server}
        ways = (
            asyncio.create_task(self._pass(client, to_server, is_reply=False)),
            asyncio.create_task(self._pass(server, to_client, is_reply=True)),
        )
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for writer in (to_client, to_server):
                self._open.discard(writer)
                writer.close()
            await asyncio.gather(to_client.wait_closed(), to_server.wait_closed(), return_exceptions=True)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._server_at
        if host.startswith("/"):  # as libpq names the folder of a Unix socket
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_reply: bool) -> None:
        passed = 0
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(_CHUNK):
                await asyncio.sleep(self.weather.latency_seconds)
                while self.weather.is_stalled:
                    await self._calm.wait()
                most = self.weather.cut_after_bytes
                if is_reply and most is not None and passed + len(chunk) > most:
                    writer.write(chunk[: max(0, most - passed)])
                    await writer.drain()
                    self.reset_all()
                    return
                passed += len(chunk)
                writer.write(chunk)
                await writer.drain()


@asynccontextmanager
async def open_proxy(host: str, port: int, weather: Weather | None = None) -> AsyncGenerator[Proxy]:
    """A proxy before the server at `host` and `port`, for the length of the block.

    A `host` that is a folder is that of a Postgres's Unix socket; what connects to the proxy does so over TCP.
    """
    proxy = Proxy(host, port, weather or Weather())
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
        await server.wait_closed()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw: socket.socket | None = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOTHING)
    writer.transport.abort()
