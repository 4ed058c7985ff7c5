"""Fits the summarizer's weights: what makes a shortening like the summaries people wrote.

    python -m tools.text.fit_summaries --data DIR

Prints `WEIGHTS` for `providers/text/local/summarize.py`: the fourteen numbers under which the shortenings most likely
to be chosen share most words (ROUGE-1 and ROUGE-2) with the reference summaries. Two of them are then set by hand,
because abstracts tell nothing about them: `pronoun` and `question` are kept below zero for texts of other sorts.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from providers.text.local.engine import open_parts
from providers.text.local.sentences import sentences_of
from providers.text.local.summarize import FEATURES, WEIGHTS
from tools.text.figures import rouge

LIMIT: Final = 100
STEPS: Final = 300
WARMTH: Final = 0.03
"""How far from the best a shortening may score and still have a chance."""


def main() -> None:
    """Climb, print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    path: Path = arguments.parse_args().data / "summarize" / "dev.jsonl"
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    choices = [_choices(row) for row in rows]
    weights = WEIGHTS.astype(float)
    momentum, spread = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, STEPS + 1):
        slope = np.mean([_slope(features, worth, weights) for features, worth in choices], axis=0) - 1e-3 * weights
        momentum = 0.9 * momentum + 0.1 * slope
        spread = 0.99 * spread + 0.01 * slope**2
        weights += 0.01 * (momentum / (1 - 0.9**step)) / (np.sqrt(spread / (1 - 0.99**step)) + 1e-8)
    got = np.mean([worth[(features @ weights).argmax()] for features, worth in choices]) / 2
    best = np.mean([worth.max() for _, worth in choices]) / 2
    sys.stdout.write(f"mean of ROUGE-1 and ROUGE-2 {got:.3f}; the best shortenings would have {best:.3f}\n")
    for name, weight in zip(FEATURES, weights, strict=True):
        sys.stdout.write(f"{name} {weight:.2f}\n")


_PARTS: Final = open_parts()


def _choices(row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The features of each shortening, and how near each is to the references."""
    outline = _PARTS.summarizer.outline(sentences_of(row["text"]))
    candidates = _PARTS.summarizer.candidates(outline, LIMIT)
    references = [*row["refs"], row["title"]]
    worth = [sum(rouge(each.text, references, size) for size in (1, 2)) for each in candidates]
    return np.array([each.features for each in candidates]), np.array(worth)


def _slope(features: np.ndarray, worth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Where the weights should go so that what is likely chosen is worth more."""
    odds = features @ weights / WARMTH
    chances = np.exp(odds - odds.max())
    chances /= chances.sum()
    return np.asarray((chances * (worth - chances @ worth)) @ features / WARMTH)


if __name__ == "__main__":
    main()
