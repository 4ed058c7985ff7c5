"""Following a job: its Server-Sent Events, taken up again where they broke off."""

import re
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from cli.client import POLL_SECONDS, Client, Refused, segment
from cli.exits import Exit, TimedOut, Unreachable
from cli.replies import JobReply
from domain.jobs.events import LAST, OF_STATE

SNAPSHOT: Final = "snapshot"
RECONNECTS: Final = 10
_LONGEST_PAUSE: Final = 5.0
# U+2028 and its like end no line here: only these three do (WHATWG HTML, 9.2.6). A CR at the end may be half a CRLF.
_LINE_END: Final = re.compile(rb"\r\n|\n|\r(?=[\s\S])")


class JobEvent(Struct, frozen=True):
    """One thing that happened to a job. `data` is JSON; a `snapshot` is the job itself."""

    type: str
    data: bytes
    id: str = ""

    def facts(self) -> dict[str, Any]:
        """What the event tells, flat."""
        found = msgspec.json.decode(self.data) if self.data else {}
        if not isinstance(found, dict):
            return {"data": found}
        inner = found.pop("data", None)
        return {**found, **inner} if isinstance(inner, dict) else found


def read_events(pieces: Iterable[bytes]) -> Iterator[JobEvent]:
    """The events in a body of `text/event-stream`; comments and unfinished events are dropped."""
    kind, last_id, data = "", "", list[bytes]()
    for line in _lines(pieces):
        if not line:
            if data:
                yield JobEvent(kind or "message", b"\n".join(data), last_id)
            kind, data = "", []
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value.decode(errors="replace")
        elif name == b"id":
            last_id = value.decode(errors="replace")


def follow(client: Client, job_id: str) -> Iterator[JobEvent]:
    """What happens to a job until it is finished; a snapshot first. A lost connection is taken up again.

    Raises:
        Refused: there is no such job, or not for this caller.
        Unreachable: nothing has answered for many tries in a row.
        TimedOut: the client's deadline passed.
    """
    place, failures = _Place(), 0
    while not place.is_end:
        before = place.last_id
        try:
            yield from _listen(client, job_id, place)
        except Refused as refusal:
            if refusal.exit_code != Exit.NOT_FOUND:
                raise
            yield from _poll(client, job_id)
            return
        except (Unreachable, TimedOut):
            # A stream that went silent counts as lost; that the deadline has passed is said below.
            if failures >= RECONNECTS or not place.state:
                raise
            if place.is_end:
                return
        if not place.is_end:
            failures = failures + 1 if place.last_id == before else 0
            time.sleep(client.deadline.left(at_most=min(0.1 * 2**failures, _LONGEST_PAUSE)))


class _Place(Struct):
    """How far a job's story has been heard."""

    last_id: str = ""
    state: str = ""
    is_end: bool = False


def _listen(client: Client, job_id: str, place: _Place) -> Iterator[JobEvent]:
    """What one connection tells that is new."""
    headers = {"Last-Event-ID": place.last_id} if place.last_id else {}
    with client.stream(f"/v1/jobs/{segment(job_id)}/events", headers=headers) as body:
        for event in read_events(body):
            place.last_id = event.id or place.last_id
            if event.type == SNAPSHOT:
                job = msgspec.json.decode(event.data, type=JobReply)
                is_news, place.state, place.is_end = job.state != place.state, job.state, job.is_terminal
            else:
                # The story of a job that was queued again goes on after an end: the API knows the last, and closes.
                is_news, place.is_end = True, event.type in LAST
            # A snapshot after a reconnection says nothing new, unless the job has moved meanwhile.
            if is_news:
                yield event


def _poll(client: Client, job_id: str) -> Iterator[JobEvent]:
    """The same story told by looking again and again: for an API, or a proxy before it, without streams."""
    state = ""
    while True:
        reply = client.get(f"/v1/jobs/{segment(job_id)}")
        job = reply.into(JobReply)
        if not state:
            yield JobEvent(SNAPSHOT, reply.body)
        elif job.state != state:
            yield JobEvent(OF_STATE[job.state], reply.body)
        state = job.state
        if job.is_terminal:
            return
        time.sleep(client.deadline.left(at_most=POLL_SECONDS))


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        rest += piece
        while match := _LINE_END.search(rest):
            yield rest[: match.start()]
            rest = rest[match.end() :]
