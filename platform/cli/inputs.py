"""What a job is given, as a person types it: JSON, a file, or just the text."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from cli.replies import KindReply

_MAIN_FIELDS: Final = ("text", "brief")


def read_input(spelled: str | None, changes: Sequence[str], kinds: Sequence[KindReply], kind: str) -> bytes:
    """The JSON of a job's input.

    `spelled` is JSON, `@file` or `-` for standard input; what is no JSON object there becomes the kind's main text
    field. `changes`, as NAME=VALUE, are laid over it; a value that is no JSON is a string.

    Raises:
        click.UsageError: it cannot be read, or means nothing for this kind.
    """
    text = _read(spelled) if spelled is not None else "{}"
    given = _as_object(text)
    if given is None:
        if spelled is not None and not spelled.startswith(("@", "-")) and text.lstrip().startswith("{"):
            raise click.UsageError(f"--input is no valid JSON: {_why_not(text)}.")
        given = {_main_field(kinds, kind): text.strip("\n")}
    properties = _properties(kinds, kind)
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set {change!r}: write NAME=VALUE.")
        given[name] = _value(value, properties.get(name))
    return msgspec.json.encode(given)


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


def _properties(kinds: Sequence[KindReply], kind: str) -> dict[str, Any]:
    found = next((each for each in kinds if each.name == kind), None)
    properties = found.schema.get("properties", {}) if found else {}
    return properties if isinstance(properties, dict) else {}


def _main_field(kinds: Sequence[KindReply], kind: str) -> str:
    properties = _properties(kinds, kind)
    required: list[str] = next((each.schema.get("required", []) for each in kinds if each.name == kind), [])
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
