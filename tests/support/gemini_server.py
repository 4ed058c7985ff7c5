"""A stand-in for Gemini: a real HTTP server on loopback that answers, streams, throttles and fails as Gemini does.

In tests: `async with gemini_server(Refuses(code=429), Answers()) as server:` and point the provider at `server.url`;
each request takes the next step, and past the last one it is answered well. By itself:
`python -m tests.support.gemini_server --port 8081`, then `HEADRACE_GEMINI_BASE_URL=http://127.0.0.1:8081`.
"""

import argparse
import asyncio
import contextlib
import json
import re
import socket
import struct
from collections.abc import AsyncGenerator
from typing import Final
from urllib.parse import urlsplit

import msgspec

from tests.support.gemini_answers import begun, error_body, objection, pieces, silent, spoken, tokens, tokens_in, whole
from tests.support.gemini_batches import BatchDesk
from tests.support.gemini_script import (
    Answers,
    Asked,
    Breaks,
    Hangs,
    JsonObject,
    Refuses,
    Resets,
    Sends,
    Step,
    Truncates,
    Wanted,
)

ROUTE: Final = re.compile(
    r"/v1(?:beta)?/models/(?P<model>[\w.-]+):(?P<verb>generateContent|streamGenerateContent|countTokens)"
)
LINGER_NONE: Final = struct.pack("ii", 1, 0)  # close() then sends RST instead of FIN


class ClientGone(Exception):
    """The client closed its side."""


class GeminiServer:
    """The stand-in: where it is, what it was asked, what it does next."""

    def __init__(self, *script: Step) -> None:
        self.script = list(script)
        self.requests: list[Asked] = []
        self.batches = BatchDesk()
        self.bills: dict[int, tuple[int, int]] = {}
        """Tokens of prompts and of answers by request, the n-th, as each was told last."""
        self.connections = 0
        self.asked = asyncio.Event()
        self.left_by_client = asyncio.Event()
        self.url = ""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def tokens_billed(self) -> int:
        """All tokens of all requests."""
        return sum(prompt + output for prompt, output in self.bills.values())

    def step_for(self, asked: Asked) -> Step:  # noqa: ARG002 - who overrides it looks
        """What to do with a request: the next step of the script, past its end a good answer."""
        return self.script.pop(0) if self.script else Answers()

    def told(self, asked: Asked, said: JsonObject) -> None:
        """Called with each piece of an answer once it was sent; of a plain one with the whole."""

    def over(self, asked: Asked, *, left: bool) -> None:
        """Called when nothing more is done with a request; `left`: the client went away before."""

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; port 0 takes any."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port, limit=1 << 20)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Stop listening and end every connection, hanging ones too."""
        if self._server is not None:
            self._server.close()
        for connection in self._open:
            connection.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        if connection is not None:
            self._open.add(connection)
            connection.add_done_callback(self._open.discard)
        self.connections += 1
        try:
            while await _Exchange(self, reader, writer).serve():
                pass
        except (ClientGone, ConnectionError):
            self.left_by_client.set()
        except (asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client said goodbye, or `stop` did; a cancelled task would be logged as a fault
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()


class _Exchange:
    """One request and its answer."""

    def __init__(self, server: GeminiServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self._asked: Asked | None = None
        self._number = 0

    async def serve(self) -> bool:
        """Answer one request; whether the connection may carry another."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        path, query = urlsplit(target)[2:4]  # whole addresses are what a proxy is asked for
        if self._server.batches.is_asked(path) and headers.get("x-goog-api-key"):
            answer = self._server.batches.answer(method, path, body)
            return await self._vanish(Resets(), b"") if answer is None else await self._send(*answer)
        route = ROUTE.fullmatch(path)
        if method != "POST" or route is None:
            return await self._refuse(Refuses(code=404, message=f"{method} {path} is not found."))
        if not headers.get("x-goog-api-key"):
            return await self._refuse(Refuses(code=403, message="Method doesn't allow unregistered callers."))
        try:
            wanted = msgspec.json.decode(body, type=Wanted)
        except msgspec.DecodeError as error:
            return await self._refuse(Refuses(code=400, message=f"Invalid JSON payload received. {error}"))
        asked = Asked(path=path, query=query, headers=headers, wanted=wanted, **route.groupdict())
        self._asked = asked
        self._server.requests.append(asked)
        self._number = len(self._server.requests)
        self._server.asked.set()
        left = True
        try:
            goes_on = await self._do(asked)
            left = False
        finally:
            self._server.over(asked, left=left)
        return goes_on

    async def _do(self, asked: Asked) -> bool:
        if asked.verb == "countTokens":
            return await self._send(200, {"totalTokens": tokens(asked.user)})
        step = self._server.step_for(asked)
        await asyncio.sleep(step.delay_seconds)
        if (wrong := objection(asked)) is not None:
            return await self._refuse(Refuses(code=400, message=wrong))
        if asked.verb == "streamGenerateContent":
            return await self._stream(asked, step)
        return await self._act(asked, step)

    async def _act(self, asked: Asked, step: Step) -> bool:
        match step:
            case Breaks(then=then):
                return await self._act(asked, then)
            case Refuses():
                return await self._refuse(step)
            case Sends(body=body, code=code, content_type=content_type):
                return await self._send_bytes(code, body, content_type)
            case Hangs() | Resets() | Truncates():
                return await self._vanish(
                    step, b"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n" + b'{"candidates": ['
                )
            case _:
                said = spoken(asked, step)
                return await self._send(200, whole(asked, said) if said else silent(asked, step))

    async def _stream(self, asked: Asked, step: Step) -> bool:
        match step:
            case Refuses() | Sends() | Hangs() | Resets() | Truncates():
                return await self._act(asked, step)
            case Breaks(words=words, then=then):
                await self._begin_stream()
                for event in begun(asked, words):
                    await self._event(event)
                return await self._break(asked, then, "".join(words))
            case _:
                await self._begin_stream()
                said = spoken(asked, step)
                for event in pieces(asked, said) if said else [silent(asked, step)]:
                    await self._event(event)
                    await asyncio.sleep(said.pause_seconds if said else 0)
                return await self._end_stream()

    async def _break(self, asked: Asked, then: Step, after: str) -> bool:
        match then:
            case Refuses():
                await self._event(error_body(then.code, then.status, then.message, then.retry_delay))
            case Sends(body=body):
                await self._chunk(body)
            case Hangs() | Resets() | Truncates():
                return await self._vanish(then, b"40\r\ndata: {")
            case _:
                await self._event(silent(asked, then, after))
        return await self._end_stream()

    async def _vanish(self, how: Step, beginning: bytes) -> bool:
        match how:
            case Resets():
                sock: socket.socket = self._writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
                self._writer.transport.abort()
            case Truncates():
                await self._write(beginning)
            case _:
                await self._reader.read()
                raise ClientGone
        return False

    async def _refuse(self, refusal: Refuses) -> bool:
        body = error_body(refusal.code, refusal.status, refusal.message, refusal.retry_delay)
        extra = {} if refusal.retry_after is None else {"Retry-After": refusal.retry_after}
        return await self._send(refusal.code, body, extra)

    async def _send(self, code: int, body: JsonObject, extra: dict[str, str] | None = None) -> bool:
        goes_on = await self._send_bytes(code, json.dumps(body, indent=2).encode(), extra=extra)
        self._tell(body)
        return goes_on

    async def _send_bytes(
        self,
        code: int,
        body: bytes,
        content_type: str = "application/json; charset=UTF-8",
        extra: dict[str, str] | None = None,
    ) -> bool:
        headers = {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Server": "scaffolding",
            **(extra or {}),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        await self._write(f"HTTP/1.1 {code} Status\r\n{lines}\r\n".encode() + body)
        return True

    async def _begin_stream(self) -> None:
        await self._write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")

    async def _event(self, event: JsonObject) -> None:
        await self._chunk(f"data: {json.dumps(event, ensure_ascii=False)}\r\n\r\n".encode())
        self._tell(event)

    async def _chunk(self, content: bytes) -> None:
        if content:  # an empty chunk would end the stream
            await self._write(f"{len(content):x}\r\n".encode() + content + b"\r\n")

    async def _end_stream(self) -> bool:
        await self._write(b"0\r\n\r\n")
        return True

    def _tell(self, said: JsonObject) -> None:
        if self._asked is not None:
            if (bill := tokens_in(said)) is not None:
                self._server.bills[self._number] = bill
            self._server.told(self._asked, said)

    async def _write(self, content: bytes) -> None:
        if self._writer.is_closing():
            raise ClientGone
        self._writer.write(content)
        await self._writer.drain()


@contextlib.asynccontextmanager
async def gemini_server(*script: Step, port: int = 0) -> AsyncGenerator[GeminiServer]:
    """A running stand-in that does `script` step by step, then answers well."""
    server = GeminiServer(*script)
    await server.start(port)
    try:
        yield server
    finally:
        await server.stop()


async def _serve(port: int) -> None:
    async with gemini_server(port=port) as server:
        listening = f"HEADRACE_GEMINI_API_KEY=any HEADRACE_GEMINI_BASE_URL={server.url}"
        print(listening, flush=True)  # noqa: T201 - a command says where it listens
        await asyncio.Event().wait()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="A stand-in Gemini on loopback.")
    arguments.add_argument("--port", type=int, default=8081, help="0 takes any free one")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(arguments.parse_args().port))
