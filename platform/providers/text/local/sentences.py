"""Where the sentences of a text begin and end, and who says them."""

import re
from typing import Final

from msgspec import Struct

from providers.text.local.words import visible

LONGEST_SENTENCE: Final = 2_000
MOST_NAME_CHARS: Final = 40
FEWEST_ITEMS: Final = 3
FEWEST_TURNS: Final = 3
SHARE_OF_TURNS: Final = 0.6

_ABBREVIATION: Final = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|sr|jr|st|vs|etc|e\.g|i\.e|cf|al|fig|figs|eq|eqs|sec|no|nos|vol|pp|approx|dept|est"
    r"|inc|ltd|co|corp"
    r"|gen|col|sgt|capt|lt|rep|sen|gov|rev|hon|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|u\.s|u\.k|u\.n"
    r"|a\.m|p\.m"
    r"|resp|bzw|ca|z\.b|d\.h|usw|nr|p\.ej|sra|srta|av)|(?:^|[\s.(])[A-Za-z])\.$",
    re.IGNORECASE,
)
_END: Final = re.compile(
    r"[.!?\u2026\u061f\u06d4]+[\"'\u201d\u2019\u00bb)\]]*(?=\s|$)"
    r"|[\u3002\uff01\uff1f\u0964]+[\u300d\u300f\u201d\u2019]*|\n\s*\n|\n(?=\s*(?:[-*\u2022\u00b7]|\d{1,3}[.)])\s)"
)
_NUMERAL: Final = re.compile(r"\s*\d{1,3}\.")
_MONTH: Final = re.compile(
    r" (?:Januar|Februar|M\u00e4rz|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember"
    r"|januar|februar|marts|mars|maj|juni|juli|oktober|desember|december)\b"
)
_TIME: Final = r"[(\[]?\d{1,2}:\d{2}(?::\d{2})?(?:\s?[ap]\.?m\.?)?[)\]]?"
_DATE: Final = r"(?:\d{1,2}[./]\d{1,2}[./]\d{2,4}|\d{4}-\d{2}-\d{2}),?[ T]+"
_TURN: Final = re.compile(
    rf"^\s*(?:(?:[-*\u2022]\s+)?(?P<when>\[?(?:{_DATE})?{_TIME}\]?)[\s,-]*)?(?P<mark>[*_]{{2}}|\[|<(?:v )?)?"
    rf"(?P<name>#?[^\W\d_][\w .'\u2019()#-]{{0,39}}?)(?:\]|\s{_TIME})?"
    r"\s?(?(mark)(?::[*_]{2}|[*_]{2}:|:|>:?)\s*|:\s+)(?=\S)",
    re.IGNORECASE,
)
_CAPTION: Final = re.compile(r"^(?:WEBVTT\b.*|\d+|.*-->.*)$")
_BULLET: Final = re.compile(r"^\s*(?:[-*\u2022\u00b7]|\d{1,3}[.)]|#{1,6})\s+")
_SPACE: Final = re.compile(r"\s+")


class Turn(Struct, frozen=True):
    """What one speaker says before the next one does."""

    speaker: str
    text: str


def sentences_of(text: str) -> list[str]:
    """The sentences, each on one line; a sentence longer than 2,000 characters comes in pieces."""
    text = visible(text)
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        if end[0] == "." and not _ends_here(text, start, end.end()):
            continue
        _add(found, text[start : end.end()])
        start = end.end()
    _add(found, text[start:])
    return found


def turns_of(text: str) -> list[Turn]:
    """The turns of a dialogue or transcript, `Name: words` a line; empty when the text is none."""
    turns: list[Turn] = []
    lines = [line for line in visible(text).splitlines() if line.strip()]
    if any("-->" in line for line in lines):
        lines = [line for line in lines if not _CAPTION.match(line)]
    begun = marked = 0
    for line in lines:
        match = _TURN.match(line)
        if match:
            begun += 1
            marked += match["mark"] is not None or match["when"] is not None
            turns.append(Turn(match["name"].strip(), _SPACE.sub(" ", line[match.end() :]).strip()))
        elif turns:
            last = turns[-1]
            turns[-1] = Turn(last.speaker, f"{last.text} {_SPACE.sub(' ', line).strip()}")
    speakers = {turn.speaker for turn in turns}
    # without a mark, names that never come again are the keys of a form
    most = begun if marked == begun else begun * 0.8
    is_dialogue = begun >= FEWEST_TURNS and begun >= SHARE_OF_TURNS * len(lines) and 1 < len(speakers) <= most
    return turns if is_dialogue else []


def listed(text: str, longest: int) -> str | None:
    """A text that is one list, `Heading:` and a mark before each item: its heading and as many items as fit."""
    lines = [_SPACE.sub(" ", line).strip() for line in visible(text).splitlines() if line.strip()]
    if len(lines) <= FEWEST_ITEMS or not lines[0].endswith(":") or not all(map(_BULLET.match, lines[1:])):
        return None
    items = [_BULLET.sub("", line).strip() for line in lines[1:]]
    told = ""
    for count in range(1, len(items) + 1):
        form = f"{lines[0]} {', '.join(items[:count])}".rstrip(" ,;.") + "\u2026"
        if len(form) > longest:
            break
        told = form
    return told or None


def _ends_here(text: str, start: int, end: int) -> bool:
    """Whether the full stop before `end` closes a sentence: not after an abbreviation, not before a small letter."""
    if _ABBREVIATION.search(text[max(start, end - 12) : end]) or _NUMERAL.fullmatch(text, start, end):
        return False
    if _MONTH.match(text, end) and text[end - 2].isdigit():  # `am 5. Mai`
        return False
    following = text[end : end + 3].lstrip()
    return not following[:1].islower()


def _add(found: list[str], piece: str) -> None:
    line = _SPACE.sub(" ", _BULLET.sub("", piece)).strip()
    while len(line) > LONGEST_SENTENCE:
        space = line.rfind(" ", 1, LONGEST_SENTENCE)
        cut = space if space > 0 else LONGEST_SENTENCE
        found.append(line[:cut])
        line = line[cut:].strip()
    if line and any(char.isalnum() for char in line):
        found.append(line)
