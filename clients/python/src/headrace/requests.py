"""What is asked of the API and what it answers, as values: the same for both clients, and without a wire."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import quote, urlencode
from uuid import uuid4

import msgspec
from msgspec import Struct

from headrace.errors import NotHeadrace

T = TypeVar("T")

Duration: TypeAlias = timedelta | float | str
"""A timedelta, a number of seconds, or as the API spells it: `30s`, `5m`, `1h30m`."""

QueryValue: TypeAlias = "str | int | float | bool | datetime | Sequence[str] | None"
Query: TypeAlias = Mapping[str, QueryValue]

LONGEST_WAIT_SECONDS: Final = 60
_MILLISECOND: Final = timedelta(milliseconds=1)
_SPELLED: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?", re.ASCII)
_UNITS: Final = (86_400, 3600, 60, 1, 0.001)


class Request(Struct, frozen=True, kw_only=True):
    """One call. `is_repeatable`: to send it twice does what sending it once does, so a lost answer may be asked again.

    `waits` is how many seconds the API is asked to wait for an end before it answers. `is_anonymous`: it is sent
    without saying who asks.
    """

    method: str
    path: str
    query: dict[str, str | list[str]] = {}
    headers: dict[str, str] = {}
    body: bytes | None = None
    is_repeatable: bool = True
    waits: int = 0
    is_anonymous: bool = False


class Answer(Struct, frozen=True, kw_only=True):
    """What the API answered; the names in `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def into(self, shape: type[T]) -> T:
        """The body, decoded.

        Raises:
            NotHeadrace: it is of another shape.
        """
        return decoded(self.body, shape)

    @property
    def waited(self) -> bool:
        """Whether the API heeded the wish to wait."""
        return "preference-applied" in self.headers


class Page(Struct, frozen=True):
    """A page of a list; its items as they came."""

    items: tuple[msgspec.Raw, ...] = ()
    next_cursor: str | None = None


def ask(  # noqa: PLR0913 - what a request has
    method: str,
    path: str,
    *,
    query: Query | None = None,
    headers: Mapping[str, str] | None = None,
    body: object = None,
    is_repeatable: bool = True,
    wait: float | None = None,
) -> Request:
    """A call with a body of JSON, unless it is bytes already or None."""
    sent = dict(headers or {})
    waits = min(int(wait), LONGEST_WAIT_SECONDS) if wait is not None else 0
    if waits:
        sent["Prefer"] = f"wait={waits}"
    if body is not None:
        sent.setdefault("Content-Type", "application/json")
    return Request(
        method=method,
        path=path,
        query=spelled_query(query or {}),
        headers=sent,
        body=None if body is None else body if isinstance(body, bytes) else encoded(body),
        is_repeatable=is_repeatable,
        waits=waits,
    )


def create(  # noqa: PLR0913 - what a request has
    path: str,
    body: object,
    *,
    key: str | None = None,
    query: Query | None = None,
    headers: Mapping[str, str] | None = None,
    wait: float | None = None,
) -> Request:
    """A POST that makes something, under a key of its own: however often it is sent, it is done once."""
    headers = {**(headers or {}), "Idempotency-Key": key or str(uuid4())}
    return ask("POST", path, query=query, headers=headers, body=body, wait=wait)


def ask_form(path: str, form: Mapping[str, str]) -> Request:
    """A POST by who has nothing to show yet, in the form that OAuth 2.0 has."""
    return Request(
        method="POST",
        path=path,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=urlencode(form).encode(),
        is_anonymous=True,
    )


def segment(text: str) -> str:
    """`text` as one segment of a path: an id that came from elsewhere reaches no other route.

    Raises:
        ValueError: it is empty, or would mean the folder or its parent.
    """
    if not text.strip("."):
        raise ValueError(f"{text!r} is no id.")
    return quote(text, safe="")


def encoded(value: object) -> bytes:
    """The JSON of a body.

    Raises:
        TypeError: it holds what JSON has no form for.
    """
    return msgspec.json.encode(value)


def decoded(body: bytes | msgspec.Raw, shape: type[T]) -> T:
    """What a body holds.

    Raises:
        NotHeadrace: it is of another shape.
    """
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotHeadrace(
            f"The answer is not one of Headrace's, or of a version this client does not know: {error}."
        ) from None


def as_seconds(duration: Duration | None) -> float | None:
    """A duration in seconds.

    Raises:
        ValueError: a text that spells none.
    """
    match duration:
        case None:
            return None
        case timedelta():
            return duration.total_seconds()
        case str():
            if not duration or not (match := _SPELLED.fullmatch(duration)):
                raise ValueError(f"{duration!r} is no duration; write 30s, 5m or 1h30m.")
            return sum(float(part or 0) * unit for part, unit in zip(match.groups(), _UNITS, strict=True))
        case _:
            return float(duration)


def spelled_duration(duration: Duration) -> str:
    """A duration as the API takes it, to the millisecond."""
    if isinstance(duration, str):
        return duration
    length = duration if isinstance(duration, timedelta) else timedelta(seconds=duration)
    milliseconds = round(length / _MILLISECOND)
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def spelled_time(moment: datetime) -> str:
    """A time as the API takes it.

    Raises:
        ValueError: it names no zone, so nobody knows when it is.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} names no time zone; write datetime(…, tzinfo=UTC).")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def spelled_query(query: Query) -> dict[str, str | list[str]]:
    """The parameters that have a value."""
    return {name: _spelled(value) for name, value in query.items() if value is not None}


def given(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    """Those of the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def _spelled(value: QueryValue) -> str | list[str]:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return spelled_time(value)
        case str() | int() | float():
            return str(value)
        case _:
            return [str(each) for each in value or ()]
