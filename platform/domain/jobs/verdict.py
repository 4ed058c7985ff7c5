"""The outcome of an attempt, and what it makes of the job."""

from datetime import timedelta
from typing import Final

from msgspec import Struct

from domain.errors import HeadraceError, Limited, Unavailable
from domain.jobs.job import Job, JobError
from domain.jobs.retry import RetryPolicy, backoff
from domain.jobs.state import State

MOST_CRASHES: Final = 3
MOST_RESULT_BYTES: Final = 1 << 20
MOST_DETAIL: Final = 2000


class Retry(HeadraceError):
    """Raised by a handler: try again, `after` this long if that is known, else by the kind's policy."""

    code = "retry"
    title = "To be tried again"
    retryable = True

    def __init__(self, detail: str = "", *, after: timedelta | None = None, code: str = "retry") -> None:
        super().__init__(detail)
        self.after = after
        self.reason = code


class Reject(HeadraceError):
    """Raised by a handler: this job can never succeed; do not try again."""

    code = "rejected"
    title = "Rejected"

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = code


class Succeeded(Struct, frozen=True, tag=True):
    """The handler returned; `result` is its JSON text."""

    result: bytes
    usage: bytes | None = None


class Failed(Struct, frozen=True, tag=True, kw_only=True):
    """The handler raised, or ran out of time. It says `after` how long to try again, or how long to wait `at_least`."""

    error: JobError
    after: timedelta | None = None
    at_least: timedelta = timedelta(0)


class GivenBack(Struct, frozen=True, tag=True):
    """The worker is stopping and hands the job back: this attempt does not count."""


class Crashed(Struct, frozen=True, tag=True):
    """The worker died, or fell silent past its lease."""

    worker: str


class Stopped(Struct, frozen=True, tag=True):
    """The attempt was cut off because a caller asked for the job to be cancelled."""


Outcome = Succeeded | Failed | GivenBack | Crashed | Stopped


class Verdict(Struct, frozen=True, kw_only=True):
    """What to write: one guarded statement, no further questions."""

    state: State
    result: bytes | None = None
    usage: bytes | None = None
    error: JobError | None = None  # why this attempt failed, also when it will be tried again
    delay: timedelta = timedelta(0)
    counts_as_attempt: bool = True
    counts_as_crash: bool = False


def judge(job: Job, outcome: Outcome, *, retry: RetryPolicy, spread: float) -> Verdict:  # noqa: PLR0911 - one return an outcome
    """What the outcome of the present attempt makes of the job.

    `retry` is the policy of its kind, `spread` in [0, 1) jitters it.
    """
    match outcome:
        case Succeeded(result=result, usage=usage):
            if len(result) > MOST_RESULT_BYTES:
                return Verdict(state=State.FAILED, error=_too_large(len(result)))
            return Verdict(state=State.SUCCEEDED, result=result, usage=usage)
        case GivenBack():
            return Verdict(state=State.QUEUED, counts_as_attempt=False)
        case Stopped():
            return Verdict(state=State.CANCELLED)
        case Crashed(worker=worker):
            error = _crashed(worker)
            if job.crashes + 1 >= MOST_CRASHES:
                return Verdict(state=State.FAILED, error=error, counts_as_crash=True)
            return Verdict(state=State.QUEUED, error=error, counts_as_crash=True, counts_as_attempt=False)
        case Failed(error=error, after=after, at_least=at_least):
            if not error.retryable:
                return Verdict(state=State.FAILED, error=error)
            if job.attempt >= job.max_attempts:
                return Verdict(state=State.FAILED, error=_exhausted(job, error))
            # who says when to come again says the earliest: a short wait named over and over must not use up all tries
            delay = after if after is not None else max(at_least, backoff(retry, job.attempt, spread))
            return Verdict(state=State.SCHEDULED, error=error, delay=delay)


def outcome_of(raised: BaseException) -> Failed:
    """What a handler's exception means. What was said on purpose is kept; anything else is named, never shown whole."""
    match raised:
        case Retry():
            return Failed(
                error=JobError(code=raised.reason, title=raised.title, detail=plain(raised.detail), retryable=True),
                after=raised.after,
            )
        case Reject():
            return Failed(error=JobError(code=raised.reason, title=raised.title, detail=plain(raised.detail)))
        case Limited() | Unavailable() if raised.retry_after_seconds is not None:
            return Failed(error=_said(raised), at_least=timedelta(seconds=raised.retry_after_seconds))
        case HeadraceError():
            return Failed(error=_said(raised))
        case _:
            return Failed(
                error=JobError(
                    code="handler_error",
                    title="The handler raised an error",
                    detail=f"{type(raised).__name__}; the worker's log has the traceback under this job's id.",
                    retryable=True,
                ),
            )


def plain(text: str) -> str:
    """`text` as every store takes it: no NUL, no lone surrogates, and no longer than anybody reads."""
    return text.replace("\0", "").encode(errors="replace").decode()[:MOST_DETAIL]


def timed_out(job: Job) -> Failed:
    """The attempt outlived its timeout."""
    return Failed(
        error=JobError(
            code="timeout",
            title="The attempt ran out of time",
            detail=f"It was stopped after {job.timeout_seconds:g} s.",
            retryable=True,
        ),
    )


def _said(error: HeadraceError) -> JobError:
    return JobError(code=error.code, title=error.title, detail=plain(error.detail), retryable=error.retryable)


def _too_large(size: int) -> JobError:
    return JobError(
        code="result_too_large",
        title="The result is too large",
        detail=f"The result has {size} bytes; at most {MOST_RESULT_BYTES} are kept.",
    )


def _crashed(worker: str) -> JobError:
    return JobError(
        code="crashed",
        title="The worker died",
        detail=f"Worker {worker} died or fell silent while it ran this job.",
        retryable=True,
    )


def _exhausted(job: Job, last: JobError) -> JobError:
    return JobError(
        code="attempts_exhausted",
        title="Out of attempts",
        detail=f"All {job.max_attempts} attempts failed; the last with {last.code}: {last.detail}",
    )
