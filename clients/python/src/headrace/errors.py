"""What can go wrong, one class a meaning. `HeadraceError` catches all of it."""

from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from headrace.retry_after import seconds_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.models import FailedAttempt, JobInfo

_WHO_ARE_YOU: Final = 401
_OURS: Final = 500


class HeadraceError(Exception):
    """Anything the client raises of its own. `retryable`: the same call may succeed later."""

    retryable: bool = False


class Unreachable(HeadraceError):
    """Nothing answers at the address, or the connection broke. `is_unsent`: the request cannot have arrived."""

    retryable = True

    def __init__(self, sentence: str, *, is_unsent: bool = False) -> None:
        super().__init__(sentence)
        self.is_unsent = is_unsent


class NoAnswer(Unreachable):
    """The answer did not come in time; what was asked for may have been done."""


class NotHeadrace(HeadraceError):
    """What answers is no Headrace, or one this client does not understand."""


class WaitTimedOut(HeadraceError, TimeoutError):
    """What was waited for is not finished in the time given. It goes on: wait again, or look later."""

    retryable = True


class LoggedOut(HeadraceError):
    """The client has ended its session; nothing more can be asked with it."""


class FieldError(Struct, frozen=True):
    """One field that is wrong. `pointer` is a JSON pointer into what was sent, such as `/input/text`."""

    pointer: str = ""
    detail: str = ""


class Problem(Struct, frozen=True, kw_only=True):
    """An error as the API tells it (RFC 9457). `type` is the address of a page about it."""

    type: str = ""
    title: str = ""
    detail: str = ""
    code: str = ""
    request_id: str = ""
    retryable: bool | None = None
    errors: tuple[FieldError, ...] = ()


class ApiError(HeadraceError):
    """The API said no. `code` says precisely why, and `problem.type` is a page about it.

    `request_id` is what the platform's people find the request by. `retry_after` is in seconds, where there is any.
    """

    def __init__(self, status: int, problem: Problem, *, retry_after: float | None = None) -> None:
        super().__init__(_sentence(status, problem))
        self.status = status
        self.problem = problem
        self.code = problem.code
        self.detail = problem.detail or problem.title
        self.errors = problem.errors
        self.request_id = problem.request_id
        self.retry_after = retry_after
        self.retryable = _may_succeed(status) if problem.retryable is None else problem.retryable

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors cross processes whole."""
        return _remade, (type(self), self.status, self.problem, self.retry_after)

    @staticmethod
    def of(status: int, headers: "Mapping[str, str]", body: bytes) -> "ApiError":
        """The error that an answer is, of the class that its status means."""
        try:
            problem = msgspec.json.decode(body, type=Problem)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            problem = Problem()  # of a proxy on the way, which speaks for itself by its status alone
        if not problem.request_id:
            problem = msgspec.structs.replace(problem, request_id=headers.get("x-request-id", ""))
        meaning = _OF_STATUS.get(status, ServerFault if status >= _OURS else Refused)
        return meaning(status, problem, retry_after=seconds_of(headers.get("retry-after")))


class Refused(ApiError):
    """The request is not acceptable, and the same one never will be."""


class Invalid(Refused):
    """A field is wrong; `errors` names all that are."""


class Unauthenticated(ApiError):
    """There is no key, or none the API knows."""


class Forbidden(ApiError):
    """The key may not do this; the detail names the permission it lacks."""


class NotFound(ApiError):
    """There is no such thing, or it is another tenant's."""


class Gone(NotFound):
    """It was there, and its retention is over; the detail names the day."""


class Conflict(ApiError):
    """The state of things does not allow it, or the same request is being done right now (then `retryable`)."""


class TooLarge(Refused):
    """More was sent than the API takes at once."""


class RateLimited(ApiError):
    """More requests than the key may make; `retry_after` says when there is room again."""


class ServerFault(ApiError):
    """The platform failed; tell its people the `request_id`."""


class Overloaded(ServerFault):
    """The platform has more to do than it can, or a store is down; `retry_after` says when to come again."""


class JobNotSucceeded(HeadraceError):
    """A job has ended without a result. `job` is the job as it ended."""

    def __init__(self, job: "JobInfo") -> None:
        error = job.error
        self.job = job
        self.code = error.code if error else job.state
        self.title = error.title if error else f"The job is {job.state}"
        self.detail = (error.detail or error.title) if error else ""
        self.attempts: tuple[FailedAttempt, ...] = error.attempts if error else ()
        self.retryable = bool(error and error.retryable)
        said = f": {self.detail.rstrip('.')} ({self.code})" if error else ""
        super().__init__(f"{job.id} ({job.kind}) {job.state}{said}.")

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors cross processes whole."""
        return type(self), (self.job,)


class JobFailed(JobNotSucceeded):
    """A job failed: `code` and `detail` say why, `attempts` what each try came to."""


class JobCancelled(JobNotSucceeded):
    """A job was cancelled."""


class JobExpired(JobNotSucceeded):
    """A job's time to start had passed before a worker was free."""


class SignatureInvalid(HeadraceError):
    """A webhook that Headrace did not send, or not so, or not now. Answer it 400 and do nothing."""


_OF_STATE: Final = {"failed": JobFailed, "cancelled": JobCancelled, "expired": JobExpired}


def ended_without_result(job: "JobInfo") -> JobNotSucceeded:
    """The error that a job's end is."""
    return _OF_STATE.get(job.state, JobNotSucceeded)(job)


_OF_STATUS: Final[dict[int, type[ApiError]]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    422: Invalid,
    429: RateLimited,
    503: Overloaded,
}


def _remade(meaning: type[ApiError], status: int, problem: Problem, retry_after: float | None) -> ApiError:
    return meaning(status, problem, retry_after=retry_after)


def _may_succeed(status: int) -> bool:
    """By the status alone, where no problem document says it."""
    return status in {408, 425, 429, 500, 502, 503, 504}


def _sentence(status: int, problem: Problem) -> str:
    said = problem.detail or problem.title or f"The server answered {status} without saying why"
    said = said if said.endswith((".", "!", "?", ":")) else f"{said}."
    fields = [f"{each.pointer or '/'}: {each.detail}" for each in problem.errors if each.detail not in said]
    if fields:
        said = f"{said} {'; '.join(fields)}{'' if fields[-1].endswith('.') else '.'}"
    if status == _WHO_ARE_YOU:
        said += " Give key=…, or set HEADRACE_API_KEY."
    named = ", ".join(filter(None, (str(status), problem.code, problem.request_id and f"request {problem.request_id}")))
    return f"{said} ({named})"
