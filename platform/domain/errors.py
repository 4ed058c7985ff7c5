"""The few meanings an error can have. A rule raises a noun of its own that inherits one of these."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class HeadraceError(Exception):
    """Anything the platform says on purpose about what went wrong.

    A subclass names itself once (`code`, `title`); `detail` is the sentence for the person who reads it.
    `retryable` says whether the same request, or the same attempt, may succeed later.
    """

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title


class NotFound(HeadraceError):
    """There is no such thing, or none the caller may see."""

    code = "not_found"
    title = "Not found"


class Gone(HeadraceError):
    """It was there, and is kept no more."""

    code = "gone"
    title = "Gone"


class Conflict(HeadraceError):
    """The thing is in a state that does not allow this."""

    code = "conflict"
    title = "Conflicts with the present state"


class Invalid(HeadraceError):
    """What was given is not acceptable; `pointer` names the field (RFC 6901)."""

    code = "invalid"
    title = "Invalid input"

    def __init__(self, detail: str = "", *, pointer: str = "") -> None:
        super().__init__(detail)
        self.pointer = pointer


class Unauthenticated(HeadraceError):
    """Who is calling could not be established."""

    code = "unauthenticated"
    title = "Authentication required"


class Forbidden(HeadraceError):
    """The caller is known, and may not do this."""

    code = "forbidden"
    title = "Not allowed"


class Limited(HeadraceError):
    """A limit or a budget is used up; `retry_after_seconds` says when to come back, where that is known."""

    code = "limited"
    title = "Limit reached"
    retryable = True

    def __init__(self, detail: str = "", *, retry_after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(HeadraceError):
    """Something the platform needs does not answer now; `retry_after_seconds`, where known, says when to come back."""

    code = "unavailable"
    title = "Temporarily unavailable"
    retryable = True

    def __init__(self, detail: str = "", *, retry_after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class FieldFault(NamedTuple):
    """What is wrong with one field of a Struct, named by the path that leads to it."""

    path: tuple[str | int, ...]
    said: str


class WrongFields(ValueError):
    """What a Struct's `__post_init__` raises when fields of it are wrong, so that the answer points at each of them."""

    def __init__(self, faults: Sequence[FieldFault]) -> None:
        super().__init__("; ".join(f"{'/'.join(map(str, path))}: {said}" for path, said in faults))
        self.faults = tuple(faults)


class WrongField(WrongFields):
    """The same of one `field` alone."""

    def __init__(self, field: str, said: str) -> None:
        super().__init__((FieldFault((field,), said),))
