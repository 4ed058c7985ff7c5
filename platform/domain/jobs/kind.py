"""A kind of job: the contract between who submits it and who handles it."""

from datetime import timedelta
from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Struct, field

from domain.accounts.user import Caller
from domain.jobs.retry import RetryPolicy


class Input(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a job is given. Subclasses bound every field: nothing unbounded gets past the door."""

    def check_caller(self, caller: Caller) -> None:
        """Go on only if `caller` may submit this very input; most inputs ask for nothing beyond the kind's permission.

        Raises:
            PermissionMissing: they may not.
        """


class Result(Struct, frozen=True, kw_only=True):
    """What a job gives back."""


InputT = TypeVar("InputT", bound=Input)
ResultT = TypeVar("ResultT", bound=Result)


class Kind(Struct, Generic[InputT, ResultT], frozen=True, kw_only=True):
    """A sort of job, named `slice.verb`.

    `timeout` bounds one attempt. `max_attempts` counts the first. `permission` is what a caller needs to submit it.
    An `internal` kind cannot be submitted from outside. `example` is a valid input shown in the documentation.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z]+\.[a-z_]+$")]
    input: type[InputT]
    result: type[ResultT]
    queue: str
    summary: str
    example: InputT
    timeout: timedelta = timedelta(seconds=60)
    max_attempts: int = 5
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    permission: str = "jobs:submit"
    internal: bool = False

    @property
    def is_text(self) -> bool:
        """Whether an engine reads or writes a text for it: of these, users by token may have fewer a minute."""
        return self.name.startswith(("text.", "chat."))
