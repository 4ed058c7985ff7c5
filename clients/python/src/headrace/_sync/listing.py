"""Lists, read page after page as they are walked."""

# Made by `python -m tools.client` of the module of this name in `_aio`: do not edit.

from collections.abc import Callable, Generator
from typing import Final, Generic, TypeVar

from msgspec import Raw, structs

from headrace._sync.http import Connection
from headrace.requests import Page, Request, ask, decoded

T = TypeVar("T")

_LARGEST_PAGE: Final = 100


class Listing(Generic[T]):
    """A list of the API. Walking it reads a page when the one before is used up; each walk begins anew."""

    def __init__(
        self, connection: Connection, request: Request, read: Callable[[Raw], T], *, limit: int | None = None
    ) -> None:
        self._connection = connection
        self._request = request
        self._read = read
        self._limit = limit

    def __iter__(self) -> Generator[T]:
        """Each thing of the list."""
        for page in self.pages():
            for each in page:
                yield each

    def pages(self) -> Generator[tuple[T, ...]]:
        """The same a page at a time."""
        left, cursor = self._limit, ""
        while left is None or left > 0:
            page = self._page(left, cursor)
            yield tuple(map(self._read, page.items[:left]))
            left = None if left is None else left - len(page.items)
            if page.next_cursor is None:
                return
            cursor = page.next_cursor

    def first(self) -> T | None:
        """The first thing of the list, if there is any."""
        page = self._page(1, "")
        return self._read(page.items[0]) if page.items else None

    def all(self) -> list[T]:
        """Everything in the list, which had better be short."""
        return [each for each in self]

    def _page(self, left: int | None, cursor: str) -> Page:
        query = {**self._request.query, **({"cursor": cursor} if cursor else {})}
        if cursor or left is not None:  # a short list is told whole in one page to who names no size
            query["limit"] = str(_LARGEST_PAGE if left is None else min(left, _LARGEST_PAGE))
        answer = self._connection.send(structs.replace(self._request, query=query))
        return answer.into(Page)


def reads(shape: type[T]) -> Callable[[Raw], T]:
    """Reads the things of a list as they are."""
    return lambda raw: decoded(raw, shape)


def everything(connection: Connection, path: str, shape: type[T]) -> tuple[T, ...]:
    """The things of a list that is short, whole: one page, unless there are more than it holds."""
    return tuple(Listing(connection, ask("GET", path), reads(shape)).all())
