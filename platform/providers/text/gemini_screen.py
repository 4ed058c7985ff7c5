"""Keeps what a model must not say from getting out: the marks of its prompt, however they are dressed up."""

import base64
import codecs
import re
from functools import cache
from typing import Final

from domain.text.prompts import Marks, bare
from domain.text.unveil import latin
from providers.text.provider import ProviderAnswerMalformed, ProviderBlocked

# A character spelled by its number: JSON's, Python's and CSS's, HTML's, a URL's way.
_SPELLED: Final = re.compile(
    r"\\u([0-9a-f]{4})|\\u\{([0-9a-f]{1,6})\}|\\x([0-9a-f]{2})|&#x0{0,4}([0-9a-f]{1,6});?|&#0{0,4}(?P<decimal>[0-9]{1,7});?|%([0-9a-f]{2})",
    re.IGNORECASE,
)
_BEGUN: Final = re.compile(
    r"(?:\\(?:u\{?[0-9a-f]{0,6}|x[0-9a-f]?)?|&(?:#(?:x[0-9a-f]{0,10}|[0-9]{0,11})?)?|%[0-9a-f]?)$", re.IGNORECASE
)
_LAST_CHARACTER: Final = 0x10FFFF
_LONGEST_BEGUN: Final = 14
_GROUP: Final = 3


def refuse_marks(said: str, marks: Marks) -> None:
    """Let the words pass, or raise.

    Raises:
        ProviderBlocked: they hold the canary: the model gives away what it was told.
        ProviderAnswerMalformed: they hold the fence: the model repeats its prompt.
    """
    _refuse("".join(letter for letter, _ in _letters_of(said)), marks)


class Screen:
    """Passes a stream of words on, holding back what may be the beginning of a mark until it is clear."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._held = ""

    def pass_on(self, words: str) -> str:
        """What may be shown by now; raises as `refuse_marks` does."""
        self._held += words
        letters = _letters_of(self._held)
        flat = "".join(letter for letter, _ in letters)
        _refuse(flat, self._marks)
        clear = self._clear_until(letters, flat)
        shown, self._held = self._held[:clear], self._held[clear:]
        return shown

    def rest(self) -> str:
        """What was still held back when the stream ended."""
        shown, self._held = self._held, ""
        return shown

    def _clear_until(self, letters: list[tuple[str, int]], flat: str) -> int:
        clear = len(self._held)
        begun = _BEGUN.search(self._held, max(0, clear - _LONGEST_BEGUN))
        if begun is not None:
            clear = begun.start()
            kept = sum(place < clear for _, place in letters)
            flat = flat[:kept]
        for form in _forms(self._marks):
            for length in range(min(len(form) - 1, len(flat)), 0, -1):
                if flat.endswith(form[:length]):
                    clear = min(clear, letters[len(flat) - length][1])
                    break
        return clear


def _refuse(flat: str, marks: Marks) -> None:
    if any(form in flat for form in _canary_forms(marks)):
        raise ProviderBlocked("Gemini's answer gave away its instructions and was withheld.")
    if marks.fence in flat:
        raise ProviderAnswerMalformed("Gemini repeated its prompt instead of answering.")


def _letters_of(said: str) -> list[tuple[str, int]]:
    """The bare letters and digits of what was said, each with its place; what is spelled by number is read."""
    found: list[tuple[str, int]] = []
    at = 0
    for spelled in _SPELLED.finditer(said):
        found += [(letter, place) for place in range(at, spelled.start()) for letter in latin(bare(said[place]))]
        found += [(letter, spelled.start()) for letter in latin(bare(_read(spelled)))]
        at = spelled.end()
    found += [(letter, place) for place in range(at, len(said)) for letter in latin(bare(said[place]))]
    return found


def _read(spelled: re.Match[str]) -> str:
    decimal = spelled["decimal"]
    number = int(decimal) if decimal else int(next(group for group in spelled.groups() if group), 16)
    return chr(number) if number <= _LAST_CHARACTER else ""


def _forms(marks: Marks) -> tuple[str, ...]:
    return (*_canary_forms(marks), marks.fence)


@cache
def _canary_forms(marks: Marks) -> tuple[str, ...]:
    """The canary as it is, backwards, in hex, by ROT13, and in base64 wherever it begins within a group of three."""
    canary = marks.canary
    encoded: list[str] = []
    for before in range(_GROUP):
        # what stands at the edges depends on the neighbours; what lies between does not
        whole = base64.b64encode(b"\0" * before + canary.encode()).decode()
        first = -(-before * 8 // 6)
        whole = whole[first : (before + len(canary)) * 8 // 6]
        encoded += [bare(whole), bare(whole[::-1])]
    return (canary, canary[::-1], canary.encode().hex(), codecs.encode(canary, "rot13"), *encoded)
