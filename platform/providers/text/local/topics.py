"""What a brief wants a post or a product text to be about, and which points to make. Read by rules, not understood."""

import re
from typing import Final

from msgspec import Struct

from providers.text.local.briefs import WRAPPING
from providers.text.local.words import one_line

_IN_A_POST: Final = re.compile(
    r"^(?:(?:explain|describe|discuss|show|tell)\s+(?:readers\s+)?in\s+an?\s+(?:[a-z]+\s+)?(?:post|article|text)\s+"
    r"|(?:describe|explain|introducing|introduce|announcing|announce|presenting|present|discuss)\s+)",
    re.IGNORECASE,
)
_RELATIVE: Final = re.compile(
    r"^(?P<name>[^:]{2,90}?)(?:,\s+(?P<sort>an?\s[^,]*?))?,?\s+(?:that|which)\s+(?P<rest>.+)$", re.DOTALL
)
_AND_DOES: Final = re.compile(r",?\s+and\s+(?=\w+(?:s|ed)\s)|,\s+")
_TOPIC: Final = re.compile(r"^(.*?)\s*(?:[:\u2013\u2014]\s+|\s-\s+|[.;]\s+)(.*)$", re.DOTALL)
_POINT: Final = re.compile(r"\s*;\s+|,\s+(?:and\s+)?|(?<=[^\d])\.\s+(?=[A-Z])|\n+\s*(?:[-*\u2022]\s*)?")
_SPEAKS_OF: Final = re.compile(r"\b(?:with|featuring|that has|which has|including|offering)\s+", re.IGNORECASE)
_LABEL: Final = re.compile(r"\A\s*(?:product|name|topic|title|subject|item)\s*:\s*", re.IGNORECASE)
_HEADING: Final = re.compile(
    r"^\s*(?:features?|details?|points?|key points|facts|specs|specifications)\s*:\s*$", re.IGNORECASE | re.MULTILINE
)
_NUMBERED: Final = re.compile(r"^\s*\d{1,2}[.)]\s+", re.MULTILINE)
_SEMICOLON: Final = re.compile(r"\s*;\s+|\n+\s*(?:[-*\u2022]\s*)?")
_FEWEST_MARKS: Final = 2


class Topic(Struct, frozen=True):
    """What a post or a product text is about, and the points to make."""

    name: str
    points: tuple[str, ...]
    is_told: bool = False
    """Whether the points say what the topic does: `opens on Monday`, of which it is the subject."""


def topic_of(brief: str, *, is_product: bool = False) -> Topic:
    """The topic of the brief and its points; a brief without points has its topic only.

    Of a product what comes after its name and a comma are points: `Trailhead 45, 1.2 kg, waterproof`.
    """
    line = unlabelled(brief)
    line = WRAPPING.sub("", line, count=1).strip() or line
    line = _IN_A_POST.sub("", line, count=1) or line
    match = _TOPIC.match(line)
    if match and len(match[1]) <= 160:  # noqa: PLR2004 - a longer opening is prose, no heading
        return Topic(one_line(match[1]), points_of(match[2]))
    told = _RELATIVE.match(one_line(line).rstrip("."))
    if told:
        points = tuple(point.strip() for point in _AND_DOES.split(told["rest"]) if point.strip())
        return Topic(told["name"], (*([told["sort"]] if told["sort"] else []), *points), is_told=True)
    parts = _SPEAKS_OF.split(one_line(line).rstrip("."), maxsplit=1)
    if len(parts) > 1 and "," in parts[1]:
        return Topic(parts[0].rstrip(" ,"), points_of(parts[1]))
    if is_product and line.count(", ") >= _FEWEST_MARKS:
        name, _, rest = one_line(line).partition(", ")
        return Topic(name, points_of(rest))
    return Topic(one_line(line).rstrip("."), ())


def unlabelled(brief: str) -> str:
    """The brief without what only says what is what: `Product:` before a name, `Features:` alone, items' numbers."""
    return _NUMBERED.sub("- ", _HEADING.sub("", _LABEL.sub("", brief))).strip() or brief.strip()


def points_of(text: str) -> tuple[str, ...]:
    """The points of a list written in a sentence; numbers such as 2,700 stay whole, and so does what is in brackets.

    Where semicolons or lines part them, commas do not.
    """
    bare = text.strip().rstrip(".")
    marks = _SEMICOLON if len(_SEMICOLON.findall(bare)) >= _FEWEST_MARKS else _POINT
    pieces = [one_line(piece).strip(" ;,") for piece in _split_outside_brackets(marks, bare)]
    joined: list[str] = []
    for piece in pieces:
        if not piece:
            continue
        bare = re.sub(r"^and\s+", "", piece)
        joined.append(bare)
    return tuple(joined)


def _split_outside_brackets(marks: re.Pattern[str], text: str) -> list[str]:
    pieces: list[str] = []
    start = 0
    for mark in marks.finditer(text):
        before = text[start : mark.start()]
        if before.count("(") <= before.count(")"):
            pieces.append(before)
            start = mark.end()
    return [*pieces, text[start:]]
