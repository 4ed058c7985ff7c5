"""What is wrong with a value, in a person's words: what msgspec says, put so that it tells what would be right."""

import re
import types
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from msgspec import Meta

_NAMES: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
    "datetime": "a time",
}
"""JSON's types as people call them."""

_ID: Final = re.compile(r"\^([a-z]+_)\[0-9a-f\]\{32\}\$")
_GOT_PART: Final = {"float": "one with a fraction"}

_Rule = tuple[re.Pattern[str], Callable[[re.Match[str], Any], str | None]]


def in_words(message: str, wanted: Any) -> str:  # noqa: ANN401 - any annotation
    """A sentence for what msgspec says of a value that is no `wanted`; its own words where there are no better."""
    for pattern, word in _RULES:
        if (found := pattern.fullmatch(message)) is not None:
            return word(found, wanted) or f"{message}."
    return message


def pattern_of_id(pattern: str) -> str | None:
    """What an id of this pattern looks like; None where it is no id's."""
    prefix = _ID.fullmatch(pattern)
    return None if prefix is None else f"an id: {prefix[1]} and 32 digits, 0 to 9 and a to f"


def _mismatch(found: re.Match[str], _: object) -> str:
    names = [_NAMES.get(name, name) for name in found[1].split(" | ")]
    got = _GOT_PART.get(found[2]) if "int" in found[1].split(" | ") else None
    return f"Expected {' or '.join(names)}, not {got or _NAMES.get(found[2], found[2])}."


def _pattern(_: re.Match[str], wanted: Any) -> str | None:  # noqa: ANN401 - any annotation
    for meta in _metas(wanted):
        if meta.pattern is None:
            continue
        if (told := pattern_of_id(meta.pattern)) is not None:
            return f"Expected {told}."
        example = f", such as {meta.examples[0]}" if meta.examples else ""
        if meta.description is not None:
            told = meta.description.rstrip(".")
            first = told[:1] if told[1:2].isupper() else told[:1].lower()  # but for ISO and the like
            return f"Expected {first}{told[1:]}{example}."
        return f"Expected a text that matches {meta.pattern}{example}."
    return None


def _choice(_: re.Match[str], wanted: Any) -> str | None:  # noqa: ANN401 - any annotation
    choices = list(dict.fromkeys(_choices(wanted)))
    return f"Expected one of: {', '.join(choices)}." if choices else None


def _length(found: re.Match[str], _: object) -> str:
    thing, bound, count = found[1], found[2], int(found[3])
    unit = {"str": "character", "object": "field"}.get(thing, "item")
    return f"Expected {'at least' if bound == '>=' else 'at most'} {count:,} {unit}{'' if count == 1 else 's'}."


def _bound(found: re.Match[str], _: object) -> str:
    said = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}[found[2]]
    return f"Expected {_NAMES.get(found[1], found[1])} of {said} {found[3]}."


def _moment(_: re.Match[str], __: object) -> str:
    return "Expected a time as RFC 3339 spells it, such as 2026-03-01T12:00:00Z."


def _day(_: re.Match[str], __: object) -> str:
    return "Expected a day as RFC 3339 spells it, such as 2026-03-01."


def _zone(_: re.Match[str], __: object) -> str:
    return "Expected a time that names its zone: a Z at its end, or an offset such as +02:00."


def _missing(found: re.Match[str], _: object) -> str:
    return f"The field {found[1]} is needed."


_RULES: Final[tuple[_Rule, ...]] = (
    (re.compile(r"Expected `([a-z |]+)`, got `([a-z]+)`"), _mismatch),
    (re.compile(r"Expected `str` matching regex .*", re.DOTALL), _pattern),
    (re.compile(r"Invalid enum value .*", re.DOTALL), _choice),
    (re.compile(r"Expected `(str|array|object)` of length (>=|<=) (\d+)"), _length),
    (re.compile(r"Expected `(int|float)` (>=|<=|>|<) (-?[\d.]+)"), _bound),
    (re.compile(r"Invalid RFC3339 encoded datetime"), _moment),
    (re.compile(r"Invalid RFC3339 encoded date"), _day),
    (re.compile(r"Expected `datetime` with a timezone component"), _zone),
    (re.compile(r"Object missing required field `(.*)`"), _missing),
)


def _metas(wanted: Any) -> Iterator[Meta]:  # noqa: ANN401 - any annotation
    """What is said of a value in its annotation, of itself and of what it may be."""
    if get_origin(wanted) is Annotated:
        bare, *said = get_args(wanted)
        yield from (one for one in said if isinstance(one, Meta))
        yield from _metas(bare)
    elif get_origin(wanted) in {Union, types.UnionType}:
        for member in get_args(wanted):
            yield from _metas(member)
    elif hasattr(wanted, "__supertype__"):
        yield from _metas(wanted.__supertype__)


def _choices(wanted: Any) -> Iterator[str]:  # noqa: ANN401 - any annotation
    """The values there are to choose from, as they are spelled."""
    origin = get_origin(wanted)
    if origin is Literal:
        yield from map(str, get_args(wanted))
    elif origin is Annotated:
        yield from _choices(get_args(wanted)[0])
    elif origin is not None:
        for member in get_args(wanted):
            yield from _choices(member)
    elif isinstance(wanted, type) and issubclass(wanted, Enum):
        yield from (str(member.value) for member in wanted)
