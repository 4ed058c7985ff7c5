"""What handlers are handed, and what is noted about a request while it is answered."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.types import Scope
from msgspec import Struct

from api.accept import Accept, Overloaded
from api.backlog import Backlog
from api.figures import Figures
from api.key_ring import KeyRing
from api.limits import WINDOW_SECONDS, SharedLimiter, Standing, stop
from api.lookout import Lookout
from api.spent import Spent
from api.streams import AskAgain, Leave, Streams
from api.tail import Tail
from api.token_holders import TokenHolders
from api.under_way import Ticket
from domain.accounts.event_token import EventToken
from domain.accounts.user import Caller
from domain.errors import Invalid
from providers.http.outbound import Outbound
from runtime.cache import AnswerCache
from runtime.passwords import Passwords
from runtime.secret_box import SecretBox
from runtime.settings import Settings
from runtime.streams import ReplyStreams
from runtime.wakeups import Wakeups
from storage.database import Database

_KEY: Final = "headrace"

NOBODY: Final = ""
"""The tenant of who shows no key: there is none, and nothing is its."""

MOST_LOGINS: Final = 2
"""How many logins may be with the database at once: those from one address wait for each other, a connection each."""


class Batches:
    """The batches that are being taken in: each holds its whole body, and then a connection for a while."""

    MOST_OF_ONE: Final = 4
    MOST: Final = 16
    MOST_WRITTEN: Final = 2
    """How many may be written at once: most connections are left to everybody else."""

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()
        self.writing: Final = asyncio.Semaphore(self.MOST_WRITTEN)

    @contextmanager
    def one(self, tenant_id: str) -> Iterator[None]:
        """Count a batch of the tenant for as long as the block lasts.

        Raises:
            Overloaded: there are as many as may be, of the tenant or in all.
        """
        if self._under_way[tenant_id] >= self.MOST_OF_ONE or self._under_way.total() >= self.MOST:
            raise Overloaded("Too many batches are being taken in.", retry_after_seconds=1.0)
        self._under_way[tenant_id] += 1
        try:
            yield
        finally:
            self._under_way[tenant_id] -= 1
            if not self._under_way[tenant_id]:
                del self._under_way[tenant_id]


class TextsTooMany(Invalid):
    """A batch asks for more texts than its caller may ask for in a minute: it could never be taken."""

    code = "texts_too_many"
    title = "More texts than a minute's limit"


class Texts:
    """How many texts a user by token may have read or written in a minute, by whatever route they are asked for."""

    def __init__(self, limiter: SharedLimiter, per_minute: int) -> None:
        self._limiter = limiter
        self._per_minute = per_minute

    async def take(self, notes: "Notes", caller: Caller, count: int = 1) -> None:
        """Count so many, if the caller is a user by token; keys have limits of their own.

        Raises:
            TextsTooMany: they are more than may be in any minute.
            RateLimited: that would be more than may be now.
        """
        if caller.session_id is None:
            return
        if count > self._per_minute:
            raise TextsTooMany(
                f"{count:,} jobs read or write texts; a user by token may ask for {self._per_minute:,} a minute. "
                "Send them in smaller batches, or by an API key.",
                pointer="/jobs",
            )
        if count > 1:
            # all or none: what a batch used up before it was refused would be missing when it comes again
            standing = self._limiter.look(caller.user_id, self._per_minute)
            if standing.remaining < count:
                notes.standing = standing
                stop((count - standing.remaining) * WINDOW_SECONDS / self._per_minute, of="texts")
        for _ in range(count):
            notes.standing, wait = await self._limiter.take(caller.user_id, self._per_minute)
            stop(wait, of="texts")


@dataclass(frozen=True, kw_only=True)
class Use:
    """What the API's handlers use.

    `database` is what there is of the caller's tenant and nothing else, whatever a statement asks; of who calls as
    nobody, nothing. `platform` is all of it: for what belongs to no tenant, or is done before the tenant is known, and
    tests/house/test_walls.py lists who uses it, with the reason. `health` is a connection of its own to the same
    Postgres, for checks that must not wait for others. `callers` and `strangers` count requests by key or user, and by
    address. `draining` is set when the process is about to stop: who waits, stops waiting. `logins` is the turn to ask
    Postgres about a login. `answers` is what text engines answered before; None: nothing is kept.
    """

    database: Database
    platform: Database
    wakeups: Wakeups
    settings: Settings
    accept: Accept
    backlog: Backlog
    spent: Spent
    health: Database
    figures: Figures
    outbound: Outbound
    secrets: SecretBox
    ring: KeyRing
    holders: TokenHolders
    callers: SharedLimiter
    strangers: SharedLimiter
    passwords: Passwords
    texts: Texts
    answers: AnswerCache | None = None
    logins: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_LOGINS))
    streams: Streams
    lookout: Lookout
    tail: Tail
    replies: ReplyStreams
    batches: Batches = field(default_factory=Batches)
    draining: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, tenant_id: str) -> "Use":
        """The same for the work of a tenant's callers."""
        return replace(self, database=self.platform.of(tenant_id))


class Notes(Struct, kw_only=True):
    """What is known of one request; filled in as it goes. `came` is when it did, by the monotonic clock."""

    use: Use
    request_id: str
    came: float
    traceparent: str | None = None
    caller: Caller | None = None
    ask_again: AskAgain | None = None
    event_token: EventToken | None = None
    standing: Standing | None = None
    route: str | None = None
    ticket: Ticket | None = None


def note(scope: Scope, notes: Notes) -> None:
    """Begin the notes of a request."""
    scope.setdefault("state", {})[_KEY] = notes


def notes_of(scope: Scope) -> Notes:
    """The notes of a request."""
    notes = scope["state"][_KEY]
    assert isinstance(notes, Notes)  # noqa: S101 - set by the envelope, for every request
    return notes


def leave_of(request: ASGIConnection[Any, Any, Any, Any], permission: str = "jobs:read") -> Leave:
    """The leave to read, by a permission, that whoever made a request has as long as its key has."""
    notes = notes_of(request.scope)
    assert notes.caller is not None  # noqa: S101 - set by the guard, with how to ask again
    assert notes.ask_again is not None  # noqa: S101 - as above
    return Leave(notes.caller, notes.ask_again, permission)
