"""Texts with their disguises taken off: what a reader sees in them, in plain lower-case letters."""

import base64
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from domain.text.openings import matched_at

MOST_LAYERS: Final = 8
"""How many runs of base64 in a text are looked into."""

LONGEST_LAYER: Final = 20_000
"""How many characters of each."""

_UNSEEN: Final = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]"
)
# Cyrillic, Greek, Cherokee-like and phonetic letters that look like Latin ones, after case folding.
_ALIKE: Final = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u043a\u043c\u0442\u043d\u0432\u0433"
    "\u03bf\u03b1\u03b5\u03b9\u03ba\u03bd\u03c1\u03c4\u03c5\u03c7\u03b7\u03c9\u03c3\u03c2\u03b3\u03b2"
    "\u0131\u0251\u0261\u0269\u0280\u029f\u026a\u0274\u1d0f\u1d1c\u1d07\u1d00\u1d04\u1d05\u1d0a\u1d0b\u1d0d\u1d18\u1d1b\u1d20\u1d21\u1d22"
    "\u0299\u0262\u029c\ua731\u028f\u00f8\u0142\u0111\u0127\u0167\u04cf\u0578\u057d\u0585",
    "aeopcyxijshdqwkmthbroaeiknptuxnwocybiagirlinoueacdjkmptvwzbghsyoldhtlnuo",
)
_BLANKS: Final = re.compile(r"[^\S\n]+")
_LETTERS: Final = r"[^\W\d_](?:[ .*_-][^\W\d_]){3,}"
_SPACED: Final = re.compile(rf"(?<![\w'])(?:{_LETTERS})(?![\w'])")
_LEET_WORD: Final = re.compile(r"(?<![\w@$])(?=[^\W\d_]{0,15}[0-9@$!|])[\w@$!|]{3,16}(?![\w@$])")
# What each of the two has, and most texts have not: they are looked for first.
_SET_APART: Final = re.compile(r"[ .*_-](?<=[^\W\d_][ .*_-])[^\W\d_][ .*_-][^\W\d_][ .*_-][^\W\d_]")
_LEET_MARK: Final = re.compile(
    r"[0-9@$!|](?<![0-9_@$][0-9@$!|])(?:(?<=[^\W\d_][0-9@$!|])|(?=[0-9@$!|_]{0,15}[^\W\d_]))"  # with a letter beside it
)
_LETTER: Final = re.compile(r"[^\W\d_]")
_LETTERS_BEFORE: Final = re.compile(r"[^\W\d_]*+")
_LEET_REACH: Final = 15
_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]+")
_LEET: Final = str.maketrans("013457@$!|", "oieastasil")
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}={0,2}")
_SHORTEST_RUN: Final = 16
_GROUP: Final = 4
_LEAST_READABLE: Final = 0.9


def unveiled(text: str) -> str:
    """The text in compatibility form, folded to lower case, without what nobody sees, look-alike letters made Latin.

    Runs of blanks become one; line breaks stay, for they tell where a speaker begins.
    """
    if text.isascii():
        text = _UNSEEN.sub("", text).lower()
    else:
        text = _UNSEEN.sub("", _BEYOND_ASCII.sub(_bared, text)).casefold()
        text = _BEYOND_ASCII.sub(_latin, text)
    return _BLANKS.sub(" ", text)


def latin(text: str) -> str:
    """The text with letters that look like Latin ones made Latin; in lower case, as `unveiled` has it."""
    return text if text.isascii() else text.translate(_ALIKE)


def respelled(text: str) -> tuple[str, list[tuple[int, int]]]:
    """An unveiled text with letters set apart joined (`i g n o r e`) and digits in words read as letters (`1gn0re`).

    Answers with where it is spelled anew, too, in order. Numbers stay as they are, and so do words for their
    exclamation marks.
    """
    spelled: list[tuple[int, int]] = []
    parts: list[str] = []
    end = length = 0
    for run in _SPACED.finditer(text) if _SET_APART.search(text) else ():
        joined = "".join(filter(str.isalpha, run[0]))
        length += run.start() - end
        spelled.append((length, length + len(joined)))
        parts += (text[end : run.start()], joined)
        length += len(joined)
        end = run.end()
    text = "".join((*parts, text[end:])) if parts else text
    parts, end = [], 0
    for word in matched_at(_leet_starts(text), _LEET_WORD, text):
        if _LEET_MARK.search(word[0].rstrip("!")) and _LETTER.search(word[0]):
            spelled.append(word.span())
            parts += (text[end : word.start()], word[0].translate(_LEET))  # as long as before
            end = word.end()
    return "".join((*parts, text[end:])) if parts else text, sorted(spelled)


def layers_of(text: str) -> list[str]:
    """What runs of base64 in a text say, where they say something readable: one layer deep."""
    found: list[str] = []
    for word in _UNSEEN.sub("", text).split():
        for run in _BASE64.finditer(word) if len(word) >= _SHORTEST_RUN else ():
            said = _decoded(run[0][:LONGEST_LAYER])
            if said:
                found.append(said)
                if len(found) == MOST_LAYERS:
                    return found
    return found


def _bared(run: re.Match[str]) -> str:
    seen = unicodedata.normalize("NFKD", _UNSEEN.sub("", unicodedata.normalize("NFKC", run[0])))
    return "".join(letter for letter in seen if not unicodedata.combining(letter))


def _latin(run: re.Match[str]) -> str:
    return run[0].translate(_ALIKE).replace("\u2019", "'")


def _leet_starts(text: str) -> Iterator[int]:
    """Where words begin that have a mark of such spelling, ascending."""
    last = -1
    for mark in _LEET_MARK.finditer(text):
        at = mark.start()
        letters = _LETTERS_BEFORE.match(text[max(0, at - _LEET_REACH) : at][::-1])
        start = at - (letters.end() if letters else 0)
        if start > last:
            last = start
            yield start


def _decoded(run: str) -> str:
    body = run.rstrip("=").replace("-", "+").replace("_", "/")
    body = body[: len(body) - 1] if len(body) % _GROUP == 1 else body
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % _GROUP), validate=True)
        said = raw.decode()
    except ValueError:  # no base64, or no text
        return ""
    readable = sum(letter.isalpha() or letter.isspace() or letter in ".,:;!?'\"-" for letter in said)
    return said if said and readable >= _LEAST_READABLE * len(said) else ""
