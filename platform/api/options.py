"""How a job is to be run, as clients spell it: in the body, or in the query where the body is the input alone."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, TypeAlias

from litestar.params import QueryParameter
from msgspec import Meta, Struct, field

from api.bodies import BodyInvalid
from api.fields import FieldError
from domain.durations import Duration, parse_duration
from domain.jobs.job import LONGEST_DELAY, LONGEST_TIMEOUT, Attempts, JobOptions, Metadata, Priority, Tag, Tags
from domain.jobs.once import LONGEST_UNIQUE
from providers.http.outbound import Outbound
from providers.http.target import LONGEST_URL, UrlRefused

_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)

RunAt: TypeAlias = Annotated[datetime, Meta(tz=True, description="not before this time; excludes delay")]
ConcurrencyKey: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=200, description="jobs that share it do not run at once")
]


class UniqueBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Not to be submitted while a live job submitted so within the window is alike: in `key`, or else in input."""

    window: Duration = field(name="for")
    key: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class JobWebhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told of the job's end, besides the endpoints of the tenant."""

    url: Annotated[str, Meta(min_length=1, max_length=LONGEST_URL)]


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a job is to be run, as spelled by a client; what is left out is the kind's."""

    priority: Priority = 0
    tags: Tags = ()
    metadata: Metadata = {}
    run_at: RunAt | None = None
    delay: Duration | None = None
    expires_in: Duration | None = None
    timeout: Duration | None = None
    max_attempts: Attempts | None = None
    concurrency_key: ConcurrencyKey | None = None


async def provide_options(  # noqa: PLR0913, PLR0917 - one an option
    priority: Annotated[int, QueryParameter(ge=-100, le=100, description="higher runs first")] = 0,
    tag: Annotated[list[Tag] | None, QueryParameter(max_items=10)] = None,
    run_at: Annotated[RunAt | None, QueryParameter()] = None,
    delay: Annotated[Duration | None, QueryParameter()] = None,
    expires_in: Annotated[Duration | None, QueryParameter()] = None,
    timeout: Annotated[Duration | None, QueryParameter()] = None,  # noqa: ASYNC109 - the job's, not ours
    max_attempts: Annotated[int | None, QueryParameter(ge=1, le=50)] = None,
    concurrency_key: Annotated[str | None, QueryParameter(min_length=1, max_length=200)] = None,
) -> JobOptions:
    """The options in a query."""
    given = Options(
        priority=priority,
        tags=tuple(tag or ()),
        run_at=run_at,
        delay=delay,
        expires_in=expires_in,
        timeout=timeout,
        max_attempts=max_attempts,
        concurrency_key=concurrency_key,
    )
    return job_options(given, "query:{}".format, now=datetime.now(UTC))


def read_window(given: UniqueBody, errors: list[FieldError]) -> timedelta:
    """The window of a unique job; what is wrong with it is added to `errors`."""
    try:
        window = parse_duration(given.window)
    except ValueError as error:
        errors.append(FieldError("/unique/for", f"{error}."))
        return LONGEST_UNIQUE
    if not timedelta(milliseconds=1) <= window <= LONGEST_UNIQUE:
        errors.append(FieldError("/unique/for", f"Expected a duration from 1ms to {_spelled(LONGEST_UNIQUE)}."))
    return window


def read_webhook(given: JobWebhook | None, outbound: Outbound, errors: list[FieldError]) -> str | None:
    """The URL of a job's own webhook; what is wrong with it is added to `errors`.

    Its name is resolved when it is sent to, and judged then: submitting waits for no name server.
    """
    if given is None:
        return None
    try:
        outbound.read(given.url)
    except UrlRefused as refused:
        errors.append(FieldError("/webhook/url", refused.detail))
    return given.url


def job_options(
    given: Options, pointer: Callable[[str], str], *, now: datetime, also: Sequence[FieldError] = ()
) -> JobOptions:
    """The options as the domain takes them. `pointer` says how a field is named in an error.

    `also` is what is wrong besides, to be told together.

    Raises:
        BodyInvalid: lengths and times out of bounds, all of them named.
    """
    errors = list(also)

    def length(name: str, *, least: timedelta, most: timedelta) -> timedelta | None:
        text: str | None = getattr(given, name)
        if text is None:
            return None
        try:
            found = parse_duration(text)
        except ValueError as error:
            errors.append(FieldError(pointer(name), f"{error}."))
            return None
        if not least <= found <= most:
            errors.append(FieldError(pointer(name), f"Expected a duration from {_spelled(least)} to {_spelled(most)}."))
        return found

    options = JobOptions(
        priority=given.priority,
        tags=given.tags,
        metadata=given.metadata,
        run_at=given.run_at,
        delay=length("delay", least=timedelta(0), most=LONGEST_DELAY),
        expires_in=length("expires_in", least=timedelta(milliseconds=1), most=LONGEST_DELAY),
        timeout=length("timeout", least=timedelta(milliseconds=1), most=LONGEST_TIMEOUT),
        max_attempts=given.max_attempts,
        concurrency_key=given.concurrency_key,
    )
    if given.run_at is not None:
        if given.delay is not None:
            errors.append(FieldError(pointer("delay"), "delay and run_at exclude each other."))
        # a query's times come without the check for a zone that a body's have
        if given.run_at.tzinfo is None:
            errors.append(FieldError(pointer("run_at"), "A time names its zone, as in 2030-01-01T00:00:00Z."))
        elif not _EARLIEST <= given.run_at <= now + LONGEST_DELAY:
            errors.append(
                FieldError(pointer("run_at"), f"Expected a time at most {LONGEST_DELAY.days // 365} years ahead.")
            )
    if errors:
        raise BodyInvalid(errors)
    return options


def _spelled(length: timedelta) -> str:
    if length.days:
        return f"{length.days}d"
    return f"{length.seconds}s" if length.seconds or not length else f"{length.microseconds // 1000}ms"
