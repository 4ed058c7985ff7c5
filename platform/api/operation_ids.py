"""What an operation is called in generated clients: a verb and what it is done to, made from method and path.

`GET /v1/jobs` is `list_jobs`, `GET /v1/jobs/{job_id}/result` is `get_job_result`. A route that reads badly so names
itself, by `operation_id=`.
"""

from typing import Any, Final, get_args, get_origin

from litestar.handlers import HTTPRouteHandler
from litestar.response import Response

from api.paging import Page

_OF_THINGS: Final = {"GET": "get", "PATCH": "update", "PUT": "put", "DELETE": "delete", "POST": "post"}
_STREAM: Final = "text/event-stream"


def operation_id(method: str, path: str, handler: HTTPRouteHandler) -> str:
    """The name of an operation, in snake case."""
    if isinstance(handler.operation_id, str):
        return handler.operation_id
    parts = [part for part in path.split("/") if part and part != "v1"]
    literals = [part for part in parts if not part.startswith("{")]
    if not literals:
        return "_".join((_OF_THINGS[method], "front_door"))
    *above, last = literals
    owners = "_".join(_singular(one) for one in above)
    if parts[-1].startswith("{"):
        return _joined(_OF_THINGS[method], owners, _singular(last))
    if _is_verb(method, parts, last):
        verb, _, rest = last.partition("-")
        # /jobs/export is of them all, /jobs/{job_id}/cancel of one
        return _joined(verb, owners if parts[-2].startswith("{") else "_".join(above), rest)
    return _joined(_verb(method, handler), owners, last if _is_listed(method, handler) else _singular_of(method, last))


def _is_verb(method: str, parts: list[str], last: str) -> bool:
    """Whether the last part of a path says what is done: `cancel`, `export`, and not `messages`."""
    if len(parts) == 1 or last.endswith("s"):
        return False
    return method == "POST" or (len(parts) == 2 and last == "export")  # noqa: PLR2004 - directly below a list


def _verb(method: str, handler: HTTPRouteHandler) -> str:
    if method == "GET":
        is_stream = getattr(handler.media_type, "value", handler.media_type) == _STREAM
        return "stream" if is_stream else "list" if _is_listed(method, handler) else "get"
    if method == "POST":
        return "submit" if handler.status_code == 202 else "create"  # noqa: PLR2004 - accepted, not made
    return "set" if method == "PUT" else _OF_THINGS[method]


def _is_listed(method: str, handler: HTTPRouteHandler) -> bool:
    return method == "GET" and any(get_origin(one) is Page or one is Page for one in _within(handler))


def _within(handler: HTTPRouteHandler) -> list[Any]:
    annotation = handler.parsed_return_field.annotation
    return [annotation, *(get_args(annotation) if get_origin(annotation) is Response else ())]


def _singular_of(method: str, word: str) -> str:
    # what is read as one thing keeps its name: stats, results, limits
    return word if method in {"GET", "PUT"} else _singular(word)


def _singular(word: str) -> str:
    word = word.replace("-", "_")
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("ches", "sses", "shes", "xes")):
        return word[:-2]
    return word.removesuffix("s") if not word.endswith("ss") else word


def _joined(*words: str) -> str:
    return "_".join(word.replace("-", "_") for word in words if word)
