"""The console's page, its script and its looks. Open to everybody: none of them holds anything of a job."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Annotated, Final

from litestar import Router, get
from litestar.params import HeaderParameter
from litestar.response import Response
from msgspec import Struct

from api.job_view import matches

_FOLDER: Final = Path(__file__).parent
# Scripts and styles come from our own files alone. `trusted-types 'none'` makes the browser refuse to turn any text
# into markup, should the page's script ever be changed to try.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)

IfNoneMatch = Annotated[str | None, HeaderParameter(name="If-None-Match")]


class Asset(Struct, frozen=True):
    """A file of the console; `etag` changes with its bytes."""

    body: bytes
    etag: str


@get("/console", include_in_schema=False)
async def show_page(if_none_match: IfNoneMatch = None) -> Response[bytes]:
    """The page. What it shows it asks the API for, with the key an operator gives it."""
    return _answer("page.html", "text/html", if_none_match)


@get("/console/console.js", include_in_schema=False)
async def show_script(if_none_match: IfNoneMatch = None) -> Response[bytes]:
    """What the page runs."""
    return _answer("console.js", "text/javascript", if_none_match)


@get("/console/console.css", include_in_schema=False)
async def show_style(if_none_match: IfNoneMatch = None) -> Response[bytes]:
    """How the page looks."""
    return _answer("console.css", "text/css", if_none_match)


router: Final = Router("/", route_handlers=[show_page, show_script, show_style], tags=["Service"])


def _answer(name: str, media_type: str, if_none_match: str | None) -> Response[bytes]:
    asset = _asset(name)
    # no-cache: kept, but asked about before each use, so that page and script are never of two releases
    headers = {"ETag": asset.etag, "Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
    if matches(if_none_match, asset.etag):
        return Response(b"", status_code=304, media_type=media_type, headers=headers)
    return Response(asset.body, media_type=media_type, headers=headers)


@cache
def _asset(name: str) -> Asset:
    body = (_FOLDER / name).read_bytes()
    return Asset(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
