"""Parameters of a query: those a route does not know are refused, with the nearest name it does."""

from collections.abc import Iterable
from datetime import datetime
from difflib import get_close_matches

from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter
from litestar.typing import FieldDefinition

from api.auth import Connection
from api.bodies import BodyInvalid
from api.fields import FieldError
from domain.errors import Invalid


class ParameterUnknown(BodyInvalid):
    """The query has a parameter that the route does not take; `errors` names them all."""

    code = "parameter_unknown"
    title = "There is no such parameter"


async def only_known(connection: Connection, handler: BaseRouteHandler) -> None:
    """A guard that lets pass whose query has only parameters of the route.

    Raises:
        ParameterUnknown: it has others.
    """
    known = sorted(names_in_query(fields_of(handler)))
    unknown = [name for name in dict.fromkeys(connection.query_params.keys()) if name not in known]
    if unknown:
        raise ParameterUnknown([FieldError(f"query:{name}", _refusal(name, known)) for name in unknown])


def zoned(name: str, when: datetime | None) -> datetime | None:
    """A time in the query, which must say in which zone.

    Raises:
        Invalid: it does not.
    """
    if when is not None and when.tzinfo is None:
        raise Invalid("A time names its zone, as in 2030-01-01T00:00:00Z.", pointer=f"query:{name}")
    return when


def fields_of(handler: BaseRouteHandler) -> dict[str, FieldDefinition]:
    """The handler's own parameters, and those of what is provided to it."""
    provided = handler.resolve_dependencies()
    found: dict[str, FieldDefinition] = {}
    for name, field in handler.parsed_fn_signature.parameters.items():
        found.update(provided[name].parsed_fn_signature.parameters if name in provided else {name: field})
    return {name: field for name, field in found.items() if name not in {"request", "data"}}


def names_in_query(fields: dict[str, FieldDefinition]) -> Iterable[str]:
    """What those of the fields that stand in the query are called there."""
    for name, field in fields.items():
        if isinstance(field.kwarg_definition, QueryParameter):
            yield field.kwarg_definition.name or name


def _refusal(name: str, known: list[str]) -> str:
    near = get_close_matches(name[:64], known, n=1)
    instead = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
    return f"There is no such parameter. {instead}"
