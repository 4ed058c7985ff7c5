"""Texts that a regular expression matches, drawn at random from its parts."""

# ruff: noqa: S311 - seeded, so that texts repeat

import random
import re
from importlib import import_module
from typing import Any

_PARSER: Any = import_module("re._parser")  # the only one there is
_MEMBERS = {"CATEGORY_WORD": "wo", "CATEGORY_NOT_WORD": " ,.-", "CATEGORY_DIGIT": "37", "CATEGORY_SPACE": " ",
            "CATEGORY_NOT_SPACE": "xy"}  # fmt: skip
_OTHERS = "xq ,\n"
_MOST_MORE = 3


def drawn_from(pattern: re.Pattern[str], count: int) -> list[str]:
    """Texts made of what the pattern says, one part after the other; what it looks around for is not heeded."""
    rng = random.Random(pattern.pattern)
    tree = _PARSER.parse(pattern.pattern)
    return [_draw(tree, rng) for _ in range(count)]


def _draw(parts: Any, rng: random.Random) -> str:  # noqa: ANN401 - the parser's own
    return "".join(_draw_part(str(name), what, rng) for name, what in parts)


def _draw_part(name: str, what: Any, rng: random.Random) -> str:  # noqa: ANN401, PLR0911 - as above; a return a part
    match name:
        case "LITERAL":
            return chr(what)
        case "NOT_LITERAL" | "ANY":
            return rng.choice("~x")
        case "IN":
            return rng.choice(_OTHERS) if str(what[0][0]) == "NEGATE" else _draw_member(rng.choice(what), rng)
        case "BRANCH":
            return _draw(rng.choice(what[1]), rng)
        case "SUBPATTERN":
            return _draw(what[3], rng)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, inside = what
            return "".join(_draw(inside, rng) for _ in range(rng.randint(least, min(most, least + _MOST_MORE))))
        case "ASSERT" | "ASSERT_NOT" | "AT":
            return ""
        case _:
            raise AssertionError(name)


def _draw_member(member: Any, rng: random.Random) -> str:  # noqa: ANN401 - as above
    name, what = str(member[0]), member[1]
    match name:
        case "LITERAL":
            return chr(what)
        case "RANGE":
            return chr(rng.randint(*what))
        case _:
            return rng.choice(_MEMBERS[str(what)])
