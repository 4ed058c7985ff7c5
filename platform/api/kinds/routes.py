"""What kinds of jobs there are, with the schemas of what they are given and give back."""

from functools import cache
from typing import Any, Final

import msgspec
from litestar import Router, get
from litestar.params import FromPath
from litestar.response import Response
from msgspec import Struct

from api.auth import needs
from api.bodies import ApiRequest
from api.paging import MOST, Cursor, Limit, Page, answer_short
from domain.catalog import KINDS
from domain.errors import NotFound
from domain.jobs.kind import Kind


class KindNotFound(NotFound):
    """The platform runs no kind of this name."""

    code = "kind_not_found"
    title = "No such kind"


class KindView(Struct, frozen=True, kw_only=True):
    """A kind. `timeout` bounds one attempt; `input_schema` and `result_schema` are JSON Schema 2020-12.

    An `internal` kind is submitted by the platform alone.
    """

    name: str
    summary: str
    queue: str
    permission: str
    internal: bool
    timeout: str
    max_attempts: int
    example: dict[str, Any]
    input_schema: dict[str, Any]
    result_schema: dict[str, Any]


@get("/kinds", guards=[needs("jobs:read")])
async def list_kinds(request: ApiRequest, limit: Limit = MOST, cursor: Cursor = None) -> Response[Page[KindView]]:
    """Every kind the platform runs, by name."""
    return answer_short(request, _views(), limit, cursor, name=lambda kind: kind.name)


@get("/kinds/{kind:str}", guards=[needs("jobs:read")])
async def get_kind(kind: FromPath[str]) -> KindView:
    """A kind, with the schemas of its input and its result."""
    view = next((one for one in _views() if one.name == kind), None)
    if view is None:
        raise KindNotFound(f"There is no kind {kind[:64]!r}. There are: {', '.join(one.name for one in KINDS)}.")
    return view


router: Final = Router("/v1", route_handlers=[list_kinds, get_kind], tags=["Kinds"])


@cache
def _views() -> list[KindView]:
    return [_view(kind) for kind in KINDS]


def _view(kind: Kind[Any, Any]) -> KindView:
    return KindView(
        name=kind.name,
        summary=kind.summary,
        queue=kind.queue,
        permission=kind.permission,
        internal=kind.internal,
        timeout=f"{kind.timeout.total_seconds():g}s",
        max_attempts=kind.max_attempts,
        example=msgspec.to_builtins(kind.example),
        input_schema=msgspec.json.schema(kind.input),
        result_schema=msgspec.json.schema(kind.result),
    )
