"""Turning submissions away while there are too many: early, at the least cost, and never what helps out of it.

Reads, cancels, health and figures go on. A refusal is made of bytes prepared ahead; it is counted, and logged by one
line a second for all.
"""

import asyncio
import random
import time
from typing import Final

import structlog
from litestar.types import HTTPScope
from msgspec import Struct
from msgspec.json import Encoder

from api.accept import Overloaded
from api.cors import Cors
from api.figures import Figures
from api.headers import SECURITY, request_id
from api.login_queue import LoginQueue
from api.problems import MEDIA_TYPE, Problem, base_url
from api.standings import Standings
from api.under_way import Ticket, UnderWay
from domain.errors import Unavailable
from runtime.passwords import LoginsBusy

SUBMISSIONS: Final = frozenset(
    {
        "/v1/jobs",
        "/v1/orders",
        "/v1/emails",
        "/v1/text/summarize",
        "/v1/text/moderate",
        "/v1/text/classify",
        "/v1/text/generate",
    }
)
"""What a POST to submits a job, and may be turned away unheard."""

BATCHES: Final = "/v1/batches"
"""A POST to it is turned away as they are, but takes too long in itself to tell of the load: it is not counted."""

STATUS: Final = 503

TICKET: Final = "headrace.ticket"
"""Where in a scope's state a ticket is kept that was given before the application saw the request."""

_SOONEST_SECONDS: Final = 1
_LATEST_SECONDS: Final = 4
_LOOKS_PER_SECOND: Final = 20
_ALWAYS: Final = ((b"content-type", MEDIA_TYPE.encode()), *SECURITY)
_LOG: Final = structlog.stdlib.get_logger(__name__)

STATUS_LINE: Final = b"HTTP/1.1 %d Service Unavailable" % STATUS
_LEFT_OPEN: Final = b"\0"  # stands in no header, and in none of the paths
_MOST_MADE: Final = 1_000

Headers = list[tuple[bytes, bytes]]


class _Made(Struct, frozen=True):
    """A refusal but for when to come back, its length and its id: what stands before, between and after those.

    `body_bytes` is how long its body is without the id.
    """

    pieces: list[bytes]
    body_bytes: int


def _template(error: type[Unavailable], detail: str) -> bytes:
    """What is said of `error`; base of URLs, path and request id are to be put in."""
    return Encoder().encode(
        Problem(
            type="%b/problems/" + error.code,
            title=error.title,
            status=STATUS,
            detail=detail,
            instance="%b",
            code=error.code,
            request_id="%b",
            retryable=error.retryable,
        )
    )


_BODY: Final = _template(Overloaded, "More submissions are under way than can be answered soon.")
_LOGIN_BODY: Final = _template(LoginsBusy, "Too many passwords are being checked.")


class Shedding:
    """Who decides at the door of one process."""

    def __init__(
        self, figures: Figures, standings: Standings, cors: Cors, logins: LoginQueue, *, target_seconds: float
    ) -> None:
        self.under_way = UnderWay(target_seconds=target_seconds)
        self.logins = logins
        self._figures = figures
        self._standings = standings
        self._cors = cors
        self._spread = random.Random()  # noqa: S311 - so that the refused do not come back as one
        self._refused = 0
        self._made: dict[tuple[bytes, ...], _Made] = {}

    def is_full(self) -> bool:
        """Whether a submission that arrives now is to be refused."""
        return self.under_way.is_full()

    def ticket(self) -> Ticket:
        """For a submission that is let in, to be opened when it has arrived."""
        return Ticket(self.under_way, time.monotonic)

    def ticket_of(self, scope: HTTPScope) -> Ticket | None:
        """The ticket that was given to this request before, at the server's door."""
        ticket: Ticket | None = scope.get("state", {}).get(TICKET)
        return ticket

    def refuse(self, scope: HTTPScope, path: bytes) -> tuple[Headers, bytes]:
        """What a refused submission is told: headers and body, as `Overloaded` would be anywhere else."""
        self._refused += 1
        return self._told(scope, path, _BODY, request_id(_header(scope, b"x-request-id")), self._when())

    def refuse_at_once(self, scope: HTTPScope, path: bytes, server_headers: Headers) -> bytes:
        """The same, all of it as it goes over the wire, with the server's own headers.

        Most of it is made once for all who ask alike within a twentieth of a second: while there is too much to do, a
        refusal is what there is most of.
        """
        self._refused += 1
        host = given = key = origin = b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"authorization" or (name == b"x-api-key" and not key):
                key = value
            elif name == b"x-request-id":
                given = value
            elif name == b"origin":
                origin = value
        alike = path, host, key, origin
        made = self._made.get(alike)
        if made is None:
            if len(self._made) >= _MOST_MADE:
                self._made.clear()
            made = self._made[alike] = self._make(scope, path, server_headers)
        told_id = request_id(given).encode()
        to_when, to_length, to_id, to_body, end = made.pieces
        length = b"%d" % (made.body_bytes + len(told_id))
        return b"".join((to_when, self._when(), to_length, length, to_id, told_id, to_body, told_id, end))

    def refuse_login(self, scope: HTTPScope, path: bytes) -> tuple[Headers, bytes]:
        """What a refused login or registration is told, as `LoginsBusy` would be anywhere else."""
        self.logins.refused += 1
        return self._told(scope, path, _LOGIN_BODY, request_id(_header(scope, b"x-request-id")), self._when())

    def _when(self) -> bytes:
        return b"%d" % (_SOONEST_SECONDS + int(self._spread.random() * (_LATEST_SECONDS - _SOONEST_SECONDS + 1)))

    def _make(self, scope: HTTPScope, path: bytes, server_headers: Headers) -> _Made:
        headers, body = self._told(scope, path, _BODY, _LEFT_OPEN.decode(), _LEFT_OPEN)
        spelled = (b"%b: %b" % (name, _LEFT_OPEN if name == b"content-length" else value) for name, value in headers)
        own = (b"%b: %b" % header for header in server_headers)
        pieces = b"\r\n".join((STATUS_LINE, *own, *spelled, b"", body)).split(_LEFT_OPEN)
        return _Made(pieces, len(body) - len(_LEFT_OPEN))

    def _told(self, scope: HTTPScope, path: bytes, template: bytes, told_id: str, when: bytes) -> tuple[Headers, bytes]:
        body = template % (base_url(scope).encode(), path, told_id.encode())
        return [
            (b"retry-after", when),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", told_id.encode()),
            *_ALWAYS,
            *self._cors.headers(scope),
            *self._standings.of(scope).headers(),
        ], body

    async def watch(self) -> None:
        """Measure how late the event loop is, and tell once a second how many were refused. Ends by cancellation."""
        pause = 1 / _LOOKS_PER_SECOND
        while True:
            for _ in range(_LOOKS_PER_SECOND):
                slept = time.monotonic()
                await asyncio.sleep(pause)
                self.under_way.lagged(time.monotonic() - slept - pause)
                self._made.clear()
            self.tell()

    def tell(self) -> None:
        """Count and log what was refused since this was last asked."""
        refused, self._refused = self._refused, 0
        self._figures.shed(refused, under_way=self.under_way.count, limit=self.under_way.limit)
        if refused:
            _LOG.warning("http.shed", refused=refused, under_way=self.under_way.count, limit=int(self.under_way.limit))
        logins, self.logins.refused = self.logins.refused, 0
        self._figures.logins_shed(logins)
        if logins:
            _LOG.warning("logins.shed", refused=logins, under_way=self.logins.under_way)


def _header(scope: HTTPScope, wanted: bytes) -> bytes:
    return next((value for name, value in scope["headers"] if name == wanted), b"")


def is_submission(method: str, path: str) -> bool:
    """Whether a request submits jobs and may be turned away unheard."""
    return method == "POST" and (path.rstrip("/") in SUBMISSIONS or is_batch(path))


def is_batch(path: str) -> bool:
    """Whether what is submitted is a batch."""
    return path.rstrip("/") == BATCHES
