"""An example for each body and answer: made from its schema, so that no route is without one.

What a schema gives as an example is taken as it is. The rest is spelled by the name of the field, else by its bounds.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Json = Any
Schema = Mapping[str, Any]

_DEEPEST: Final = 12
_HEX: Final = "019ab1c2d3e47f5a8b9c0d1e2f3a4b5c"
_MOMENT: Final = "2030-01-01T09:00:00Z"
_ID: Final = re.compile(r"^\^([a-z]+)_\[0-9a-f\]\{32\}\$$")
_BY_NAME: Final[dict[str, Json]] = {
    "cron": "0 9 * * 1-5",
    "every": "15m",
    "timezone": "Europe/Berlin",
    "currency": "USD",
    "country": "GB",
    "email": "ada@example.com",
    "url": "https://example.com/hooks/headrace",
    "name": "Morning report",
    "title": "Questions about an order",
    "kind": "text.summarize",
    "queue": "text",
    "text": "Where is my order?",
    "input": {"text": "A long story, to be told in few words."},
    "result": {"summary": "A long story.", "engine": "local", "cached": False},
    "metadata": {"ticket": "42"},
    "tags": ["news"],
    "worker": "worker-1",
    "sku": "TEA-001",
    "description": "Loose leaves, 100 g.",
    "password": "correct horse battery staple",
    "current_password": "correct horse battery staple",
    "new_password": "a heron waits for the rain",
    "event": "job.succeeded",
    "permission": "jobs:read",
    "scope": "jobs:read",
}
"""What fields of these names are given, where the schema lets them."""
_RELATIVES: Final = {"self": "", "events": "/events", "cancel": "/cancel", "results": "/results", "runs": "/runs"}
_PREFIXES: Final = {"schedule": "sched", "parent": "job", "conversation": "conv", "message": "msg", "customer": "user"}


def example_of(schema: Schema, components: Mapping[str, Schema], name: str = "", depth: int = 0) -> Json:
    """What could stand where `schema` is asked for, in a field called `name`."""
    schema = resolved(schema, components)
    for given in (schema.get("examples"), [schema["const"]] if "const" in schema else None, schema.get("enum")):
        if given:
            return given[0]
    if members := schema.get("anyOf") or schema.get("oneOf"):
        # what is there teaches more than what is not
        told = [one for one in members if resolved(one, components).get("type") != "null"]
        is_idle = schema.get("default", "") is None and depth > 0 and name not in _BY_NAME
        return None if is_idle or not told else example_of(told[0], components, name, depth)
    make = _MAKERS.get(schema.get("type", ""))
    return _BY_NAME.get(name, {}) if make is None else make(schema, components, name, depth)


def resolved(schema: Schema, components: Mapping[str, Schema]) -> Schema:
    """`schema`, or the component it refers to."""
    while "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    return schema


def _object(schema: Schema, components: Mapping[str, Schema], _: str, depth: int) -> Json:
    required = set(schema.get("required", ()))
    made: dict[str, Json] = {}
    for name, field in schema.get("properties", {}).items():
        if name in required or "default" not in field:
            made[name] = example_of(field, components, name, depth + 1)
    more = schema.get("additionalProperties")
    if not made and isinstance(more, Mapping) and schema.get("minProperties"):
        made["example"] = example_of(more, components, "example", depth + 1)
    return made


def _array(schema: Schema, components: Mapping[str, Schema], name: str, depth: int) -> Json:
    wanted = max(schema.get("minItems", 0), min(1, schema.get("maxItems", 1)))
    item = example_of(schema.get("items", {}), components, name.removesuffix("s"), depth + 1)
    return [item] * (wanted if depth < _DEEPEST else 0)


def _string(schema: Schema, _: Mapping[str, Schema], name: str, __: int) -> Json:
    if schema.get("format") == "date-time":
        return _MOMENT
    if found := _ID.match(schema.get("pattern", "")):
        return f"{found[1]}_{_HEX}"
    if name == "id" or (name.endswith("_id") and "pattern" not in schema):
        prefix = name.removesuffix("_id") if name != "id" else "thing"
        return f"{_PREFIXES.get(prefix, prefix)}_{_HEX}"
    if name in _RELATIVES and "pattern" not in schema:
        return f"https://headrace.example/v1/jobs/job_{_HEX}{_RELATIVES[name]}"
    text = str(_BY_NAME.get(name, name.replace("_", " ") or "text"))
    if "pattern" in schema and not re.search(schema["pattern"], text):
        text = str(schema.get("default") or text)
    return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]


def _number(schema: Schema, _: Mapping[str, Schema], name: str, __: int) -> Json:
    default = schema.get("default")
    if isinstance(default, int | float):
        return default
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    most = schema.get("maximum", schema.get("exclusiveMaximum", 1299))
    wanted = 1299 if name == "amount" else 1
    return max(least, min(most, wanted))


def _boolean(schema: Schema, _: Mapping[str, Schema], __: str, ___: int) -> Json:
    return bool(schema.get("default", False))


_MAKERS: Final[dict[str, Callable[[Schema, Mapping[str, Schema], str, int], Json]]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": _boolean,
}
