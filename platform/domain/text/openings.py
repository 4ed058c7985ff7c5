"""Where in a text something may begin: a cheap pattern looks for that, and the whole one is tried nowhere else.

A pattern that is tried at each character of a text takes some fifty times as long as the search for one of few
characters, and most texts have nothing for it. What is found is the same, as long as the cheap one misses no beginning.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

_LETTERS: Final = re.compile(r"[A-Za-z0-9]*+")
_LONGEST_WHOLE: Final = 600
_LOOKS_AHEAD: Final = 48


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


class Places:
    """Where the words that rules ask for stand in stretches of a text; each is looked for once, whichever rules ask."""

    def __init__(self, shown: str, stretches: Sequence[tuple[int, int]], *, before: str = "") -> None:
        """`before` is the text as it was before it was respelled."""
        self.shown: Final = shown
        self._before = before
        self._stretches = stretches
        self._known: dict[str, list[int]] = {}

    def around(
        self, words: Sequence[str], opens: re.Pattern[str] | None, before: int, after: int
    ) -> Iterator[tuple[int, int]]:
        """The stretches of the text from so much before to so much after one of the words begins."""
        shown = self.shown
        if len(shown) <= _LONGEST_WHOLE:
            if any(word in shown for word in words) or (opens is not None and opens.search(shown)):
                yield 0, len(shown)
            return
        places = [place for word in words for place in self._of(word)]
        if opens is not None:
            places += [found.start() for stretch in self._stretches for found in opens.finditer(shown, *stretch)]
        places.sort()
        begins = stops = -1
        for place in places:
            if place - before > stops:
                if stops >= 0:
                    yield begins, stops
                begins = max(0, place - before)
            stops = place + after + _LOOKS_AHEAD
        if stops >= 0:
            yield begins, stops

    def have(self, needs: Sequence[str]) -> bool:
        """Whether the text, in either spelling, has one of `needs`, or none is needed."""
        return not needs or any(need in self.shown or need in self._before for need in needs)

    def _of(self, word: str) -> list[int]:
        places = self._known.get(word)
        if places is None:
            places = self._known[word] = []
            for start, end in self._stretches:
                at = self.shown.find(word, start, end)
                while at >= 0:
                    places.append(at)
                    at = self.shown.find(word, at + 1, end)
        return places
