"""The OpenAPI 3.1 description, made from the routes and from msgspec's schemas of what they take and give.

Litestar has a generator of its own; it loses discriminators, the constraints of list items and `additionalProperties`.
"""

import types
from collections.abc import Iterator, Mapping
from functools import reduce
from http import HTTPStatus
from operator import or_
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, ParameterKwarg, PathParameter, QueryParameter
from litestar.response import Response, Stream
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition
from msgspec import Meta

from api.bodies import JSON
from api.described_headers import HEADERS
from api.described_patterns import tell_patterns
from api.examples import example_of
from api.failures import failures_of, responses
from api.job_view import JobView
from api.operation_ids import operation_id
from api.parameters import fields_of
from api.problems import Problem
from api.submissions import FORMS, AnySubmission
from domain.catalog import KINDS, kind_named

Json = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_UNION: Final = "Submission"
_SUCCESSES: Final = {
    200: "Done.",
    201: "Made.",
    202: "Accepted, and not finished yet.",
    204: "Done.",
    304: "Unchanged.",
}
_TEXTUAL: Final = frozenset({"text/plain", "text/html"})
_STREAM: Final = "text/event-stream"
_STREAM_EXAMPLE: Final = """\
event: snapshot
data: {"id": "job_019ab1c2d3e47f5a8b9c0d1e2f3a4b5c", "state": "running"}

event: succeeded
id: 3
data: {"job_id": "job_019ab1c2d3e47f5a8b9c0d1e2f3a4b5c", "at": "2030-01-01T09:00:02Z"}

"""
_WHERE: Final = {PathParameter: "path", QueryParameter: "query", HeaderParameter: "header"}

_INTRODUCTION: Final = """\
Hand in jobs, and learn what becomes of them. Errors are problems (RFC 9457): the type of each is the address of a
page that says what it means and what to do."""


def describe(app: Litestar, *, version: str) -> Json:
    """The description of every route of `app` that is included in it."""
    operations = [
        (route, method, handler)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if handler.resolve_include_in_schema() and method != "OPTIONS"
    ]
    schemas = _Schemas()
    paths: dict[str, Json] = {}
    for route, method, handler in sorted(operations, key=lambda found: (found[0].path_format, found[1])):
        operation = _operation(route, method, handler, schemas)
        paths.setdefault(route.path_format or "/", {})[method.lower()] = operation
    components = schemas.components()
    _exemplify(paths, components)
    tell_patterns(paths)
    tell_patterns(components)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
        "info": {"title": "Headrace", "version": version, "summary": "Jobs, done.", "description": _INTRODUCTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in sorted({tag for _, _, handler in operations for tag in _tags(handler)})],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": responses(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "hr_… or hra_…",
                    "description": "An API key or an access token, as `Authorization: Bearer …`.",
                },
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-API-Key",
                    "description": "The same key, for those who cannot set Authorization.",
                },
            },
        },
    }


class _Schemas:
    """Gathers the types that are spoken of, and the components they refer to."""

    def __init__(self) -> None:
        self._types: list[Any] = [Problem, AnySubmission]

    def of(self, annotation: Any) -> Json:  # noqa: ANN401 - any annotation
        """The schema of a type, references in place of its Structs."""
        if annotation == AnySubmission:
            return {"$ref": _REF.format(name=_UNION)}
        self._types.append(annotation)
        (schema,), _ = msgspec.json.schema_components([annotation], ref_template=_REF)
        return dict(schema)

    def components(self) -> dict[str, Json]:
        """Every component that was referred to."""
        schemas, components = msgspec.json.schema_components(self._types, ref_template=_REF)
        found = {**components, _UNION: schemas[1]}
        for name, form in FORMS.items():
            given = msgspec.to_builtins(kind_named(name).example)
            found[form.__name__] = {**found[form.__name__], "examples": [{"kind": name, "input": given}]}
        for kind in KINDS:
            if kind.input.__name__ in found:
                given = msgspec.to_builtins(kind.example)
                found[kind.input.__name__] = {**found[kind.input.__name__], "examples": [given]}
        return {name: _plain(found[name]) for name in sorted(found)}


def _plain(component: Json) -> Json:
    """`component` without objects as defaults, which generators of clients cannot spell."""
    fields = {
        name: {
            key: value for key, value in field.items() if key != "default" or not isinstance(value, dict) or not value
        }
        for name, field in component.get("properties", {}).items()
    }
    return {**component, "properties": fields} if fields else component


def _exemplify(paths: dict[str, Json], components: dict[str, Json]) -> None:
    """Give each body and each answer an example, where it has none of its own."""
    for operation in (operation for methods in paths.values() for operation in methods.values()):
        given = [operation.get("requestBody", {}), *operation["responses"].values()]
        for media in (media for one in given for media in one.get("content", {}).values()):
            if "example" not in media:
                media["example"] = example_of(media["schema"], components)


def _operation(route: HTTPRoute, method: str, handler: HTTPRouteHandler, schemas: _Schemas) -> Json:
    text = (handler.fn.__doc__ or "").strip()
    operation: Json = {
        "operationId": operation_id(method, route.path_format or "/", handler),
        "summary": text.partition(".")[0] + ".",
        "tags": _tags(handler),
    }
    if text.count(".") > 1:
        operation["description"] = " ".join(text.split())
    given = _answer_type(handler)
    parameters = [
        *_parameters(handler, schemas),
        *(header for name, header in HEADERS.items() if handler.opt.get(name)),
    ]
    if parameters:
        operation["parameters"] = parameters
    data = handler.parsed_fn_signature.parameters.get("data")
    bodies = handler.opt.get("bodies") or ({} if data is None else {JSON: data.annotation})
    if bodies:
        content = {media_type: {"schema": schemas.of(body)} for media_type, body in bodies.items()}
        if example := handler.opt.get("example"):
            content[next(iter(content))]["example"] = example
        operation["requestBody"] = {"required": data is None or not data.has_default, "content": content}
    permissions = _permissions(handler)
    is_open = bool(handler.opt.get("open"))
    failures = failures_of(route.path_format or "/", method, handler, has_body=bool(bodies))
    operation["responses"] = dict(_responses(handler, given, schemas, failures))
    if (route.path_format or "").startswith("/v1"):
        operation["security"] = [] if is_open else [{"bearer": []}, {"key": []}]
    if permissions:
        operation["x-permissions"] = permissions
    if actions := handler.opt.get("audited"):
        operation["x-audited"] = list(actions)
    return operation


def _responses(
    handler: HTTPRouteHandler,
    given: Any,  # noqa: ANN401 - any annotation
    schemas: _Schemas,
    failures: Mapping[int, str],
) -> Iterator[tuple[str, Json]]:
    also = (*handler.opt.get("also", ()), *((200, 202) if given is JobView else ()))
    for status in sorted({handler.status_code, *also}):
        response: Json = {"description": _SUCCESSES.get(status, HTTPStatus(status).phrase)}
        if given is not None and status not in {204, 304}:
            response["content"] = _content(handler, given, schemas)
        yield str(status), response
    for status, name in sorted(failures.items()):
        yield str(status), {"$ref": f"#/components/responses/{name}"}
    yield "default", {"$ref": "#/components/responses/Problem"}


def _content(handler: HTTPRouteHandler, given: Any, schemas: _Schemas) -> Json:  # noqa: ANN401 - any annotation
    media_type = str(getattr(handler.media_type, "value", handler.media_type) or "application/json").partition(";")[0]
    if several := handler.opt.get("media_types"):
        return {one.partition(";")[0]: {"schema": {"type": "string"}} for one in several}
    if media_type == _STREAM:
        # OpenAPI 3.1 has no words for what a stream is made of
        return {media_type: {"schema": {}, "example": _STREAM_EXAMPLE}}
    if media_type in _TEXTUAL:
        return {media_type: {"schema": {"type": "string"}}}
    pages: Json = {"text/html": {"schema": {"type": "string"}}} if handler.opt.get("pages") else {}
    return {"application/json": {"schema": {} if given in {bytes, Any} else schemas.of(given)}, **pages}


def _answer_type(handler: HTTPRouteHandler) -> Any:  # noqa: ANN401 - any annotation
    """What a handler answers with; None for nothing."""
    annotation = handler.parsed_return_field.annotation
    members = get_args(annotation) if get_origin(annotation) in {Union, types.UnionType} else (annotation,)
    for member in members:
        if member is Stream:
            return bytes
        if get_origin(member) is Response or (isinstance(member, type) and issubclass(member, Response)):
            inner = (get_args(member) or (Any,))[0]
            if inner is not type(None):
                return inner
        elif member is not type(None):
            return member
    return None


def _parameters(handler: HTTPRouteHandler, schemas: _Schemas) -> Iterator[Json]:
    for name, field in fields_of(handler).items():
        kwarg = field.kwarg_definition
        where = next((where for shape, where in _WHERE.items() if isinstance(kwarg, shape)), None)
        if where is not None and isinstance(kwarg, ParameterKwarg):
            parameter: Json = {
                "name": kwarg.name or name,
                "in": where,
                "required": where == "path" or not (field.has_default or field.is_optional),
                "schema": _parameter_schema(field, kwarg, schemas),
            }
            if kwarg.description:
                parameter["description"] = kwarg.description
            yield parameter


def _parameter_schema(field: FieldDefinition, kwarg: ParameterKwarg, schemas: _Schemas) -> Json:
    annotation = _without_none(field.annotation)
    bounds = {name: getattr(kwarg, name) for name in ("ge", "gt", "le", "lt", "pattern", "min_length", "max_length")}
    lengths = (
        {"min_length": kwarg.min_items, "max_length": kwarg.max_items}
        if get_origin(annotation) in {list, tuple}
        else {}
    )
    limits: dict[str, Any] = {name: value for name, value in {**bounds, **lengths}.items() if value is not None}
    schema = schemas.of(Annotated[annotation, Meta(**limits)] if limits else annotation)
    if field.has_default and field.default is not None:
        schema["default"] = msgspec.to_builtins(field.default)
    return schema


def _without_none(annotation: Any) -> Any:  # noqa: ANN401 - any annotation
    if get_origin(annotation) not in {Union, types.UnionType}:
        return annotation
    return reduce(or_, (member for member in get_args(annotation) if member is not type(None)))


def _permissions(handler: HTTPRouteHandler) -> list[str]:
    found = [getattr(getattr(guard, "ref", guard), "permission", None) for guard in handler.resolve_guards()]
    return [permission for permission in found if permission]


def _tags(handler: HTTPRouteHandler) -> list[str]:
    return sorted(handler.resolve_tags()) if hasattr(handler, "resolve_tags") else sorted(handler.tags or ())
