"""A linear model over the n-grams of a text, beside its static vector: trained by `tools/text`, scored here."""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain, pairwise
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
AT_ONCE: Final = 256
"""So many texts are counted together: more would only take memory."""


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

    A word is spelled `=word`, a pair `first+second`, a run as it is. A negated word has no runs: `happ` of
    `not happy` would speak for the opposite.
    """
    shown = marked(words) if marks_negation else words
    for word in shown:
        yield f"={word}"
    for first, second in pairwise(shown):
        yield f"{first}+{second}"
    for word, as_shown in zip(words, shown, strict=True):
        if word == as_shown:
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
        self._words: dict[str, tuple[int, ...]] = {}

    def log_odds(self, text: str, vector: Vector) -> Vector:
        """The log-odds of each head, in the order of `about.heads`."""
        return np.asarray(self.log_odds_of([plain(text)], vector[None])[0])

    def log_odds_of(self, texts: Sequence[str], vectors: Vector) -> Vector:
        """The log-odds for each plain text, one a row; `vectors` has a row for each."""
        scores = self._bias + vectors @ self._vector_weights.T
        for start in range(0, len(texts), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            scores[part] += self._of_grams([self._known(words_of(text)) for text in texts[part]])
        return np.asarray(scores, np.float32)

    def _of_grams(self, known: Sequence[list[int]]) -> Vector:
        """What the grams of each text add to its scores: each (1 + log count) times idf, in a vector of length one."""
        count = len(known)
        owners = np.repeat(np.arange(count), [len(grams) for grams in known])
        grams = np.fromiter(chain.from_iterable(known), np.int64, len(owners))
        keys, times = np.unique(owners * len(self._idf) + grams, return_counts=True)
        owners, grams = np.divmod(keys, len(self._idf))
        strength = (1 + np.log(times)) * self._idf[grams]
        lengths = np.sqrt(np.bincount(owners, strength**2, count))
        strength /= lengths[owners]
        added = [np.bincount(owners, head[grams] * strength, count) for head in self._weights]
        return np.stack(added, axis=1).astype(np.float32)

    def _known(self, words: Sequence[str]) -> list[int]:
        """The grams of the words that the model knows, each as often as it is there."""
        index = self._index
        known: list[int] = []
        if self.about.marks_negation:
            shown = marked(words)
            known += [index[gram] for word in shown if (gram := f"={word}") in index]
        else:
            shown = list(words)
        known += [index[gram] for pair in pairwise(shown) if (gram := "+".join(pair)) in index]
        for word, as_shown in zip(words, shown, strict=True):
            if word == as_shown:
                grams = self._words.get(word)
                known += self._known_of(word) if grams is None else grams
        return known

    def _known_of(self, word: str) -> tuple[int, ...]:
        """The runs of a word, and the word where no negation marks it."""
        grams = runs_of(word) if self.about.marks_negation else [f"={word}", *runs_of(word)]
        known = tuple(self._index[gram] for gram in grams if gram in self._index)
        if len(self._words) >= MOST_REMEMBERED:
            self._words.clear()
        self._words[word] = known
        return known


@cache
def open_ngrams(path: Path) -> NgramModel:
    """Read a model file, in some ten milliseconds; once a process, for it is never written to."""
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
