"""Which errors a route may answer with: told of every operation, each with the codes it may have."""

from collections.abc import Iterator
from typing import Any, Final

from litestar.handlers import HTTPRouteHandler
from msgspec import to_builtins

from api.problem_codes import CODES
from api.problems import MEDIA_TYPE, Problem

Json = dict[str, Any]

_NAMES: Final = {
    400: "Malformed",
    401: "Unauthenticated",
    403: "Forbidden",
    404: "NotFound",
    408: "BodySlow",
    409: "Conflict",
    410: "Gone",
    413: "BodyTooLarge",
    414: "UrlTooLong",
    415: "MediaTypeUnsupported",
    422: "Invalid",
    429: "Limited",
    500: "Internal",
    503: "Unavailable",
}
"""The component that describes a status."""

_ALWAYS: Final = (400, 414, 500)
_WITH_KEY: Final = (401, 403, 422, 429, 503)
_OPEN: Final = (429, 503)
_WITH_BODY: Final = (408, 413, 415)
_FIRST: Final = {400: "malformed", 403: "permission_missing", 404: "not_found", 409: "conflict", 410: "gone",
                 422: "body_invalid", 429: "rate_limited", 500: "internal", 503: "overloaded"}  # fmt: skip
"""The code that the example of a status shows."""

_HEADERS: Final[dict[int, tuple[str, str]]] = {
    401: ("WWW-Authenticate", "How to say who calls."),
    429: ("Retry-After", "After how many seconds to come back."),
    503: ("Retry-After", "After how many seconds to come back."),
}


def failures_of(path: str, method: str, handler: HTTPRouteHandler, *, has_body: bool) -> dict[int, str]:
    """The statuses of errors a route may answer with, each with the name of the response that describes it.

    What follows from its path, its method and its body is told of every route. A route says in `opt` what it may
    answer besides: `fails`, statuses.
    """
    is_thing = "{" in path
    found = {
        *_ALWAYS,
        *(_OPEN if handler.opt.get("open") else _WITH_KEY if path.startswith("/v1") else ()),
        *(_WITH_BODY if has_body else ()),
        *((404,) if is_thing else ()),
        *((409,) if is_thing and method != "GET" else ()),
        # a repeated request may find the first under way, or its job gone
        *((404, 409) if handler.opt.get("once") else ()),
        *((410,) if is_thing and handler.opt.get("pruned") else ()),
        *handler.opt.get("fails", ()),
    }
    return {status: _NAMES[status] for status in found}


def responses() -> dict[str, Json]:
    """The components that describe errors: one for each status, and one for whatever else."""
    return {
        **{name: dict(_response(status)) for status, name in sorted(_NAMES.items())},
        "Problem": {
            "description": "A problem; its `type` is the address of a page about it.",
            "content": {MEDIA_TYPE: {"schema": _SCHEMA, "example": _example(500, "internal")}},
        },
    }


_SCHEMA: Final = {"$ref": "#/components/schemas/Problem"}


def _response(status: int) -> Iterator[tuple[str, Any]]:
    codes = [code for code, entry in CODES.items() if entry.status == status]
    yield "description", f"A problem. Its `code` is one of: {', '.join(sorted(codes))}."
    header = {"X-Request-Id": _header("Names the request in the platform's log.")}
    if status in _HEADERS:
        name, told = _HEADERS[status]
        header[name] = _header(told)
    yield "headers", header
    yield "content", {MEDIA_TYPE: {"schema": _SCHEMA, "example": _example(status, _FIRST.get(status, codes[0]))}}


def _header(told: str) -> Json:
    return {"description": told, "schema": {"type": "string"}}


def _example(status: int, code: str) -> Json:
    entry = CODES[code]
    problem = Problem(
        type=f"https://headrace.example/problems/{code}",
        title=entry.title,
        status=status,
        detail=entry.meaning,
        instance="/v1/jobs",
        code=code,
        request_id="req_019ab1c2d3e47f5a8b9c0d1e2f3a4b5c",
        retryable=status in {408, 429, 500, 503},
    )
    return dict(to_builtins(problem))
