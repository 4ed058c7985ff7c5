"""The body guard: what every request body passes before it becomes a Struct. Nothing else reads bodies."""

import asyncio
import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from json import JSONDecodeError, JSONDecoder
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import InternalServerException

from api.fields import MOST_ERRORS, FieldError, Json, field_errors, pointed, readable
from api.headers import combined
from api.wording import in_words
from domain.accounts.user import Caller
from domain.errors import HeadraceError

JSON: Final = "application/json"
MOST_BYTES: Final = 1 << 20
MOST_BATCH_BYTES: Final = 16 << 20
DEEPEST: Final = 64
_READ_SECONDS: Final = 15.0
_READ_BATCH_SECONDS: Final = 60.0

_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_ALIKE: Final = bytes.maketrans(b"{}", b"[]")  # which bracket it is, the JSON reader checks
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_LONG_NUMBER: Final = re.compile(rb"[0-9]{19}")
HALF_A_PAIR: Final = "A string holds half of a surrogate pair, which is no character."
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


class BodyMalformed(HeadraceError):
    """The body is not JSON in UTF-8."""

    code = "body_malformed"
    title = "The body is not JSON"


class BodyInvalid(HeadraceError):
    """The body is JSON, and not what is wanted here; `errors` names every field that is wrong."""

    code = "body_invalid"
    title = "The body is not valid"

    def __init__(self, errors: list[FieldError], *, beyond: str = "what is wrong is not listed") -> None:
        first = errors[0]
        more = f" {len(errors) - 1} more in `errors`." if len(errors) > 1 else ""
        if len(errors) >= MOST_ERRORS:
            more += f" Beyond {MOST_ERRORS}, {beyond}."
        super().__init__(f"{first.pointer or 'The body'}: {first.detail}{more}")
        self.errors = errors


class MediaTypeUnsupported(HeadraceError):
    """The body is said to be something else than what the route takes, mostly JSON, in UTF-8."""

    code = "media_type_unsupported"
    title = "The Content-Type is not understood"


class EncodingUnsupported(HeadraceError):
    """The body is said to be packed (`Content-Encoding`), which no route takes."""

    code = "encoding_unsupported"
    title = "The Content-Encoding is not understood"


class BodySlow(HeadraceError):
    """The body did not arrive in time."""

    code = "body_slow"
    title = "The body took too long to arrive"
    retryable = True


class ApiRequest(Request[Caller, str, State]):
    """A request whose body is decoded in one strict pass into the Struct its handler asks for."""

    async def body(self) -> bytes:
        """The body, whole.

        Raises:
            EncodingUnsupported: it is packed.
            BodySlow: it did not arrive within 15 s, or 60 s where a batch is awaited.
            BodyMalformed: it broke off, for the client is gone.
        """
        if combined(self.headers, "content-encoding").strip().lower() not in {"", "identity"}:
            raise EncodingUnsupported("Send the body as it is, without Content-Encoding.")
        is_large = (self.route_handler.resolve_request_max_body_size() or 0) > MOST_BYTES
        seconds = _READ_BATCH_SECONDS if is_large else _READ_SECONDS
        try:
            async with asyncio.timeout(seconds):
                return await super().body()
        except TimeoutError:
            raise BodySlow(f"The body must arrive within {seconds:g} s.") from None
        except InternalServerException:
            # so Litestar calls it when a client hangs up
            raise BodyMalformed("The body broke off.") from None

    async def json(self) -> Any:  # noqa: ANN401 - whatever the handler's `data` is
        """The body as the handler's `data`.

        Raises:
            MediaTypeUnsupported, BodyMalformed, BodyInvalid: it is not acceptable.
        """
        check_media_type(self.headers.get("content-type"))
        return decode_body(await self.body(), self.route_handler.parsed_fn_signature.parameters["data"].annotation)


def check_media_type(content_type: str | None, *also: str) -> str:
    """Go on only if a header says JSON in UTF-8, or one of the media types that the route takes `also`; which it is.

    Raises:
        MediaTypeUnsupported: it says something else, or nothing.
    """
    media_type, _, parameters = (content_type or "").partition(";")
    media_type = media_type.strip().lower()
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if media_type not in {JSON, *also} or charset not in {"", "charset=utf-8"}:
        raise MediaTypeUnsupported(f"Send the body as Content-Type: {' or '.join((JSON, *also))}, in UTF-8.")
    return media_type


def decode_body(body: bytes, wanted: Any) -> Any:  # noqa: ANN401 - any annotation, and an instance of it
    """`body` as a `wanted`, in one strict pass.

    Raises:
        BodyMalformed: it is not JSON in UTF-8.
        BodyInvalid: it is not a `wanted`, or holds what nobody could store: deep nesting, NUL, numbers past 64 bits,
            a name twice in one object.
    """
    value = read_json(body)
    try:
        return _decoder(wanted).decode(body)
    except msgspec.ValidationError as error:
        found = list(islice(field_errors(value, wanted), MOST_ERRORS))
        raise BodyInvalid(found or [FieldError("", in_words(readable(error), wanted))]) from None
    except msgspec.DecodeError:
        # the standard library's reader, which has passed it, is lenient in this one thing
        raise BodyMalformed(HALF_A_PAIR) from None


def read_json(body: bytes) -> Json:
    """The value `body` spells, if it is JSON that the platform takes.

    Raises:
        BodyMalformed, BodyInvalid: as `decode_body`.
    """
    text = read_text(body)
    _check_depth(body)
    has_long_numbers = _LONG_NUMBER.search(body) is not None
    try:
        value = (_WARY_READER if has_long_numbers else _READER).decode(text)
    except JSONDecodeError as error:
        raise BodyMalformed(f"{error.msg} in line {error.lineno}, column {error.colno}.") from None
    if has_long_numbers or b"\\u0000" in body:
        errors = list(islice(_unstorable(value, ""), MOST_ERRORS))
        if errors:
            raise BodyInvalid(errors)
    return value


def read_text(body: bytes) -> str:
    """The text a body is.

    Raises:
        BodyMalformed: it is empty, not UTF-8, or begins with a byte order mark.
    """
    if not body:
        raise BodyMalformed("The body is empty.")
    if body.startswith(b"\xef\xbb\xbf"):
        raise BodyMalformed("The body starts with a byte order mark, which JSON has not.")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BodyMalformed(f"The body is not UTF-8: byte {error.start} is wrong.") from None


def _check_depth(body: bytes) -> None:
    """Refuse nesting beyond 64 without nesting ourselves: peel off the innermost pairs, layer by layer."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    left = _STRING.sub(b"", body).translate(_ALIKE, _NOT_BRACKETS)
    for _ in range(DEEPEST):
        peeled = left.replace(b"[]", b"")
        if not peeled:
            return
        if len(peeled) == len(left):
            raise BodyMalformed("The brackets do not match.")
        left = peeled
    raise BodyInvalid([FieldError("", f"Nested deeper than {DEEPEST} levels.")])


def _unstorable(value: Json, pointer: str) -> Iterator[FieldError]:
    match value:
        case dict():
            for name, item in value.items():
                if "\0" in name:
                    yield FieldError(pointer, "A name contains the character NUL.")
                else:
                    yield from _unstorable(item, pointed(pointer, name))
        case list():
            for index, item in enumerate(value):
                yield from _unstorable(item, pointed(pointer, index))
        case str() if "\0" in value:
            yield FieldError(pointer, "The text contains the character NUL.")
        case _TooLarge():
            yield FieldError(pointer, "The number does not fit into 64 bits.")
        case _:
            pass


class _TooLarge:
    """Stands where a number past 64 bits stood."""


def _int64(digits: str) -> object:
    if len(digits) > 20:  # noqa: PLR2004 - a sign and 19 digits; Python refuses to read very long ones
        return _TooLarge()
    number = int(digits)
    return number if _LEAST <= number <= _MOST else _TooLarge()


def _without_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = iter(name for name, _ in pairs)
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise BodyInvalid([FieldError("", f"The name {twice[:64]!r} stands twice in one object.")])
    return value


def _no_constant(name: str) -> Json:
    raise BodyMalformed(f"{name} is not a number in JSON.")


@cache
def _decoder(wanted: Any) -> "msgspec.json.Decoder[Any]":  # noqa: ANN401 - any annotation
    return msgspec.json.Decoder(wanted)


_READER: Final = JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
_WARY_READER: Final = JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_no_constant, parse_int=_int64)
