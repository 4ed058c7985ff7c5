"""Errors as answers: `application/problem+json` (RFC 9457). The one place where a meaning becomes a status."""

import math
import re
from typing import Annotated, Any, Final

import structlog
from litestar.connection import Request
from litestar.enums import ParamType
from litestar.exceptions import HTTPException
from litestar.response import Response
from litestar.types import Scope
from litestar.typing import FieldDefinition
from msgspec import UNSET, Meta, Struct, UnsetType

from api.bodies import BodyInvalid, BodyMalformed, BodySlow, EncodingUnsupported, MediaTypeUnsupported
from api.context import notes_of
from api.fields import FieldError
from api.methods import spelled_methods
from api.parameters import fields_of, misfits
from api.problem_codes import CODES
from api.wording import in_words
from domain.accounts.event_token import EventTokenRefused
from domain.accounts.session import GrantRefused
from domain.errors import (
    Conflict,
    Forbidden,
    Gone,
    HeadraceError,
    Invalid,
    Limited,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from domain.jobs.once import IdempotencyInProgress

MEDIA_TYPE: Final = "application/problem+json"
_RETRY_SECONDS: Final = 1.0
_LONGEST_INSTANCE: Final = 500

_LOG: Final = structlog.stdlib.get_logger(__name__)

_STATUSES: Final[tuple[tuple[type[HeadraceError], int], ...]] = (
    (BodyMalformed, 400),
    (GrantRefused, 400),
    (BodySlow, 408),
    (MediaTypeUnsupported, 415),
    (EncodingUnsupported, 415),
    (BodyInvalid, 422),
    (Invalid, 422),
    (NotFound, 404),
    (Gone, 410),
    (Conflict, 409),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (Limited, 429),
    (Unavailable, 503),
)

_CODES_OF_STATUS: Final = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 414: "url_too_long"}

_SANE_HOST: Final = re.compile(r"^(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?$")


class Problem(Struct, frozen=True, kw_only=True):
    """What went wrong. `retryable`: the same request may succeed later; `errors` names the fields at fault.

    `error`, of token requests, is the name that OAuth 2.0 has for it (RFC 6749, section 5.2).
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    retryable: bool
    errors: tuple[FieldError, ...] = ()
    error: str | UnsetType = UNSET


def problem_of(scope: Scope, error: Exception) -> tuple[Problem, dict[str, str]]:
    """What to say of `error` in answer to the request in `scope`, and the headers that go with it.

    What was raised on purpose is told. Anything else is logged with its traceback; the client learns the request id.
    """
    match error:
        case HeadraceError():
            problem = _problem(
                scope,
                status_of(error),
                error.code,
                title=error.title,
                detail=error.detail,
                retryable=error.retryable,
                errors=_errors(scope, error),
                oauth=error.error if isinstance(error, GrantRefused) else UNSET,
            )
            return problem, _headers(scope, error)
        case HTTPException(status_code=status) if status < 500:  # noqa: PLR2004 - Litestar's 5xx are faults like any
            return _of_litestar(scope, error)
        case _:
            _LOG.error("request.failed", exc_info=error)
            detail = "The platform's log tells more under this request's id."
            return _problem(scope, 500, "internal", detail=detail, retryable=True), {}


def status_of(error: HeadraceError) -> int:
    """The HTTP status of what `error` means."""
    return next((status for meaning, status in _STATUSES if isinstance(error, meaning)), 500)


def answer_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Litestar's handler of every exception."""
    problem, headers = problem_of(request.scope, error)
    return Response(problem, status_code=problem.status, headers=headers, media_type=MEDIA_TYPE)


def problem_before(request_id: str, code: str) -> Problem:
    """What is said where no request could be read: there is no host to spell links with, and no path."""
    entry = CODES[code]
    return Problem(
        type=f"/problems/{code}",
        title=entry.title,
        status=entry.status,
        detail=entry.meaning,
        instance="",
        code=code,
        request_id=request_id,
        retryable=False,
    )


def base_url(scope: Scope) -> str:
    """`https://host` as the client spelled it; empty when its Host is not one, which leaves links relative."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
    return f"{scope['scheme']}://{host}" if _SANE_HOST.match(host) else ""


def _of_litestar(scope: Scope, error: HTTPException) -> tuple[Problem, dict[str, str]]:
    status = error.status_code
    faults = _parameter_errors(scope, error)
    if faults == ("data",):
        return problem_of(scope, BodyMalformed("The body is empty."))
    if isinstance(faults, list):
        named = {fault.pointer for fault in faults}
        faults += [fault for fault in _query_errors(scope) if fault.pointer not in named]
        detail = f"{faults[0].pointer}: {faults[0].detail}"
        return _problem(scope, 422, "parameter_invalid", detail=detail, errors=tuple(faults)), {}
    code = _CODES_OF_STATUS.get(status, "malformed")
    headers = {
        name: spelled_methods(value.split(", ")) if name.lower() == "allow" else value
        for name, value in (error.headers or {}).items()
    }
    return _problem(scope, status, code, detail=CODES[code].meaning), headers


def _parameter_errors(scope: Scope, error: HTTPException) -> list[FieldError] | tuple[str] | None:
    """What Litestar found wrong with parameters, as it lists it in `extra`; `("data",)` if the body is missing."""
    if not isinstance(error.extra, list):
        return None
    found: list[FieldError] = []
    for one in error.extra:
        key = str(one.get("key", ""))
        if key == "data":
            return ("data",)
        sentence = str(one.get("message", "")).partition(" - at `")[0]
        definition = fields_of(scope["route_handler"]).get(key.partition(".")[0])
        wanted = None if definition is None else _annotated(definition)
        found.append(FieldError(_parameter(scope, key, one.get("source")), in_words(sentence, wanted)))
    return found or None


def _query_errors(scope: Scope) -> list[FieldError]:
    return [
        FieldError(_parameter(scope, field, ParamType.QUERY), in_words(sentence, _annotated(definition)))
        for field, definition, sentence in misfits(scope)
    ]


def _annotated(definition: FieldDefinition) -> Any:  # noqa: ANN401 - any annotation
    """What a parameter is to be, with what is said of it."""
    said = definition.kwarg_definition
    pattern, description = getattr(said, "pattern", None), getattr(said, "description", None)
    if pattern is None:
        return definition.annotation
    return Annotated[definition.annotation, Meta(pattern=pattern, description=description)]


def _parameter(scope: Scope, field: str, source: object) -> str:
    """The parameter as clients know it: `query:state`, whatever the handler calls it."""
    definition = fields_of(scope["route_handler"]).get(field.partition(".")[0])
    named = getattr(definition.kwarg_definition, "name", None) if definition is not None else None
    return f"{getattr(source, 'value', 'parameter')}:{named or field}"


def _problem(  # noqa: PLR0913 - it has this many members
    scope: Scope,
    status: int,
    code: str,
    *,
    detail: str,
    title: str | None = None,
    retryable: bool = False,
    errors: tuple[FieldError, ...] = (),
    oauth: str | UnsetType = UNSET,
) -> Problem:
    return Problem(
        type=f"{base_url(scope)}/problems/{code}",
        title=title or CODES[code].title,
        status=status,
        detail=detail,
        instance=scope.get("raw_path", b"").decode("latin-1")[:_LONGEST_INSTANCE],
        code=code,
        request_id=notes_of(scope).request_id,
        retryable=retryable,
        errors=errors,
        error=oauth,
    )


def _errors(scope: Scope, error: HeadraceError) -> tuple[FieldError, ...]:
    match error:
        case BodyInvalid(errors=errors) if error.code == BodyInvalid.code:
            # what stands in the query is looked at after the body, and is told with it
            return (*errors, *_query_errors(scope))
        case BodyInvalid(errors=errors):
            return tuple(errors)
        case Invalid(pointer=pointer) if pointer:
            return (FieldError(pointer, error.detail),)
        case _:
            return ()


def _headers(scope: Scope, error: HeadraceError) -> dict[str, str]:
    match error:
        case EncodingUnsupported():
            return {"Accept-Encoding": "identity"}
        case IdempotencyInProgress():
            return {"Retry-After": f"{_RETRY_SECONDS:.0f}"}
        case Limited(retry_after_seconds=seconds) | Unavailable(retry_after_seconds=seconds):
            return {"Retry-After": str(max(1, math.ceil(seconds or _RETRY_SECONDS)))}
        case Unauthenticated():
            # as RFC 6750 has it: who showed nothing is told only how, and who showed something that it does not open
            is_shown = isinstance(error, EventTokenRefused) or _shows_a_key(scope)
            refused = ', error="invalid_token"' if is_shown else ""
            return {"WWW-Authenticate": f'Bearer realm="headrace"{refused}'}
        case _:
            return {}


def _shows_a_key(scope: Scope) -> bool:
    given = dict(scope["headers"])
    scheme, _, shown = given.get(b"authorization", b"").partition(b" ")
    return bool(scheme.lower() == b"bearer" and shown.strip()) or (not scheme and bool(given.get(b"x-api-key")))
