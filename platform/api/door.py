"""The server's side: what is answered before a request is made of it.

That is a submission to be shed, or a registration while too many passwords wait to be hashed: uvicorn starts a
coroutine for every request, which costs several times what a refusal does. Here it is written straight to the
connection, which stays open. Whatever is not plain goes the usual way, and is refused there if it must be. And it is
what is no HTTP, of which no request can be made.
"""

import asyncio
import socket
import struct
from typing import ClassVar, Final, cast

import msgspec
from litestar.types import HTTPScope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.app import Application
from api.envelope import BREAK_OFF, Envelope
from api.headers import SECURITY
from api.login_queue import REGISTER
from api.problems import MEDIA_TYPE, problem_before
from api.shedding import STATUS_LINE, SUBMISSIONS, TICKET, Headers, Shedding
from api.under_way import Ticket
from runtime.unique_ids import new_id

_PATHS: Final = frozenset(path.encode() for path in SUBMISSIONS)
_REGISTER: Final = REGISTER.encode()
_KEPT_BYTES: Final = 128 * 1024
_LINGER_NOTHING: Final = struct.pack("ii", 1, 0)


class Door(HttpToolsProtocol):
    """One connection of uvicorn's, which asks before it lets a submission in."""

    shedding: ClassVar[Shedding]
    unsent: ClassVar[list[tuple[asyncio.Transport, bytes]]]
    _ticket: Ticket | None = None  # of the request that is arriving

    def on_headers_complete(self) -> None:
        """Refuse the request, or let it in, as uvicorn would."""
        path = self.url.partition(b"?")[0]
        if path == _REGISTER and self.shedding.logins.is_full and self._is_plain_post():
            headers, body = self.shedding.refuse_login(cast("HTTPScope", self.scope), path)
            self._refuse(self._spelled(STATUS_LINE, headers, body))
        elif path not in _PATHS or not self._is_plain_post():
            super().on_headers_complete()
            # uvicorn closes politely, which who does not read never lets it finish
            self.scope["state"] = {**self.scope.get("state", {}), BREAK_OFF: self._break_off}
            if path.endswith(b"/events"):
                self._keep_little()
        elif self.shedding.is_full():
            own = self.server_state.default_headers
            self._refuse(self.shedding.refuse_at_once(cast("HTTPScope", self.scope), path, own))
        else:
            super().on_headers_complete()
            self._ticket = self.shedding.ticket()
            self.scope["state"] = {**self.scope.get("state", {}), TICKET: self._ticket}

    def on_message_complete(self) -> None:
        """Count the submission from now on: before its coroutine begins, so that a burst is seen as one."""
        super().on_message_complete()
        if self._ticket is not None:
            self._ticket.open()
            self._ticket = None

    def shutdown(self) -> None:
        """Close politely, as uvicorn does: who was refused hears of it."""
        self._send()
        super().shutdown()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - as uvicorn calls it
        """Refuse what is no HTTP, and close: nobody knows where on the connection the next request would begin."""
        self._send()
        if self.cycle and not self.cycle.response_complete and not self.cycle.more_body:  # type: ignore[truthy-bool] # None at first
            # a whole request before it is under way, and would be taken to be answered with this
            self.transport.close()
            return
        told_id = new_id("req").encode()
        body = msgspec.json.encode(problem_before(told_id.decode(), "malformed"))
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", told_id),
            *SECURITY,
            (b"connection", b"close"),
        ]
        self.transport.write(self._spelled(b"HTTP/1.1 400 Bad Request", headers, body))
        self.transport.close()

    def _keep_little(self) -> None:
        """Let the kernel keep 128 KiB of a stream that is not read, in place of up to 4 MiB."""
        taken: socket.socket | None = self.transport.get_extra_info("socket")
        if taken is not None:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KEPT_BYTES // 2)  # which it doubles

    def _break_off(self) -> None:
        """Drop the connection with all that was written to it and not read; the client is told by a reset."""
        # closed any other way, the kernel would go on offering it to who does not take it
        taken: socket.socket | None = self.transport.get_extra_info("socket")
        if taken is not None:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOTHING)
        self.transport.abort()

    def _is_plain_post(self) -> bool:
        """Whether it is a POST, nothing else is under way on the connection, and that stays open afterwards."""
        parser = self.parser
        assert parser is not None  # noqa: S101 - it is what calls
        return (
            parser.get_method() == b"POST"
            and (not self.cycle or self.cycle.response_complete)  # type: ignore[truthy-bool] # None at first
            and not self.expect_100_continue
            and not self.flow.write_paused
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
        )

    def _refuse(self, answer: bytes) -> None:
        # Written one by one, each would wake its client, which costs more than all else of a refusal: those of one turn
        # of the loop are written together.
        if not self.unsent:
            self.loop.call_soon(self._send)
        self.unsent.append((self.transport, answer))
        self.cycle = _ANSWERED  # type: ignore[assignment] # what is left of the body is passed over
        self.on_response_complete()

    def _send(self) -> None:
        for transport, answer in self.unsent:
            if not transport.is_closing():
                transport.write(answer)
        self.unsent.clear()

    def _spelled(self, status_line: bytes, headers: Headers, body: bytes) -> bytes:
        lines = [b"%b: %b" % header for header in (*self.server_state.default_headers, *headers)]
        return b"\r\n".join((status_line, *lines, b"", body))


class _Answered:
    """Stands for a request that was answered before anything was made of it."""

    response_complete = True
    message_event = asyncio.Event()


_ANSWERED: Final = _Answered()


def door_to(app: Application) -> type[Door]:
    """The protocol for uvicorn to serve an application of `make_app` with."""
    assert isinstance(app, Envelope)  # noqa: S101 - as `make_app` makes them

    given = app.shedding

    class DoorToThis(Door):
        shedding = given
        unsent: ClassVar[list[tuple[asyncio.Transport, bytes]]] = []

    return DoorToThis
