"""Server-Sent Events (WHATWG HTML, section 9.2) as every stream here speaks them."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from domain.accounts.event_token import MOST_CHARACTERS
from domain.jobs.events import Event

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT_SECONDS: Final = 15.0
RETRY: Final = b"retry: 1000\n"
"""Asks the client to come back a second after the stream has ended, however it did."""

LARGEST: Final = 2**63 - 1

LastEventId = Annotated[str | None, HeaderParameter(name="Last-Event-ID")]
"""What a client sends that takes up a stream where it broke off."""

TokenText = Annotated[
    str | None,
    QueryParameter(
        name="token", description="an event token, for those who can send no key", max_length=MOST_CHARACTERS
    ),
]
"""What a browser shows in place of a key; the guard reads it, for routes that take it."""

_ENCODER: Final = msgspec.json.Encoder()
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_MOST_DIGITS: Final = 19


def answer_stream(pieces: Any) -> Stream:  # noqa: ANN401 - an async iterator of bytes, which Litestar types loosely
    """The answer whose body is the stream."""
    return Stream(pieces, media_type=MEDIA_TYPE, headers=dict(_HEADERS))


def seen_until(last_event_id: str | None, after: int | None, *, largest: int = LARGEST) -> int | None:
    """The number a client has seen the events up to: the header's, else the query's; None where it names none.

    A header that holds no number counts as one of 0: what was not told twice might not be told at all.
    """
    if not last_event_id:
        return after
    is_number = last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) <= _MOST_DIGITS
    return min(int(last_event_id), largest) if is_number else 0


def frame(name: str, told: bytes, number: int | None = None) -> bytes:
    """One event; `told` is JSON."""
    lines = [b"event: " + name.encode()]
    if number is not None:
        lines.append(b"id: %d" % number)
    lines += [b"data: " + line for line in told.splitlines()]
    return b"\n".join(lines) + b"\n\n"


def facts(event: Event, *more: tuple[str, str]) -> bytes:
    """What an event tells, as JSON: its job and time, the pairs in `more`, and what was kept with it."""
    kept = event.data.strip()
    rest = b"" if kept == b"{}" else b"," + kept[1:-1]
    given = b"".join(b',"%b":%b' % (name.encode(), _ENCODER.encode(value)) for name, value in more)
    return b'{"job_id":"%b"%b,"at":%b%b}' % (event.job_id.encode(), given, _ENCODER.encode(event.at), rest)


def heartbeat(number: int | None = None) -> bytes:
    """A comment that keeps the connection open; with a number, the client takes it for the last it has seen."""
    return b": still here\n\n" if number is None else b": still here\nid: %d\n\n" % number


def farewell(why: str) -> bytes:
    """A last comment for who reads along, before the stream is ended."""
    return b": %b\n\n" % why.encode()


def joined(frames: Sequence[bytes], *, most_bytes: int = 16_384) -> list[bytes]:
    """The frames in fewer pieces, none much larger than `most_bytes`: each piece costs a write."""
    pieces: list[bytes] = []
    held: list[bytes] = []
    size = 0
    for one in frames:
        held.append(one)
        size += len(one)
        if size >= most_bytes:
            pieces.append(b"".join(held))
            held, size = [], 0
    return [*pieces, b"".join(held)] if held else pieces
