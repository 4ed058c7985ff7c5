"""A linear model over the n-grams of a text, beside its static vector: trained by `tools/text`, scored here."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from providers.text.local.words import plain, words_of

LONGEST_WORD: Final = 40
SHORTEST_RUN: Final = 2
LONGEST_RUN: Final = 5
MOST_REMEMBERED: Final = 50_000

_NEGATIONS: Final = frozenset(
    {"not", "no", "never", "nor", "neither", "without", "hardly", "cannot", "nothing", "nobody"}
)
_CLAUSE_ENDS: Final = frozenset(".,;:!?()-")

Vector = NDArray[np.float32]


class About(Struct, frozen=True, kw_only=True):
    """What stands beside a model: its heads, and what it was trained on by which seed."""

    heads: tuple[str, ...]
    marks_negation: bool
    data: tuple[str, ...]
    seed: int


def runs_of(word: str) -> list[str]:
    """The runs of 2 to 5 characters inside a word, its edges marked by a space."""
    edged = f" {word[:LONGEST_WORD]} "
    return [
        edged[at : at + size] for size in range(SHORTEST_RUN, LONGEST_RUN + 1) for at in range(len(edged) - size + 1)
    ]


def marked(words: Sequence[str]) -> list[str]:
    """The words, those that follow a negation within its clause marked by a `!`."""
    seen: list[str] = []
    negated = False
    for word in words:
        if word in _CLAUSE_ENDS:
            negated = False
        seen.append(f"!{word}" if negated else word)
        if word in _NEGATIONS or word.endswith("n't"):
            negated = True
    return seen


def grams_of(words: Sequence[str], *, marks_negation: bool) -> Iterable[str]:
    """Everything a model may know of these words: each word, each pair, each run inside a word.

    A word is spelled `=word`, a pair `first+second`, a run as it is.
    """
    shown = marked(words) if marks_negation else words
    for word in shown:
        yield f"={word}"
    for first, second in pairwise(shown):
        yield f"{first}+{second}"
    for word in words:
        yield from runs_of(word)


class NgramModel:
    """Gives each of its heads' log-odds for a text. Reads nothing after it is opened; safe to use by many threads."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a model file
        self,
        about: About,
        vocabulary: Sequence[str],
        idf: Vector,
        weights: Vector,
        vector_weights: Vector,
        bias: Vector,
    ) -> None:
        self.about = about
        self._index = {gram: at for at, gram in enumerate(vocabulary)}
        self._idf = idf
        self._weights = weights
        self._vector_weights = vector_weights
        self._bias = bias
        self._runs: dict[str, tuple[int, ...]] = {}

    def log_odds(self, text: str, vector: Vector) -> Vector:
        """The log-odds of each head, in the order of `about.heads`."""
        counts = Counter(self._known(words_of(plain(text))))
        scores: Vector = np.asarray(self._bias + self._vector_weights @ vector, np.float32)
        if not counts:
            return scores
        at = np.fromiter(counts.keys(), np.int64, len(counts))
        strength = 1 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))
        strength *= self._idf[at]
        strength /= math.sqrt(float(strength @ strength))
        return np.asarray(scores + self._weights[:, at] @ strength, np.float32)

    def _known(self, words: Sequence[str]) -> Iterable[int]:
        index = self._index
        shown = marked(words) if self.about.marks_negation else words
        for word in shown:
            at = index.get(f"={word}")
            if at is not None:
                yield at
        for first, second in pairwise(shown):
            at = index.get(f"{first}+{second}")
            if at is not None:
                yield at
        for word in words:
            yield from self._known_runs(word)

    def _known_runs(self, word: str) -> tuple[int, ...]:
        known = self._runs.get(word)
        if known is None:
            known = tuple(self._index[run] for run in runs_of(word) if run in self._index)
            if len(self._runs) >= MOST_REMEMBERED:
                self._runs.clear()
            self._runs[word] = known
        return known


def open_ngrams(path: Path) -> NgramModel:
    """Read a model file, in some ten milliseconds."""
    with np.load(path, allow_pickle=False) as file:
        about = msgspec.json.decode(file["about"].tobytes(), type=About)
        return NgramModel(
            about,
            file["vocabulary"].tobytes().decode().split("\n"),
            file["idf"].astype(np.float32),
            file["weights"].astype(np.float32) * file["scales"].astype(np.float32)[:, None],
            file["vector_weights"].astype(np.float32),
            file["bias"].astype(np.float32),
        )
