"""Fits the summarizer's weights: what makes a shortening like the summaries people wrote.

    python -m tools.text.fit_summaries --data DIR

Prints `WEIGHTS` for `providers/text/local/summarize.py`: the numbers under which the shortenings most likely to be
chosen share most words (ROUGE-1 and ROUGE-2) with the reference summaries, and what weights fitted on four fifths of
the abstracts reach on the fifth left out. Abstracts tell nothing of questions, so `question` is set by hand.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from providers.text.local.engine import open_parts
from providers.text.local.sentences import sentences_of
from providers.text.local.summarize import FEATURES
from tools.text.figures import rouge

LIMIT: Final = 100
STEPS: Final = 300
PACE: Final = 0.05
SHRINKING: Final = 3e-3
FOLDS: Final = 5
WARMTH: Final = 0.1
"""How far from the best a shortening may score and still have a chance."""


def main() -> None:
    """Climb, print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    path: Path = arguments.parse_args().data / "summarize" / "dev.jsonl"
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    choices = [_choices(row) for row in rows]
    apart = [
        worth[(features @ _fitted([each for at, each in enumerate(choices) if at % FOLDS != fold])).argmax()]
        for fold in range(FOLDS)
        for features, worth in choices[fold::FOLDS]
    ]
    weights = _fitted(choices)
    got = [worth[(features @ weights).argmax()] for features, worth in choices]
    best = [worth[worth.sum(1).argmax()] for _, worth in choices]
    for named, figures in (("fitted on", got), ("not fitted on", apart), ("best possible", best)):
        one, two = np.mean(figures, axis=0)
        sys.stdout.write(f"ROUGE-1 {one:.3f}  ROUGE-2 {two:.3f}  {named}\n")
    for name, weight in zip(FEATURES, weights, strict=True):
        sys.stdout.write(f"{name} {weight:.2f}\n")


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


def _choices(row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The features of each shortening, and how near each is to the references."""
    outline = _PARTS.summarizer.outline(sentences_of(row["text"]))
    candidates = _PARTS.summarizer.candidates(outline, LIMIT)
    worth = [[rouge(each.text, row["refs"], size) for size in (1, 2)] for each in candidates]
    return np.array([each.features for each in candidates]), np.array(worth)


if __name__ == "__main__":
    main()
