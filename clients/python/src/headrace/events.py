"""What happens to jobs, as Server-Sent Events (WHATWG HTML, section 9.2): read piece by piece, heard once each."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from headrace.models import JobInfo
from headrace.requests import decoded

SNAPSHOT: Final = "snapshot"
TERMINAL_STATES: Final = frozenset({"succeeded", "failed", "cancelled", "expired"})
# U+2028 and its like end no line here: only these three do. A CR at the end of what came may be half a CRLF.
_LINE_END: Final = re.compile(rb"\r\n|\n|\r(?=[\s\S])")


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened to a job.

    `type` is `snapshot` first of all (the job as it stands; of all jobs, where their story begins), then `queued`,
    `started`, `progress`, `log`, `delta`, `retrying`, or how it ended: `succeeded`, `failed`, `cancelled`, `expired`.
    `id` is what a later stream may begin `after`. `raw` is what the event tells, as JSON.
    """

    type: str
    id: str = ""
    raw: bytes = b"{}"

    @property
    def facts(self) -> dict[str, Any]:
        """What it tells."""
        return decoded(self.raw, dict[str, Any])

    @property
    def job(self) -> JobInfo | None:
        """The job as it stood, of the snapshot that one job's story begins with; None of all else."""
        return decoded(self.raw, JobInfo) if self.type == SNAPSHOT and self.job_id else None

    @property
    def job_id(self) -> str:
        """Whose event it is; empty of the snapshot that the story of all jobs begins with."""
        facts = self.facts
        return str(facts.get("job_id") or facts.get("id") or "")

    @property
    def at(self) -> datetime | None:
        """When it happened; None of a job's snapshot."""
        spelled = self.facts.get("at")
        return msgspec.convert(spelled, datetime) if spelled is not None else None

    @property
    def text(self) -> str:
        """The words a `delta` brings; empty of others."""
        return str(self.facts.get("text") or "") if self.type == "delta" else ""

    @property
    def is_end(self) -> bool:
        """Whether the job has ended with it."""
        return self.type in TERMINAL_STATES


class EventReader:
    """Makes events of the pieces a body comes in.

    `retry_seconds` is how soon to come again, where the server said. `searched_id` is how far the server has looked
    without finding what is wanted, as its last comment told.
    """

    def __init__(self) -> None:
        self.retry_seconds: float | None = None
        self.searched_id = ""
        self._rest = b""
        self._type = ""
        self._id = ""
        self._lines: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that are complete with this piece. Comments, and events that never end, are dropped."""
        rest = self._rest + piece
        start = 0
        while match := _LINE_END.search(rest, start):
            line, start = rest[start : match.start()], match.end()
            if line:
                self._take(line)
                continue
            if self._lines:
                yield Event(type=self._type or "message", id=self._id, raw=b"\n".join(self._lines))
            elif self._id:
                self.searched_id = self._id
            # By the standard an id lasts until the next; here an event has the one that came with it, or none.
            self._type, self._id, self._lines = "", "", []
        self._rest = rest[start:]

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._lines.append(value)
            case b"event":
                self._type = value.decode(errors="replace")
            case b"id":
                self._id = value.decode(errors="replace")
            case b"retry" if value.isdigit():
                self.retry_seconds = int(value) / 1000
            case _:
                pass


class Place:
    """How far a story has been heard, over however many connections: that of one job, or one without an end."""

    def __init__(self, *, is_of_one_job: bool) -> None:
        self.last_id = ""
        self._is_of_one_job = is_of_one_job
        self._is_begun = False
        self._is_end = False

    @property
    def is_over(self) -> bool:
        """Whether nothing is to be expected any more, once the server has closed the stream."""
        return self._is_end

    def hears(self, event: Event) -> bool:
        """Whether the event is news; remembers it either way."""
        if event.type == SNAPSHOT and self._is_of_one_job:
            # After a reconnection it says nothing new: if the job has moved meanwhile, the events of that follow.
            is_first, self._is_begun = not self._is_begun, True
            self._is_end = decoded(event.raw, _Standing).state in TERMINAL_STATES
            return is_first
        if event.type == SNAPSHOT and event.id:
            # After a reconnection it says where we are. If elsewhere, numbers are given anew: that must not be hidden.
            is_news, self.last_id = event.id != self.last_id, event.id
            return is_news
        if event.id and _is_before(event.id, self.last_id):
            return False
        self.last_id = event.id or self.last_id
        # The story of a job that was queued again goes on after an end: the API knows the last, and closes.
        self._is_end = event.is_end and self._is_of_one_job
        return True

    def hears_nothing(self) -> None:
        """A stream ended without a word: that tells nothing, for a story has at least a snapshot."""

    def passes(self, searched_id: str) -> None:
        """Up to this id there is nothing more to hear."""
        if searched_id and not _is_before(searched_id, self.last_id):
            self.last_id = searched_id


class _Standing(Struct):
    """As much of a job as its state."""

    state: str


def _is_before(number: str, last: str) -> bool:
    """Whether an event was heard already. Numbers only grow; ids of another sort are known by being the same."""
    if number.isdigit() and last.isdigit():
        return int(number) <= int(last)
    return number == last
