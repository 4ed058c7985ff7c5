"""Receivers of webhooks on loopback: one that is scripted, and one that must never hear of anything."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from ssl import SSLContext

from msgspec import Struct

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Came(Struct, frozen=True):
    """One request as it came, byte for byte."""

    line: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers with `answers` one after the other, the last one for ever; remembers what came."""

    def __init__(self) -> None:
        self.came: list[Came] = []
        self.answers: list[bytes] = [OK]
        self.pause_seconds = 0.0
        self.port = 0
        self.taking: set[asyncio.Task[None] | None] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taking.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            # names in lower case; values as they came
            spelled = {line.split(": ", 1)[0].lower(): line.split(": ", 1)[1] for line in head[1:] if line}
            body = await reader.readexactly(int(headers["content-length"]))
            self.came.append(Came(head[0], spelled, body))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if self.pause_seconds:
                for byte in answer:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(self.pause_seconds)
            else:
                writer.write(answer)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    """An answer, spelled."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def receiver(tls: SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver that listens."""
    it = Receiver()
    server = await asyncio.start_server(it.take, "127.0.0.1", 0, ssl=tls)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        await asyncio.gather(*(task for task in it.taking if task is not None))


class Sentinel:
    """Listens on loopback, and counts who connects."""

    def __init__(self) -> None:
        self.connections = 0
        self.heard = b""
        self.port = 0


@contextmanager
def sentinel() -> Iterator[Sentinel]:
    """A sentinel on a port of its own."""
    it = Sentinel()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        it.port = listening.getsockname()[1]

        def listen() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    it.connections += 1
                    with connection:
                        connection.settimeout(1)
                        with contextlib.suppress(OSError):
                            it.heard += connection.recv(1000)

        threading.Thread(target=listen, daemon=True).start()
        try:
            yield it
        finally:
            listening.shutdown(socket.SHUT_RDWR)
