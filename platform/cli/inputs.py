"""What a job is given, as a person types it: JSON, a file, or just the text."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from cli.replies import KindReply

_MAIN_FIELDS: Final = ("text", "brief")


def read_input(
    spelled: str | None, changes: Sequence[str], kind: str, read_kinds: Callable[[], Sequence[KindReply]]
) -> bytes:
    """The JSON of a job's input.

    `spelled` is JSON, `@file` or `-` for standard input; what is no JSON object there becomes the kind's main text
    field. `changes`, as NAME=VALUE, are laid over it; a value that is no JSON is a string. The kinds are read only
    when their schemas are needed: a JSON object says everything itself.

    Raises:
        click.UsageError: it cannot be read, or means nothing for this kind.
    """
    text = _read(spelled) if spelled is not None else "{}"
    given = _as_object(text)
    if given is None and spelled is not None and spelled == text and text.lstrip().startswith("{"):
        raise click.UsageError(f"--input is no valid JSON: {_why_not(text)}.")
    if given is not None and not changes:
        return text.encode()
    schema = next((each.schema for each in read_kinds() if each.name == kind), {})
    filled: dict[str, object] = {_main_field(schema, kind): text.strip("\n")} if given is None else given
    properties = _properties(schema)
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set {change!r}: write NAME=VALUE.")
        filled[name] = _value(value, properties.get(name))
    return msgspec.json.encode(filled)


def _read(spelled: str) -> str:
    if not spelled.startswith("@") and spelled != "-":
        return spelled
    try:
        found = sys.stdin.buffer.read() if spelled == "-" else Path(spelled[1:]).expanduser().read_bytes()
    except OSError as error:
        raise click.UsageError(f"{spelled[1:]} cannot be read: {error.strerror}.") from None
    try:
        return found.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        name = "Standard input" if spelled == "-" else spelled[1:]
        raise click.UsageError(f"{name} is not UTF-8 (byte {error.start}).") from None


def _as_object(text: str) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return found if isinstance(found, dict) else None


def _why_not(text: str) -> str:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        return str(error)
    return "not an object"


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = schema.get("properties", {})
    return properties if isinstance(properties, dict) else {}


def _main_field(schema: Mapping[str, Any], kind: str) -> str:
    properties = _properties(schema)
    required: list[str] = schema.get("required", [])
    strings = [name for name in required if _is_string(properties.get(name))]
    for name in (*(name for name in _MAIN_FIELDS if name in strings), *strings):
        return name
    raise click.UsageError(f"{kind} is given no plain text: write its input as a JSON object (see ./headrace openapi).")


def _is_string(schema: object) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "string" and "enum" not in schema


def _value(text: str, schema: object) -> object:
    if _is_string(schema):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
