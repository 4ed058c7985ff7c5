"""Where the sentences of a text begin and end, and who says them."""

import re
from typing import Final

from msgspec import Struct

from providers.text.local.words import visible

LONGEST_SENTENCE: Final = 2_000
MOST_NAME_CHARS: Final = 40
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
_TIME: Final = r"[(\[]?\d{1,2}:\d{2}(?::\d{2})?(?:\s?[ap]\.?m\.?)?[)\]]?"
_TURN: Final = re.compile(
    rf"^\s*(?:{_TIME}[\s,-]*)?(?:[*_]{{2}}|\[)?(#?[^\W\d_][\w .'\u2019()#-]{{0,39}}?)(?:\]|\s{_TIME})?"
    r"\s?(?::[*_]{2}|[*_]{2}:|:)\s+(?=\S)",
    re.IGNORECASE,
)
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
    begun = 0
    for line in lines:
        match = _TURN.match(line)
        if match:
            begun += 1
            turns.append(Turn(match[1].strip(), _SPACE.sub(" ", line[match.end() :]).strip()))
        elif turns:
            last = turns[-1]
            turns[-1] = Turn(last.speaker, f"{last.text} {_SPACE.sub(' ', line).strip()}")
    speakers = {turn.speaker for turn in turns}
    is_dialogue = begun >= FEWEST_TURNS and begun >= SHARE_OF_TURNS * len(lines) and 1 < len(speakers) <= begun * 0.8
    return turns if is_dialogue else []


def _ends_here(text: str, start: int, end: int) -> bool:
    """Whether the full stop before `end` closes a sentence: not after an abbreviation, not before a small letter."""
    if _ABBREVIATION.search(text[max(start, end - 12) : end]):
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
