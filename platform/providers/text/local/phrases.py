"""A linear model over the words, pairs and triples of words of a text: trained by `tools/text/train_safety.py`.

Unlike `ngrams`, it looks into no word and weighs no vector: a fifth of the time, which every text job pays. What a word
may be disguised as is taken off before (`domain.text.unveil`). Each text counts as of length one, so that length by
itself says nothing.
"""

import math
import re
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from providers.text.local.ngrams import About

_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[:<>\[\]{}|#*?!]")

Vector = NDArray[np.float32]

_Tree = dict[str, tuple[int, "_Tree | None"]]
_NOTHING: Final[tuple[int, _Tree | None]] = (-1, None)


def words_of(text: str) -> list[str]:
    """The words of an unveiled text and the marks that set speakers apart; every number reads `0`."""
    return [("0" if word.isdecimal() else word) for word in _WORD.findall(text)]


def phrases_of(words: Sequence[str]) -> Iterable[str]:
    """Each word, each pair, each triple."""
    yield from words
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    yield from pairs
    yield from [f"{pair} {third}" for pair, third in zip(pairs, words[2:], strict=False)]


class PhraseModel:
    """Gives each of its heads' log-odds for a text. Reads nothing after it is opened; safe to use by many threads."""

    def __init__(self, about: About, vocabulary: Sequence[str], idf: Vector, weights: Vector, bias: Vector) -> None:
        self.about = about
        self._begins = _tree_of(vocabulary)
        self._idf = idf
        self._weights = weights
        self._bias = bias

    def log_odds(self, text: str) -> Vector:
        """The log-odds of each head for an unveiled text, in the order of `about.heads`."""
        counts = self._counts(words_of(text))
        if not counts:
            return self._bias
        at = list(counts)
        strength = 1 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))
        strength *= self._idf[at]
        strength /= math.sqrt(float(strength @ strength))
        return np.asarray(self._bias + self._weights[:, at] @ strength, np.float32)

    def _counts(self, words: Sequence[str]) -> dict[int, int]:
        """How often each phrase of the vocabulary is there: followed word by word, which joins none."""
        counts: dict[int, int] = {}
        followed = [*words, "", ""]
        for place, word in enumerate(words, 1):
            found = self._begins.get(word)
            while found is not None:
                at, goes_on = found
                if at >= 0:
                    counts[at] = counts.get(at, 0) + 1
                found = goes_on.get(followed[place]) if goes_on else None
                place += 1  # noqa: PLW2901 - the next word of this phrase
        return counts


def _tree_of(vocabulary: Sequence[str]) -> _Tree:
    """Phrases by their first word, their second, their third: the place in the vocabulary (-1: none), what follows."""
    tree: _Tree = {}
    for at, phrase in enumerate(vocabulary):
        *leads, last = phrase.split(" ")
        level = tree
        for word in leads:
            here, goes_on = level.get(word, _NOTHING)
            if goes_on is None:
                goes_on = {}
                level[word] = (here, goes_on)
            level = goes_on
        level[last] = (at, level.get(last, _NOTHING)[1])
    return tree


@cache
def open_phrases(path: Path) -> PhraseModel:
    """Read a model file, in some ten milliseconds; once a process, for it is never written to."""
    with np.load(path, allow_pickle=False) as file:
        return PhraseModel(
            msgspec.json.decode(file["about"].tobytes(), type=About),
            file["vocabulary"].tobytes().decode().split("\n"),
            file["idf"].astype(np.float32),
            file["weights"].astype(np.float32) * file["scales"].astype(np.float32)[:, None],
            file["bias"].astype(np.float32),
        )
