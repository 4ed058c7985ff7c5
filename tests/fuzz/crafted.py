"""Requests nobody means well with: bodies, headers, URLs and framing, over every operation of the description.

Made from the OpenAPI description, so that a route is covered from the day it is there. What is made follows from the
seed. Long because each way to spell a request wrongly stands beside the others that share its spelling.
"""

import json
import random
from collections.abc import Iterator, Mapping
from itertools import count, cycle, islice
from typing import Any, Final
from urllib.parse import quote, urlencode

from msgspec import Struct

from tests.fuzz.oddities import BODIES, HEADERS, HERE, MEDIA_TYPES, ODD, ODD_VALUES, VALUES

Json = Any
Headers = dict[str, bytes]

FAKE: Final = "0" * 32
_JSON: Final = b"application/json"
_UTF8: Final = b"application/json; charset=utf-8"


class Crafted(Struct, frozen=True, kw_only=True):
    """A request as it goes over the wire. `is_whole` is False where the server waits for more in vain."""

    name: str
    raw: bytes
    is_whole: bool = True
    fields: tuple[str, ...] = ()
    """The pointers that its refusal must name, all of them."""


class _Operation(Struct, frozen=True, kw_only=True):
    name: str
    method: str
    path: str
    media_type: bytes
    body: Json
    parameters: tuple[Json, ...]
    fields: Mapping[str, Json]


def craft(description: Json, *, key: str, ids: Mapping[str, str], seed: int) -> Iterator[Crafted]:
    """Crafted requests without end: every operation in turn, each with the next of what is done to requests.

    `ids` are things that are there, by the name of the parameter in the path.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret, and the same again for the same seed
    operations = [
        _operation(description, path, method, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    streams = [_requests(operation, key, ids, chance) for operation in operations]
    for stream in cycle(streams):
        yield next(stream)


def craft_wrong(description: Json, *, key: str, ids: Mapping[str, str]) -> list[Crafted]:
    """For each body of JSON whose fields are known, one where every field is wrong."""
    operations = [
        _operation(description, path, method, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    return [one for operation in operations for one in _with_bodies(operation, key, ids) if one.fields]


def _operation(description: Json, path: str, method: str, operation: Json) -> _Operation:
    content: dict[str, Json] = operation.get("requestBody", {}).get("content", {})
    media_type: str = next(iter(content), "application/json")
    media: dict[str, Json] = content.get(media_type, {})
    schema = media.get("schema", {})
    while "$ref" in schema:
        schema = description["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return _Operation(
        name=f"{method.upper()} {path}",
        method=method.upper(),
        path=path,
        media_type=media_type.encode(),
        body=media.get("example"),
        parameters=tuple(operation.get("parameters", ())),
        fields=schema.get("properties", {}),
    )


def _requests(operation: _Operation, key: str, ids: Mapping[str, str], chance: random.Random) -> Iterator[Crafted]:
    """First what is done to every operation, in an order of its own for each; then bytes changed by chance."""
    fixed = [
        *_with_bodies(operation, key, ids),
        *_with_headers(operation, key, ids),
        *_with_urls(operation, key, ids),
        *_with_methods(operation, key, ids),
        *_with_framing(operation, key, ids),
    ]
    chance.shuffle(fixed)
    yield from fixed
    whole = _request(operation, key, ids, body=_spelled(operation))
    for number in count(1):
        yield Crafted(name=f"{operation.name} mutated {number}", raw=_mutated(whole, chance), is_whole=False)


def _with_bodies(operation: _Operation, key: str, ids: Mapping[str, str]) -> Iterator[Crafted]:
    for name, body in _bodies(operation):
        yield Crafted(name=f"{operation.name} body {name}", raw=_request(operation, key, ids, body=body))
    if operation.body is not None and operation.media_type == _JSON:
        if isinstance(operation.body, dict):
            named = [name for name in operation.fields if _can_be_wrong(operation.fields[name])]
            wrong = {**{name: {"no": ["such"]} for name in named}, "no_such_field": 1}
            yield Crafted(
                name=f"{operation.name} every field wrong",
                raw=_request(operation, key, ids, body=json.dumps(wrong).encode()),
                fields=tuple(f"/{name}" for name in wrong) if operation.fields else (),
            )
        for media_type in MEDIA_TYPES:
            yield Crafted(
                name=f"{operation.name} as {media_type!r}",
                raw=_request(operation, key, ids, {"Content-Type": media_type}, body=_spelled(operation)),
            )


def _can_be_wrong(schema: Json) -> bool:
    """Whether an object is no value of it, as far as the type alone tells."""
    types = {schema.get("type")} | {one.get("type") for one in schema.get("anyOf", ())}
    return bool(types & {"string", "integer", "number", "boolean", "array"}) and "object" not in types


def _bodies(operation: _Operation) -> Iterator[tuple[str, bytes]]:
    good = _spelled(operation)
    yield from BODIES.items()
    for name, ruined in {
        "cut": good[:-1],
        "with NUL": good[:-1] + b"\0}",
        "with \\xff": good.replace(b'"', b'\xff"', 1),
    }.items():
        yield f"good, {name}", ruined
    if isinstance(operation.body, dict):
        for field in operation.fields:
            for name, value in VALUES:
                spelled = json.dumps({**operation.body, field: HERE}).encode()
                yield f"{field} {name}", spelled.replace(json.dumps(HERE).encode(), value)


def _with_headers(operation: _Operation, key: str, ids: Mapping[str, str]) -> Iterator[Crafted]:
    for name, values in HEADERS.items():
        for value in values:
            raw = _request(operation, key, ids, {name: value}, body=_spelled(operation))
            yield Crafted(name=f"{operation.name} {name}: {value[:40]!r}", raw=raw)


def _with_urls(operation: _Operation, key: str, ids: Mapping[str, str]) -> Iterator[Crafted]:
    good = _target(operation, ids)
    for odd in ODD:
        for name in _path_names(operation):
            yield _at(operation, key, operation.path.replace(f"{{{name}}}", odd), f"{name}={odd[:30]}")
        yield _at(operation, key, f"{good}{odd}", f"path + {odd[:30]}")
    in_query = [parameter for parameter in operation.parameters if parameter["in"] == "query"]
    for parameter in in_query:
        for value in ODD_VALUES:
            query = urlencode({parameter["name"]: value}, safe="%")
            yield _at(operation, key, f"{good}?{query}", f"{parameter['name']}={value[:30]}")
        twice = urlencode([(parameter["name"], "1")] * 2)
        yield _at(operation, key, f"{good}?{twice}", f"{parameter['name']} twice")
    if in_query:
        every = urlencode([(parameter["name"], "\ue000") for parameter in in_query])
        yield _at(operation, key, f"{good}?{every}", "every parameter odd")
    for query in (
        "?",
        "?=",
        "?&&;;",
        "?%00",
        "?a=%ff",
        "?no_such=1",
        "?" + "a=b&" * 3000,
        "?x[]=1",
        "#fragment",
        "?a=\\",
    ):
        yield _at(operation, key, good + query, f"query {query[:20]}")


def _with_methods(operation: _Operation, key: str, ids: Mapping[str, str]) -> Iterator[Crafted]:
    for method in (
        "HEAD",
        "OPTIONS",
        "PUT",
        "PATCH",
        "DELETE",
        "TRACE",
        "PROPFIND",
        "QUERY",
        "get",
        "BREW",
        "G\xcbT",
        "CONNECT",
        "PRI",
    ):
        if method not in {operation.method, "DELETE"}:
            raw = _request(operation, key, ids, method=method, body=_spelled(operation))
            yield Crafted(name=f"{operation.name} by {method}", raw=raw)


def _with_framing(operation: _Operation, key: str, ids: Mapping[str, str]) -> Iterator[Crafted]:
    """Lengths that lie, chunks that do not add up, requests in each other's arms."""
    body = _spelled(operation) or b"{}"
    good = _request(operation, key, ids, body=body)
    head = _head(operation, key, ids, {"Content-Type": operation.media_type})
    length, chunked = b"Content-Length: %d\r\n", b"Transfer-Encoding: chunked\r\n"
    chunk = b"%x\r\n%b\r\n" % (len(body), body)
    long_chunk = chunk.replace(b"\r", b";" + b"e" * 3000 + b"\r", 1)
    bare = head.replace(b"Connection: close\r\n", b"")
    for name, raw, is_whole in (
        ("a length too long", head + length % (len(body) + 10) + b"\r\n" + body, False),
        ("a length too short", head + length % max(1, len(body) - 1) + b"\r\n" + body, True),
        ("two lengths", head + length % len(body) + length % 1 + b"\r\n" + body, True),
        ("length and chunks", head + length % len(body) + chunked + b"\r\n" + chunk + b"0\r\n\r\n", True),
        ("chunks", head + chunked + b"\r\n" + chunk + b"0\r\n\r\n", True),
        ("chunks, trailers", head + chunked + b"\r\n" + chunk + b"0\r\nX: y\r\n\r\n", True),
        ("chunks without end", head + chunked + b"\r\n" + chunk, False),
        ("a chunk of no number", head + chunked + b"\r\nzz\r\n" + body, False),
        ("a chunk too large", head + chunked + b"\r\n" + b"f" * 20 + b"\r\n" + body, False),
        ("chunk extensions", head + chunked + b"\r\n" + long_chunk + b"0\r\n\r\n", True),
        ("pipelined", bare + length % len(body) + b"\r\n" + body + good, True),
        ("pipelined garbage", bare + length % len(body) + b"\r\n" + body + b"\x16\x03\x01garbage\r\n\r\n", False),
        ("HTTP/1.0", good.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1), True),
        ("HTTP/9.9", good.replace(b" HTTP/1.1\r\n", b" HTTP/9.9\r\n", 1), True),
        ("no version", good.replace(b" HTTP/1.1\r\n", b"\r\n", 1), False),
        ("bare line feeds", good.replace(b"\r\n", b"\n"), False),
        ("a folded header", good.replace(b"\r\n", b"\r\nX-A: b\r\n c\r\n", 1), False),
        ("a header without colon", good.replace(b"\r\n", b"\r\nnonsense\r\n", 1), False),
        ("a space before the colon", good.replace(b"\r\n", b"\r\nX-A : b\r\n", 1), False),
        ("an absolute URL", good.replace(b" /", b" http://[::1/", 1), False),
        ("a thousand headers", good.replace(b"\r\n", b"\r\n" + b"X-A: b\r\n" * 1000, 1), True),
        ("headers of 100 KiB", good.replace(b"\r\n", b"\r\nX-A: " + b"h" * 100_000 + b"\r\n", 1), False),
        ("half a head", good[: len(head) // 2], False),
    ):  # fmt: skip
        yield Crafted(name=f"{operation.name} {name}", raw=raw, is_whole=is_whole)


def _at(operation: _Operation, key: str, target: str, name: str) -> Crafted:
    raw = _request(operation, key, {}, target=target, body=_spelled(operation))
    return Crafted(name=f"{operation.name} {name}", raw=raw, is_whole=" " not in target)


def _request(  # noqa: PLR0913 - one a part of a request
    operation: _Operation,
    key: str,
    ids: Mapping[str, str],
    headers: Headers | None = None,
    *,
    method: str | None = None,
    target: str | None = None,
    body: bytes,
) -> bytes:
    given = headers or {}
    wanted = {"Content-Type": operation.media_type} if operation.body is not None else {}
    head = _head(operation, key, ids, wanted | given, method=method, target=target)
    has_length = {"Content-Length", "Transfer-Encoding"} & given.keys()
    return head + (b"" if has_length else b"Content-Length: %d\r\n" % len(body)) + b"\r\n" + body


def _head(  # noqa: PLR0913 - one a part of a head
    operation: _Operation,
    key: str,
    ids: Mapping[str, str],
    headers: Headers,
    *,
    method: str | None = None,
    target: str | None = None,
) -> bytes:
    # a thing that is there is not deleted: what comes later needs it
    target = target or _target(operation, {} if operation.method == "DELETE" else ids)
    known: Headers = {"Host": b"headrace.test", "Authorization": b"Bearer " + key.encode(), "Connection": b"close"}
    lines = [f"{method or operation.method} {target} HTTP/1.1".encode("latin-1", "replace")]
    lines += [name.encode() + b": " + value for name, value in (known | headers).items()]
    return b"\r\n".join(lines) + b"\r\n"


def _target(operation: _Operation, ids: Mapping[str, str]) -> str:
    target = operation.path
    for name in _path_names(operation):
        target = target.replace(f"{{{name}}}", quote(ids.get(name, f"{name.removesuffix('_id')}_{FAKE}")))
    return target


def _path_names(operation: _Operation) -> list[str]:
    return [parameter["name"] for parameter in operation.parameters if parameter["in"] == "path"]


def _spelled(operation: _Operation) -> bytes:
    match operation.body:
        case None:
            return b""
        case str(text):
            return text.encode()
        case body if operation.media_type == b"application/x-www-form-urlencoded":
            return urlencode(body).encode()
        case body:
            return json.dumps(body).encode()


def _mutated(whole: bytes, chance: random.Random) -> bytes:
    """`whole` with a few bytes changed, cut, doubled or added."""
    raw = bytearray(whole)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(raw))
        match chance.randrange(5):
            case 0:
                raw[at] = chance.randrange(256)
            case 1:
                raw[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 8)))
            case 2:
                del raw[at : at + chance.randint(1, 8)]
            case 3:
                raw[at:at] = raw[at : at + chance.randint(1, 64)]
            case _:
                raw[at] ^= 1 << chance.randrange(8)
        if not raw:
            return b"\r\n"
    return bytes(raw)


def first(crafted: Iterator[Crafted], number: int) -> list[Crafted]:
    """So many of them."""
    return list(islice(crafted, number))
