"""What handlers are handed, and what is noted about a request while it is answered."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from litestar.types import Scope
from msgspec import Struct

from api.accept import Accept
from api.figures import Figures
from api.limits import Standing
from domain.accounts.user import Caller
from runtime.settings import Settings
from runtime.wakeups import Wakeups
from storage.database import Database

_KEY: Final = "headrace"


@dataclass(frozen=True, kw_only=True)
class Use:
    """What the API's handlers use. `draining` is set when the process is about to stop: who waits, stops waiting."""

    database: Database
    wakeups: Wakeups
    settings: Settings
    accept: Accept
    figures: Figures
    draining: asyncio.Event = field(default_factory=asyncio.Event)


class Notes(Struct, kw_only=True):
    """What is known of one request; filled in as it goes."""

    request_id: str
    traceparent: str | None = None
    caller: Caller | None = None
    standing: Standing | None = None
    route: str | None = None


def note(scope: Scope, notes: Notes) -> None:
    """Begin the notes of a request."""
    scope.setdefault("state", {})[_KEY] = notes


def notes_of(scope: Scope) -> Notes:
    """The notes of a request."""
    notes = scope["state"][_KEY]
    assert isinstance(notes, Notes)  # noqa: S101 - set by the envelope, for every request
    return notes
