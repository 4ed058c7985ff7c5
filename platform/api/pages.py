"""Pages for people: the front door, the documentation of problems and of the API itself. Nothing comes from outside."""

import html
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from litestar import Litestar, Router, get
from litestar.connection import Request
from litestar.params import FromPath, HeaderParameter
from litestar.response import Response
from msgspec import Struct

from api.description import describe
from api.problem_codes import CODES, ProblemCode
from domain.errors import NotFound
from runtime.version import VERSION

_ASSETS: Final = Path(__file__).parent / "docs"
_HTML: Final = "text/html"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {"Content-Security-Policy": _POLICY, "Vary": "Accept"}
_TWO_FORMS: Final = {"pages": True}
"""In `opt` of a route: to those who do not ask for JSON it answers a page."""


Accept = Annotated[str | None, HeaderParameter(name="Accept")]


class CodeUndocumented(NotFound):
    """There is no problem of this code."""

    code = "problem_unknown"
    title = "No such problem"


class Documented(Struct, frozen=True, kw_only=True):
    """What a code means. `status` is null for codes that stand in a job's `error` only."""

    code: str
    title: str
    status: int | None
    meaning: str
    remedy: str


class Door(Struct, frozen=True, kw_only=True):
    """What this is, and where to go from here."""

    name: str = "Headrace"
    version: str = VERSION
    docs: str = "/docs"
    openapi: str = "/schema/openapi.json"
    health: str = "/health/ready"
    metrics: str = "/metrics"
    problems: str = "/problems"


@get("/", media_type="application/json")
async def front_door() -> Door:
    """What this is, and where to go from here."""
    return Door()


@get("/problems", opt=_TWO_FORMS)
async def list_problems(accept: Accept = None) -> Response[list[Documented]]:
    """Every code a problem can have."""
    if _wants_json(accept):
        return Response([_documented(code, entry) for code, entry in CODES.items()], headers=_HEADERS)
    rows = (
        f'<tr><td><a href="/problems/{code}">{code}</a></td><td>{entry.status or ""}</td>'
        f"<td>{_text(entry.title)}</td></tr>"
        for code, entry in sorted(CODES.items())
    )
    table = f"<table><tr><th>Code</th><th>Status</th><th>Title</th></tr>{''.join(rows)}</table>"
    return _page("Problems", [table])


@get("/problems/{code:str}", opt=_TWO_FORMS)
async def show_problem(code: FromPath[str], accept: Accept = None) -> Response[Documented]:
    """What a problem means, and what to do."""
    entry = CODES.get(code)
    if entry is None:
        raise CodeUndocumented(f"There is no problem {code[:64]!r}; /problems lists them.")
    if _wants_json(accept):
        return Response(_documented(code, entry), headers=_HEADERS)
    where = f"HTTP status {entry.status}" if entry.status else "Stands in the <code>error</code> of a job"
    return _page(
        entry.title,
        [
            f"<p><code>{code}</code> · {where}</p>",
            f"<h2>What it means</h2><p>{_text(entry.meaning)}</p>",
            f"<h2>What to do</h2><p>{_text(entry.remedy)}</p>",
            '<p><a href="/problems">All problems</a> · <a href="/docs">The API</a></p>',
        ],
    )


@get("/schema/openapi.json", include_in_schema=False)
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The OpenAPI description."""
    return Response(_description(request.app), media_type="application/json")


@cache
def _description(app: Litestar) -> bytes:
    return msgspec.json.encode(describe(app, version=VERSION))


@get("/docs", include_in_schema=False)
async def docs() -> Response[bytes]:
    """The API's documentation, where every route can be tried."""
    return Response(_asset("page.html"), media_type=_HTML, headers=_HEADERS)


@get("/docs/docs.js", include_in_schema=False)
async def docs_script() -> Response[bytes]:
    """What the documentation's page runs."""
    return Response(_asset("docs.js"), media_type="text/javascript")


@get("/docs/docs.css", include_in_schema=False)
async def docs_style() -> Response[bytes]:
    """How the pages look."""
    return Response(_asset("docs.css"), media_type="text/css")


router: Final = Router(
    "/",
    route_handlers=[front_door, list_problems, show_problem, openapi, docs, docs_script, docs_style],
    tags=["Service"],
)


def _wants_json(accept: str | None) -> bool:
    return accept is not None and "json" in accept and "text/html" not in accept


def _documented(code: str, entry: ProblemCode) -> Documented:
    return Documented(
        code=code, title=entry.title, status=entry.status or None, meaning=entry.meaning, remedy=entry.remedy
    )


def _page(title: str, parts: Iterable[str]) -> Response[Any]:
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{_text(title)} · Headrace</title><link rel="stylesheet" href="/docs/docs.css"></head>'
        f"<body><main><h1>{_text(title)}</h1>{''.join(parts)}</main></body></html>"
    )
    return Response(page.encode(), media_type=_HTML, headers=_HEADERS)


def _text(text: str) -> str:
    return html.escape(text)


@cache
def _asset(name: str) -> bytes:
    return (_ASSETS / name).read_bytes()
