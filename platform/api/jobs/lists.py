"""What a list of jobs is asked by: its filters, its order, and where the page before ended."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from litestar.params import QueryParameter
from msgspec import Meta

from api.job_view import Time
from api.paging import CursorInvalid, read_cursor_text, spell_cursor
from api.parameters import zoned
from domain.ids import is_id
from domain.jobs.state import State
from storage.job_lists import JobFilter, JobSort, Mark

Text = Annotated[str | None, QueryParameter(max_length=200)]
Code = Annotated[str, Meta(max_length=100)]
Words = Annotated[
    str | None,
    QueryParameter(
        min_length=3,
        max_length=200,
        description="words, all of them found in input, result, error, tags or metadata, whatever the case and the "
        'order; `"what is quoted"` is one',
    ),
]
When = Annotated[Time | None, QueryParameter()]
Sort = Annotated[JobSort, QueryParameter(description="a minus in front: from the largest down")]

_LATEST: Final = datetime(9999, 12, 31, tzinfo=UTC)
_SMALLEST, _LARGEST = -100, 100
_NUMBER: Final = re.compile(r"-?[0-9]{1,3}")


async def provide_wanted(  # noqa: PLR0913, PLR0917 - one a filter
    states: Annotated[list[State] | None, QueryParameter(name="state", max_items=7)] = None,
    kind: Text = None,
    queue: Text = None,
    tag: Text = None,
    batch_id: Text = None,
    schedule_id: Text = None,
    error_codes: Annotated[list[Code] | None, QueryParameter(name="error_code", max_items=10)] = None,
    q: Words = None,
    created_after: When = None,
    created_before: When = None,
) -> JobFilter:
    """The filters in a query."""
    return JobFilter(
        states=tuple(states or ()),
        kind=kind,
        queue=queue,
        tag=tag,
        batch_id=batch_id,
        schedule_id=schedule_id,
        error_codes=tuple(error_codes or ()),
        q=q,
        created_after=zoned("created_after", created_after),
        created_before=zoned("created_before", created_before),
    )


def spell_mark(mark: Mark, sort: JobSort) -> str:
    """The cursor of the page past `mark`, for lists of this order alone."""
    at = mark.at.isoformat() if isinstance(mark.at, datetime) else "" if mark.at is None else str(mark.at)
    return spell_cursor(f"{sort}|{at}|{mark.id}")


def read_mark(cursor: str | None, sort: JobSort) -> Mark | None:
    """Where the page before ended.

    Raises:
        CursorInvalid: no list of this order gave such a cursor.
    """
    if cursor is None:
        return None
    parts = read_cursor_text(cursor).split("|")
    if len(parts) == 3 and parts[0] == sort and is_id("job", parts[2]):  # noqa: PLR2004 - as spelled above
        try:
            return Mark(parts[2], _read_at(parts[1], sort))
        except ValueError:
            pass
    raise CursorInvalid("This cursor is not one that a list in this order gave.", pointer="query:cursor")


def _read_at(spelled: str, sort: JobSort) -> int | datetime | None:
    match sort:
        case JobSort.NEWEST | JobSort.OLDEST:
            if spelled:
                raise ValueError(spelled)
            return None
        case JobSort.LOWEST | JobSort.HIGHEST:
            if not _NUMBER.fullmatch(spelled) or not _SMALLEST <= int(spelled) <= _LARGEST:
                raise ValueError(spelled)
            return int(spelled)
        case JobSort.FINISHED_FIRST | JobSort.FINISHED_LAST:
            at = datetime.fromisoformat(spelled) if spelled else None
            if at is not None and (at.tzinfo is not UTC or at > _LATEST):
                raise ValueError(spelled)
            return at
