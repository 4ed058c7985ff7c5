"""Where in a text something may begin: a cheap pattern looks for that, and the whole one is tried nowhere else.

A pattern that is tried at each character of a text takes some fifty times as long as the search for one of few
characters, and most texts have nothing for it. What is found is the same, as long as the cheap one misses no beginning.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

_LETTERS: Final = re.compile(r"[A-Za-z0-9]*+")


def matches_from(opens: re.Pattern[str], whole: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """What `whole.finditer` gives, where each of its matches begins where `opens` finds a single character."""
    return matched_at((hit.start() for hit in opens.finditer(text)), whole, text)


def matched_at(starts: Iterable[int], whole: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """What `whole.finditer` gives, where each of its matches begins at one of `starts`, which ascend."""
    end = 0
    for start in starts:
        if start >= end and (hit := whole.match(text, start)):
            end = hit.end()
            yield hit


def starts_before(mark: re.Pattern[str], text: str, longest: int) -> set[int]:
    """Where the letters and digits begin that lead up to each `mark`: one to `longest` of them."""
    starts: set[int] = set()
    for hit in mark.finditer(text):
        at = hit.start()
        run = _LETTERS.match(text[max(0, at - longest - 1) : at][::-1])
        length = run.end() if run else 0
        if 0 < length <= longest:
            starts.add(at - length)
    return starts
