"""What every answer carries, whoever gives it: request id, security headers, limits, a log line, the figures."""

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final, cast
from urllib.parse import unquote_to_bytes

import structlog
from litestar.exceptions import ClientException
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    HTTPScope,
    LifeSpanReceive,
    LifeSpanScope,
    LifeSpanSend,
    Message,
    Receive,
    Send,
    WebSocketReceiveMessage,
)
from msgspec.json import Encoder

from api.accept import Overloaded
from api.context import Notes, Use, note
from api.cors import Cors
from api.headers import SECURITY, request_id
from api.login_queue import is_login, look_ahead
from api.problems import MEDIA_TYPE, problem_of
from api.shedding import STATUS, Headers, Shedding, is_batch, is_submission
from api.sse import MEDIA_TYPE as STREAM
from api.standings import Standings
from api.under_way import Ticket

MOST_AT_ONCE: Final = 2_000

Lifespan = Callable[[], AbstractAsyncContextManager[None]]

BREAK_OFF: Final = "headrace.break_off"
"""Where in a scope's state the server keeps what drops the connection, with all that was written and not read."""

_LONGEST_SEND_SECONDS: Final = 20.0
_TRACEPARENT: Final = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_ENCODER: Final = Encoder()
_LOG: Final = structlog.stdlib.get_logger(__name__)

_LONGEST_URL: Final = 16_384
_LONGEST_LOGGED: Final = 200
_UNLOGGED: Final = ("/health/", "/metrics")

# A cache that knows Authorization keeps nothing of it for others, but none knows X-API-Key. Who asked may keep it, and
# asks each time whether it still stands.
_PRIVATE: Final = (b"cache-control", b"private, no-cache")


class Envelope:
    """Wraps the whole application, so that no answer leaves without: neither those of unknown paths nor of faults."""

    def __init__(  # noqa: PLR0913 - what it puts on every answer
        self, app: ASGIApp, use: Use, *, standings: Standings, cors: Cors, shedding: Shedding, lifespan: Lifespan
    ) -> None:
        """`lifespan` is entered before the first request, and left after the last."""
        self.shedding = shedding
        self._app = app
        self._use = use
        self._lifespan = lifespan
        self._figures = use.figures
        self._standings = standings
        self._cors = cors
        self._under_way = 0

    async def __call__(self, scope: HTTPScope | LifeSpanScope, receive: Any, send: Any) -> None:  # noqa: ANN401 - the scope says of what
        """Answer one request, or live from the server's start to its end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if is_login(scope["method"], scope["path"]):
            await self._answer_login(scope, receive, send)
            return
        ticket = self.shedding.ticket_of(scope)
        if ticket is None and is_submission(scope["method"], scope["path"]):
            if self.shedding.is_full():
                await self._refuse(scope, send)
                return
            if not is_batch(scope["path"]):
                ticket = self.shedding.ticket()
        # a copy: the server keeps its own, which knows that a HEAD has no body
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        try:
            receive = receive if ticket is None else _opening(ticket, receive)
            await self._answer(cast("HTTPScope", {**scope, "method": method}), receive, send, ticket)
        finally:
            if ticket is not None:
                ticket.close()

    async def _live(self, receive: LifeSpanReceive, send: LifeSpanSend) -> None:
        await receive()
        async with self._lifespan():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer_login(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        logins = self.shedding.logins
        arrival = await look_ahead(scope["path"], receive)
        if not arrival.is_refresh and logins.is_full:
            await _send_refusal(*self.shedding.refuse_login(scope, scope["path"].encode()), send)
            return
        with logins.one() if arrival.is_whole and not arrival.is_refresh else nullcontext():
            # a copy, as of every request
            await self._answer(cast("HTTPScope", {**scope}), arrival.receive, send, None)

    async def _refuse(self, scope: HTTPScope, send: Send) -> None:
        await _send_refusal(*self.shedding.refuse(scope, scope["path"].encode()), send)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send, ticket: Ticket | None) -> None:
        notes = _begin(scope, self._use)
        notes.ticket = ticket
        began = time.perf_counter()
        status = 0
        is_stream = False
        is_counted = not scope["path"].startswith(_UNLOGGED)

        async def send_enveloped(message: Message) -> None:
            nonlocal status, is_counted, is_stream
            if message["type"] == "http.response.start":
                status = message["status"]
                is_stream = _is_stream(message["headers"])
                if is_counted and is_stream:
                    is_counted = False  # a stream waits more than it works, and has a limit of its own
                    self._under_way -= 1
                message["headers"] = self._headers(scope, notes, list(message["headers"]))
            if is_stream:
                await _send_in_time(scope, message, send)
            else:
                await send(message)

        self._under_way += is_counted
        try:
            if is_counted and self._under_way > MOST_AT_ONCE:
                raise Overloaded("Too many requests are under way.", retry_after_seconds=1.0)  # noqa: TRY301 - one way out
            _check_url(scope)
            if (preflight := self._cors.preflight(scope)) is not None:
                await _send_nothing(preflight, send_enveloped)
                return
            await self._app(scope, receive, send_enveloped)
        except Exception as error:
            if status:
                raise  # half an answer is out: all that is left is to break off
            await _send_problem(scope, error, send_enveloped)
        finally:
            self._under_way -= is_counted
            self._finish(scope, notes, status, time.perf_counter() - began)

    def _headers(self, scope: HTTPScope, notes: Notes, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        names = {name.lower() for name, _ in given}
        headers = [*given, (b"x-request-id", notes.request_id.encode())]
        headers += [(name, value) for name, value in SECURITY if name not in names]
        if scope["path"].startswith("/v1"):
            if b"cache-control" not in names:
                headers.append(_PRIVATE)
            headers += (notes.standing or self._standings.of(scope)).headers()
            headers += self._cors.headers(scope)
        return headers

    def _finish(self, scope: HTTPScope, notes: Notes, status: int, seconds: float) -> None:
        route = scope.get("path_template") or "unrouted"
        self._figures.answered(scope["method"], route, status, seconds)
        if not scope["path"].startswith(_UNLOGGED):
            _LOG.info(
                "http.answered",
                method=scope["method"],
                path=scope["path"][:_LONGEST_LOGGED],
                status=status,
                duration_ms=round(seconds * 1000, 2),
                tenant_id=notes.caller.tenant_id if notes.caller else None,
            )


def _is_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-type" and value.startswith(STREAM.encode()) for name, value in headers)


def _opening(ticket: Ticket, receive: Receive) -> Receive:
    """`receive`, which opens the ticket when the request has arrived whole."""

    async def opening() -> HTTPReceiveMessage | WebSocketReceiveMessage:
        event = await receive()
        if event["type"] == "http.request" and not event.get("more_body"):
            ticket.open()
        return event

    return opening


def _begin(scope: HTTPScope, use: Use) -> Notes:
    given = dict(scope["headers"])
    traceparent = given.get(b"traceparent", b"")
    notes = Notes(
        use=use,
        request_id=request_id(given.get(b"x-request-id", b"")),
        came=time.monotonic(),
        traceparent=traceparent.decode() if _TRACEPARENT.fullmatch(traceparent) else None,
    )
    note(scope, notes)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=notes.request_id)
    return notes


def _check_url(scope: HTTPScope) -> None:
    """Refuse what no text column could hold: NUL, bytes that are not UTF-8, and more than anybody means."""
    url = scope.get("raw_path", b"") + b"?" + scope["query_string"]
    if len(url) > _LONGEST_URL:
        raise ClientException(status_code=414)
    if url.isascii() and b"%" not in url:
        return
    try:
        text = unquote_to_bytes(url).decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or not url.isascii():
        raise ClientException("The URL is not percent-encoded UTF-8 without NUL.")


async def _send_in_time(scope: HTTPScope, message: Message, send: Send) -> None:
    """Write a piece of a stream; who has taken none for 20 s is cut off, and takes it up again where it was."""
    try:
        async with asyncio.timeout(_LONGEST_SEND_SECONDS):
            await send(message)
    except TimeoutError:
        _LOG.warning("events.reader_cut", path=scope["path"][:_LONGEST_LOGGED])
        break_off: Callable[[], None] | None = scope.get("state", {}).get(BREAK_OFF)
        if break_off is None:
            raise
        break_off()


async def _send_nothing(headers: list[tuple[bytes, bytes]], send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_refusal(headers: Headers, body: bytes, send: Send) -> None:
    await send({"type": "http.response.start", "status": STATUS, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _send_problem(scope: HTTPScope, error: Exception, send: Send) -> None:
    problem, more = problem_of(scope, error)
    body = _ENCODER.encode(problem)
    headers = [(name.lower().encode(), value.encode()) for name, value in more.items()]
    headers += [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
