"""Takes personal values out of texts, placeholders in their place, and puts them back into what is written of them."""

import re
from bisect import bisect_right
from collections.abc import Collection, Sequence
from itertools import count
from typing import Final

import msgspec

from domain.text.personal import SORTS, Found, Sort, find_personal

_NAMED: Final = "|".join(sort.upper() for sort in SORTS)
# What a model makes of a placeholder passes too: other letters' case, a blank, Markdown's escapes.
_SPELLED: Final = rf"\[(?:{_NAMED})[_ ]?[0-9]{{1,6}}\]"
_PLACEHOLDER: Final = re.compile(rf"\"{_SPELLED}\"|{_SPELLED}|\\\[(?:{_NAMED})\\?[_ ]?[0-9]{{1,6}}\\\]", re.IGNORECASE)
# The end of a piece of text that may yet become a placeholder, or a quoted one.
_BEGUN: Final = re.compile(
    r"(?:\"?\\?|\"?\\?\[(?:[A-Za-z]{0,5}|(?:"
    + _NAMED
    + r")\\?[_ ]?[0-9]{0,6}\\?)|\"\[(?:"
    + _NAMED
    + r")[_ ]?[0-9]{1,6}\])\Z",
    re.IGNORECASE,
)
_LONGEST: Final = 20
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*+"')
_IN_NUMBER: Final = frozenset("0123456789+-.eE")
_MOST_ROUNDS: Final = 8
_JSON: Final = msgspec.json.Decoder(msgspec.Raw)


class Redaction:
    """One job's placeholders: the same value has the same one in every text.

    `texts` are what will be redacted, so that no placeholder is given out that stands in one of them already. Made for
    one job and used by one coroutine.
    """

    def __init__(self, texts: Sequence[str], sorts: Collection[Sort] = SORTS) -> None:
        self._sorts = sorts
        self._values: dict[str, str] = {}
        self._placeholders: dict[tuple[str, bool], str] = {}
        self._numbers = {sort: count(1) for sort in SORTS}
        self._taken = {_name(said) for text in texts for said in _PLACEHOLDER.findall(text)}

    @property
    def counts(self) -> dict[Sort, int]:
        """How many different values of each sort were taken out."""
        names = [placeholder.strip('"') for placeholder in self._placeholders.values()]
        found: dict[Sort, int] = {sort: sum(name.startswith(f"[{sort.upper()}_") for name in names) for sort in SORTS}
        return {sort: number for sort, number in found.items() if number}

    @property
    def values(self) -> dict[str, str]:
        """What each placeholder stands for; that of a bare number in JSON stands in quotation marks."""
        return dict(self._values)

    def redact(self, text: str) -> str:
        """The text with placeholders such as `[EMAIL_1]`. Redacted again it stays as it is.

        What was a JSON object or array, or lines of them, is one afterwards: numbers become texts there.
        """
        for _ in range(_MOST_ROUNDS):  # a second look finds only what the first left beside a placeholder
            found = find_personal(text, self._sorts)
            if not found:
                break
            text = self._replaced(text, found)
        return text

    def restore(self, text: str) -> str:
        """The text with the values in place of their placeholders; what only looks like one stays."""
        return _PLACEHOLDER.sub(self._value, text) if self._values else text

    def _replaced(self, text: str, found: Sequence[Found]) -> str:
        strings = _strings(text)
        parts: list[str] = []
        end = 0
        for each in found:
            bare = strings is not None and not _is_inside(each.start, strings)
            if bare and not _is_whole_number(text, each):
                continue
            parts += (text[end : each.start], self._placeholder(text[each.start : each.end], each.sort, bare=bare))
            end = each.end
        return "".join((*parts, text[end:]))

    def _placeholder(self, value: str, sort: Sort, *, bare: bool) -> str:
        known = self._placeholders.get((value, bare))
        if known is None:
            name = next(
                name for number in self._numbers[sort] if (name := f"[{sort.upper()}_{number}]") not in self._taken
            )
            known = f'"{name}"' if bare else name
            self._placeholders[value, bare] = known
            self._values[known] = value
        return known

    def _value(self, said: re.Match[str]) -> str:
        spelled = said[0]
        if spelled[0] != '"':
            name = _name(spelled)
            value = self._values.get(name)
            return self._values.get(f'"{name}"', spelled) if value is None else value
        name = _name(spelled[1:-1])
        value = self._values.get(f'"{name}"')
        if value is not None:
            return value
        return f'"{self._values.get(name, spelled[1:-1])}"'


class RestoringStream:
    """Restores a text that comes in pieces, holding back what may be the beginning of a placeholder."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._held = ""

    def pass_on(self, piece: str) -> str:
        """What may be shown by now."""
        said = self._held + piece
        begun = _BEGUN.search(said, max(0, len(said) - _LONGEST))
        clear = begun.start() if begun else len(said)
        self._held = said[clear:]
        return self._redaction.restore(said[:clear])

    def rest(self) -> str:
        """What was still held back when the text ended."""
        said, self._held = self._held, ""
        return self._redaction.restore(said)


def holds_placeholder(text: str) -> bool:
    """Whether something in the text is spelled as a placeholder."""
    return _PLACEHOLDER.search(text) is not None


def masked(text: str, sorts: Collection[Sort] = SORTS) -> str:
    """The text with personal values gone for good: numbered within this text alone."""
    return Redaction((text,), sorts).redact(text)


def _name(spelled: str) -> str:
    letters = spelled.strip('"').replace("\\", "").strip("[]")
    sort = letters.rstrip("0123456789").rstrip("_ ").upper()
    return f"[{sort}_{letters[len(letters.rstrip('0123456789')) :]}]"


def _strings(text: str) -> list[tuple[int, int]] | None:
    """Where the strings of a JSON text are; None of a text that is none."""
    if text.lstrip(" \t\r\n")[:1] not in {"{", "["}:
        return None
    try:
        _JSON.decode_lines(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        try:
            _JSON.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return None
    return [string.span() for string in _STRING.finditer(text)]


def _is_inside(place: int, spans: list[tuple[int, int]]) -> bool:
    at = bisect_right(spans, (place, place)) - 1
    return at >= 0 and place < spans[at][1]


def _is_whole_number(text: str, found: Found) -> bool:
    before, behind = text[found.start - 1 : found.start], text[found.end : found.end + 1]
    return before not in _IN_NUMBER and behind not in _IN_NUMBER and text[found.start] in _IN_NUMBER
