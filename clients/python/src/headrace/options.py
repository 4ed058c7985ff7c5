"""How a job is to be run, and jobs that are not submitted yet."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypedDict, TypeVar, Unpack, cast

from msgspec import Struct

from headrace.requests import Duration, QueryValue, given, spelled_duration, spelled_time

if TYPE_CHECKING:
    from headrace.models import State

R = TypeVar("R")
T = TypeVar("T")

ANYTHING: Final[type[Any]] = cast("type[Any]", Any)
"""The type of a result nobody described: it stays as JSON was decoded."""


class Input(Struct, Generic[R], frozen=True, kw_only=True, omit_defaults=True):
    """What a job of a known kind is given; the job gives back an `R`."""

    kind: ClassVar[str]
    result_type: ClassVar[type[Any]]


class JobOptions(TypedDict, total=False):
    """How a job is to be run. What is left out is the kind's own.

    - `priority`: -100 to 100, higher runs first; `tags`: at most 10; `metadata`: at most 16 pairs
    - `delay` or `run_at`: not before; `expires_in`: not later than
    - `timeout`: how long one attempt may take; `max_attempts`: how often it is tried
    - `concurrency_key`: jobs that share it run one after another
    - `unique_for`: a live job submitted so within this time, with the same input (or `unique_key`), is the answer
      instead of a new one
    - `webhook`: an address that is told of the end
    """

    priority: int
    tags: Sequence[str]
    metadata: Mapping[str, str]
    run_at: datetime
    delay: Duration
    expires_in: Duration
    timeout: Duration
    max_attempts: int
    concurrency_key: str
    unique_for: Duration
    unique_key: str
    webhook: str


class SubmitOptions(JobOptions, total=False):
    """How a job is to be run, and submitted.

    - `idempotency_key`: the same key and job again, for 7 days, is the same job; one is made up when none is given
    - `wait`: let the answer wait up to so long, at most 60 s, for the job's end: short jobs come back finished
    """

    idempotency_key: str
    wait: Duration


class JobConditions(TypedDict, total=False):
    """Which jobs. All conditions given must hold; of several states or codes, one.

    `q` finds words, all of them, in the input, the result, the error, the tags and the metadata.
    """

    state: "State | Sequence[State]"
    kind: str
    queue: str
    tag: str
    batch_id: str
    schedule_id: str
    error_code: str | Sequence[str]
    q: str
    created_after: datetime
    created_before: datetime


class NewJob:
    """A job to be submitted with others, fired by a schedule, or run when a batch is finished.

    `NewJob("text.summarize", {"text": …}, priority=5)`, or `NewJob(Summarize(text=…), priority=5)`.
    """

    def __init__(
        self,
        kind: str | Input[Any],
        input: Mapping[str, Any] | Struct | None = None,  # noqa: A002 - as the API calls it
        **options: Unpack[JobOptions],
    ) -> None:
        self.kind, self.input = kind_and_input(kind, input)
        self.options = options

    def __repr__(self) -> str:
        return f"NewJob({self.kind!r}, {self.input!r})"

    def body(self) -> dict[str, Any]:
        """The job as the API takes it."""
        return {"kind": self.kind, "input": self.input, **_spelled(self.options)}


def kind_and_input(kind: str | Input[Any], input: Mapping[str, Any] | Struct | None) -> tuple[str, object]:  # noqa: A002 - as above
    """A kind's name and its input, given together or apart.

    Raises:
        TypeError: two inputs were given.
    """
    if isinstance(kind, str):
        return kind, {} if input is None else input
    if input is not None:
        raise TypeError(f"{type(kind).__name__} is the input already; give no other.")
    return kind.kind, kind


def body_of(kind: str | Input[Any], input: Mapping[str, Any] | Struct | None, options: SubmitOptions) -> dict[str, Any]:  # noqa: A002 - as above
    """The body that submits a job."""
    name, found = kind_and_input(kind, input)
    return {"kind": name, "input": found, **_spelled(options)}


def query_of(conditions: JobConditions) -> dict[str, QueryValue]:
    """Conditions as a query holds them."""
    return {name: value for name, value in conditions.items() if value is not None}  # type: ignore[misc]  # mypy knows the values of no item


def filter_of(conditions: JobConditions) -> dict[str, object]:
    """Conditions as a body holds them."""
    found: dict[str, object] = dict(query_of(conditions))
    for name in ("state", "error_code"):
        if isinstance(found.get(name), str):
            found[name] = [found[name]]
    return found


def listed(things: Sequence[T]) -> tuple[T, ...]:
    """The things of a list.

    Raises:
        TypeError: it is a text, which would be taken for a list of letters.
    """
    if isinstance(things, str):
        raise TypeError(f"A list is wanted: write [{things!r}].")
    return tuple(things)


def any_body(job: NewJob | Input[Any] | Mapping[str, Any]) -> object:
    """A job of a batch as the API takes it; a mapping is that already."""
    if isinstance(job, Input):
        return NewJob(job).body()
    return job.body() if isinstance(job, NewJob) else job


def _spelled(options: SubmitOptions | JobOptions) -> dict[str, Any]:
    run_at, webhook = options.get("run_at"), options.get("webhook")
    unique_for, unique_key = _duration(options.get("unique_for")), options.get("unique_key")
    if unique_key is not None and unique_for is None:
        raise TypeError("unique_key says how jobs are alike; unique_for must say for how long.")
    tags, metadata = options.get("tags"), options.get("metadata")
    return given(
        priority=options.get("priority"),
        tags=None if tags is None else listed(tags),
        metadata=None if metadata is None else dict(metadata),
        run_at=None if run_at is None else spelled_time(run_at),
        delay=_duration(options.get("delay")),
        expires_in=_duration(options.get("expires_in")),
        timeout=_duration(options.get("timeout")),
        max_attempts=options.get("max_attempts"),
        concurrency_key=options.get("concurrency_key"),
        unique=None if unique_for is None else given(**{"for": unique_for}, key=unique_key),
        webhook=None if webhook is None else {"url": webhook},
    )


def _duration(duration: Duration | None) -> str | None:
    return None if duration is None else spelled_duration(duration)
