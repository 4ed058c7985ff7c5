"""Fits the summarizer's weights: which words summaries hold, and what makes a shortening like those people wrote.

    python -m tools.text.fit_summaries --data DIR

Prints `WEIGHTS` for `providers/text/local/likely.py` (which words of a text stand in the reference summaries) and for
`summarize.py` (under which the shortenings most likely to be chosen share most words, ROUGE-1 and ROUGE-2, with them),
and what weights fitted on four fifths of the abstracts reach on the fifth left out, over five orders. The second are
fitted on chances of words that were fitted on other abstracts. Abstracts tell nothing of questions, so `question` is
set by hand.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct

from providers.text.local import likely
from providers.text.local.engine import open_parts
from providers.text.local.sentences import sentences_of
from providers.text.local.summarize import FEATURES, content_of
from tools.text.figures import rouge

LIMIT: Final = 100
STEPS: Final = 150
PACE: Final = 0.05
SHRINKING: Final = 3e-3
WORDS_SHRINK: Final = 1.0
NEWTON_STEPS: Final = 12
FOLDS: Final = 5
ORDERS: Final = 5
"""The folds are dealt anew so often: from one deal to the next ROUGE-1 differs by some .003."""
LIKELY: Final = FEATURES.index("likely")
WARMTH: Final = 0.05
"""How far from the best a shortening may score and still have a chance."""


class Abstract(Struct, frozen=True, kw_only=True):
    """What there is to choose from in one abstract, and how good each choice is."""

    features: np.ndarray
    worth: np.ndarray
    """How near each shortening is to the references: ROUGE-1 and ROUGE-2."""
    said: list[list[str]]
    """The words of each shortening."""
    words: tuple[str, ...]
    marks: np.ndarray
    met: np.ndarray
    """In what share of the references each word of the abstract stands."""

    def seen_by(self, words: np.ndarray) -> np.ndarray:
        """The features of each shortening where its words are as likely as these weights say."""
        chances = dict(zip(self.words, map(float, likely.chances_of(self.marks, words)), strict=True))
        features = self.features.copy()
        features[:, LIKELY] = [likely.worth_of(said, chances) for said in self.said]
        return features


class Weights(Struct, frozen=True):
    """Those of words, and those of shortenings."""

    words: np.ndarray
    forms: np.ndarray

    def chosen(self, text: Abstract) -> np.ndarray:
        """What the shortening that they choose is worth."""
        return np.asarray(text.worth[(text.seen_by(self.words) @ self.forms).argmax()])


def main() -> None:
    """Climb, print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    path: Path = arguments.parse_args().data / "summarize" / "dev.jsonl"
    with path.open(encoding="utf-8") as lines:
        texts = [_read(json.loads(line)) for line in lines]
    apart = [each for seed in range(ORDERS) for each in _by_folds(texts, seed)]
    weights = _learnt(texts)
    got = [weights.chosen(text) for text in texts]
    best = [text.worth[text.worth.sum(1).argmax()] for text in texts]
    for named, figures in (("fitted on", got), ("not fitted on", apart), ("best possible", best)):
        one, two = np.mean(figures, axis=0)
        sys.stdout.write(f"ROUGE-1 {one:.3f}  ROUGE-2 {two:.3f}  {named}\n")
    for name, weight in zip((*likely.FEATURES, "(added)"), weights.words, strict=True):
        sys.stdout.write(f"likely: {name} {weight:.2f}\n")
    for name, weight in zip(FEATURES, weights.forms, strict=True):
        sys.stdout.write(f"{name} {weight:.2f}\n")


def _by_folds(texts: Sequence[Abstract], seed: int) -> Iterator[np.ndarray]:
    """What weights fitted on four folds choose in the fifth."""
    order = np.random.default_rng(seed).permutation(len(texts))
    for fold in range(FOLDS):
        weights = _learnt([texts[at] for at in np.delete(order, np.arange(fold, len(order), FOLDS))])
        yield from (weights.chosen(texts[at]) for at in order[fold::FOLDS])


def _learnt(texts: Sequence[Abstract]) -> Weights:
    """The weights of words; and those of forms, fitted on each half by the words of the other."""
    halves = [_word_weights(texts[1::2]), _word_weights(texts[::2])]
    features = [text.seen_by(halves[at % 2]) for at, text in enumerate(texts)]
    return Weights(_word_weights(texts), _fitted(list(zip(features, [text.worth for text in texts], strict=True))))


def _word_weights(texts: Sequence[Abstract]) -> np.ndarray:
    """Logistic regression by Newton's steps: which words the references hold."""
    marks = np.vstack([text.marks for text in texts]).astype(float)
    met = np.concatenate([text.met for text in texts])
    weights = np.zeros(marks.shape[1])
    for _ in range(NEWTON_STEPS):
        chances = 1 / (1 + np.exp(-(marks @ weights)))
        slope = marks.T @ (met - chances) - WORDS_SHRINK * weights
        bend = (marks.T * (chances * (1 - chances))) @ marks + WORDS_SHRINK * np.eye(len(weights))
        weights = weights + np.linalg.solve(bend, slope)
    return np.asarray(weights, np.float32)


def _fitted(choices: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Climb from nothing."""
    features = np.vstack([each for each, _ in choices])
    worth = np.concatenate([each.sum(1) for _, each in choices])
    sizes = [len(each) for each, _ in choices]
    starts = np.cumsum([0, *sizes[:-1]])
    text = np.repeat(np.arange(len(sizes)), sizes)
    weights = np.zeros(features.shape[1])
    momentum, spread = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, STEPS + 1):
        odds = features @ weights / WARMTH
        chances = np.exp(odds - np.maximum.reduceat(odds, starts)[text])
        chances /= np.add.reduceat(chances, starts)[text]
        # where the weights should go so that what is likely chosen is worth more
        gain = chances * (worth - np.add.reduceat(chances * worth, starts)[text])
        slope = gain @ features / WARMTH / len(sizes) - SHRINKING * weights
        momentum = 0.9 * momentum + 0.1 * slope
        spread = 0.99 * spread + 0.01 * slope**2
        weights += PACE * (momentum / (1 - 0.9**step)) / (np.sqrt(spread / (1 - 0.99**step)) + 1e-8)
    return weights


_PARTS: Final = open_parts()


def _read(row: dict[str, Any]) -> Abstract:
    """An abstract with its shortenings, and how near each is to the references."""
    outline = _PARTS.summarizer.outline(sentences_of(row["text"]))
    candidates = _PARTS.summarizer.candidates(outline, LIMIT)
    references = [set(content_of(reference)) for reference in row["refs"]]
    return Abstract(
        features=np.array([each.features for each in candidates]),
        worth=np.array([[rouge(each.text, row["refs"], size) for size in (1, 2)] for each in candidates]),
        said=[content_of(each.text) for each in candidates],
        words=tuple(outline.weights),
        marks=outline.marks,
        met=np.array([np.mean([word in reference for reference in references]) for word in outline.weights]),
    )


if __name__ == "__main__":
    main()
