"""Lists page by page: opaque cursors, and the Link to the next page."""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar
from urllib.parse import urlencode

from litestar.connection import Request
from litestar.params import QueryParameter
from litestar.response import Response
from msgspec import Struct

from api.problems import base_url
from domain.errors import Invalid
from domain.ids import is_id

ItemT = TypeVar("ItemT")
FoundT = TypeVar("FoundT")

MOST: Final = 200
DEFAULT: Final = 50

Limit = Annotated[int, QueryParameter(ge=1, le=MOST, description="items a page")]
Cursor = Annotated[str | None, QueryParameter(max_length=200, description="`next_cursor` of the page before")]


class CursorInvalid(Invalid):
    """A cursor that no answer gave."""

    code = "cursor_invalid"
    title = "The cursor is not valid"


class Page(Struct, Generic[ItemT], frozen=True):
    """A page of a list, newest first, or by name what is called by one; `next_cursor` is null on the last."""

    items: list[ItemT]
    next_cursor: str | None = None


def spell_cursor(last_id: str) -> str:
    """The cursor of the page after the thing `last_id`, or after whatever else the list knows the place by."""
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, prefix: str) -> str | None:
    """The id of the last thing on the page before.

    Raises:
        CursorInvalid: no cursor of ours spells so.
    """
    if cursor is None:
        return None
    last_id = read_cursor_text(cursor)
    if not is_id(prefix, last_id):
        raise CursorInvalid("This cursor is not one that an answer gave.", pointer="query:cursor")
    return last_id


def read_cursor_text(cursor: str) -> str:
    """What was spelled as a cursor; nothing, where it is none."""
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return ""


def answer_page(
    request: Request[Any, Any, Any],
    found: Sequence[FoundT],
    limit: int,
    *,
    view: Callable[[FoundT], ItemT],
    mark: Callable[[FoundT], str],
) -> Response[Page[ItemT]]:
    """A page of `limit` things out of `found`, of which there is one more when another page follows.

    `view` is how a thing is shown, `mark` what its place in the list is known by.
    """
    following = spell_cursor(mark(found[limit - 1])) if len(found) > limit else None
    return Response(Page([view(one) for one in found[:limit]], following), headers=next_link(request, following))


def answer_short(
    request: Request[Any, Any, Any],
    items: Iterable[ItemT],
    limit: int,
    cursor: str | None,
    *,
    name: Callable[[ItemT], str],
) -> Response[Page[ItemT]]:
    """A page of a list that is short enough to be read whole, by name.

    A page follows the name that its cursor tells, whether or not there still is such a thing.

    Raises:
        CursorInvalid: no cursor of ours spells so.
    """
    after = "" if cursor is None else read_cursor_text(cursor)
    if cursor is not None and (not after or spell_cursor(after) != cursor):
        raise CursorInvalid("This cursor is not one that an answer gave.", pointer="query:cursor")
    found = sorted((one for one in items if name(one) > after), key=name)
    return answer_page(request, found, limit, view=lambda one: one, mark=name)


def next_link(request: Request[Any, Any, Any], cursor: str | None) -> dict[str, str]:
    """The Link header to the next page; none after the last."""
    if cursor is None:
        return {}
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    url = f"{base_url(request.scope)}{request.scope['path']}?{urlencode([*query, ('cursor', cursor)])}"
    return {"Link": f'<{url}>; rel="next"'}
