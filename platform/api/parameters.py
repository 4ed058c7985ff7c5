"""Parameters of a query: what a route does not know is refused, and what says nothing, or two things at once."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from litestar.connection import Request
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter
from litestar.types import Scope
from litestar.typing import FieldDefinition
from msgspec import ValidationError, convert

from api.auth import Connection
from api.bodies import BodyInvalid
from api.fields import FieldError, readable

_YEAR: Final = re.compile(r"[0-9]{4}-")
_LOST_PLUS: Final = re.compile(r".*T.* [0-9]{2}:?[0-9]{2}")


class ParameterUnknown(BodyInvalid):
    """The query has a parameter that the route does not take; `errors` names them all."""

    code = "parameter_unknown"
    title = "There is no such parameter"


class ParameterInvalid(BodyInvalid):
    """The query says of a parameter what cannot be meant; `errors` names them all."""

    code = "parameter_invalid"
    title = "A parameter is not valid"


async def only_known(connection: Connection, handler: BaseRouteHandler) -> None:
    """A guard that lets pass whose query has only parameters of the route, each as often as it may stand.

    Raises:
        ParameterUnknown: it has others.
        ParameterInvalid: one that has a single value stands twice, or is spelled `null`.
    """
    if not connection.scope["query_string"]:
        return
    in_query = dict(_in_query(fields_of(handler)))
    known = sorted(in_query)
    given = connection.query_params
    unknown = [name for name in dict.fromkeys(given.keys()) if name not in in_query]
    if unknown:
        raise ParameterUnknown([FieldError(f"query:{name}", _refusal(name, known)) for name in unknown])
    wrong = [error for name, field in in_query.items() for error in _faults(name, field, given.getall(name, []))]
    if wrong:
        raise ParameterInvalid(wrong)


def zoned(name: str, when: datetime | None) -> datetime | None:
    """A time in the query, which must say in which zone.

    Raises:
        ParameterInvalid: it does not.
    """
    if when is not None and when.tzinfo is None:
        raise ParameterInvalid([FieldError(f"query:{name}", "A time names its zone, as in 2030-01-01T00:00:00Z.")])
    return when


def fields_of(handler: BaseRouteHandler) -> dict[str, FieldDefinition]:
    """The handler's own parameters, and those of what is provided to it."""
    provided = handler.resolve_dependencies()
    found: dict[str, FieldDefinition] = {}
    for name, field in handler.parsed_fn_signature.parameters.items():
        found.update(provided[name].parsed_fn_signature.parameters if name in provided else {name: field})
    return {name: field for name, field in found.items() if name not in {"request", "data"}}


def misfits(scope: Scope) -> Iterator[tuple[str, FieldDefinition, str]]:
    """What of the query is not what the route takes: by the handler's name, with what msgspec says of it.

    All of them: Litestar stops at the first function whose parameters do not fit, and a handler's come after those of
    what is provided to it.
    """
    handler: BaseRouteHandler = scope["route_handler"]
    given = Request[Any, Any, Any](scope).query_params
    models = (handler.signature_model, *(one.signature_model for one in handler.resolve_dependencies().values()))
    wanted = {field: annotation for model in models for field, annotation in model.__annotations__.items()}
    for field, definition in fields_of(handler).items():
        if not isinstance(definition.kwarg_definition, QueryParameter):
            continue
        if not (values := given.getall(definition.kwarg_definition.name or field, [])):
            continue
        try:
            convert(values if _is_list(definition) else values[-1], wanted[field], strict=False)
        except ValidationError as error:
            yield field, definition, readable(error)


def _in_query(fields: dict[str, FieldDefinition]) -> Iterator[tuple[str, FieldDefinition]]:
    """Those of the fields that stand in the query, by what they are called there."""
    for name, field in fields.items():
        if isinstance(field.kwarg_definition, QueryParameter):
            yield field.kwarg_definition.name or name, field


def _faults(name: str, field: FieldDefinition, given: list[str]) -> Iterable[FieldError]:
    if not given or _is_list(field):
        return
    members = _members(field.annotation)
    if len(given) > 1:
        # the last one would be taken, and the others lost without a word
        yield FieldError(f"query:{name}", f"This has one value, and stands {len(given)} times.")
    elif given[0] == "null" and str not in members:
        # it would be taken for none
        yield FieldError(f"query:{name}", "To give no value, leave the parameter out.")
    elif datetime in members and not _YEAR.match(given[0]):
        # a number would be taken for seconds since 1970
        yield FieldError(f"query:{name}", "Expected a time such as 2030-01-01T00:00:00Z (RFC 3339).")
    elif datetime in members and _LOST_PLUS.fullmatch(given[0]):
        yield FieldError(f"query:{name}", "A + in a URL stands for a space: write %2B, or a time with a Z.")


def _is_list(field: FieldDefinition) -> bool:
    return not _members(field.annotation).isdisjoint({list, tuple})


def _members(annotation: Any) -> set[Any]:  # noqa: ANN401 - any annotation
    """The types an annotation is made of; lists as what they are, without their items."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return {one for member in get_args(annotation) for one in _members(member)}
    return {get_origin(annotation) or annotation}


def _refusal(name: str, known: list[str]) -> str:
    near = get_close_matches(name[:64], known, n=1)
    if near:
        return f"There is no such parameter. Did you mean {near[0]}?"
    there_are = f"There are: {', '.join(known)}." if known else "The route takes none."
    return f"There is no such parameter. {there_are}"
