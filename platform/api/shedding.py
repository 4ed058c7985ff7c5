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

Headers = list[tuple[bytes, bytes]]


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
        return self._told(scope, path, _BODY)

    def refuse_login(self, scope: HTTPScope, path: bytes) -> tuple[Headers, bytes]:
        """What a refused login or registration is told, as `LoginsBusy` would be anywhere else."""
        self.logins.refused += 1
        return self._told(scope, path, _LOGIN_BODY)

    def _told(self, scope: HTTPScope, path: bytes, template: bytes) -> tuple[Headers, bytes]:
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        told_id = request_id(given).encode()
        body = template % (base_url(scope).encode(), path, told_id)
        return [
            (b"retry-after", b"%d" % self._spread.randint(_SOONEST_SECONDS, _LATEST_SECONDS)),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", told_id),
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


def is_submission(method: str, path: str) -> bool:
    """Whether a request submits jobs and may be turned away unheard."""
    return method == "POST" and (path.rstrip("/") in SUBMISSIONS or is_batch(path))


def is_batch(path: str) -> bool:
    """Whether what is submitted is a batch."""
    return path.rstrip("/") == BATCHES
