"""Trains `toxicity.npz`: whether a text is toxic, and five heads for what is wrong with it.

python -m tools.text.train_moderation --data DIR
"""

import argparse
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from providers.text.local.static_table import open_static_table
from tools.text.fit_ngrams import SEED, Head, count_grams, fit, write
from tools.text.rows import SHARE_ALIKE, Row, moderation_rows, rows_of

MODELS: Final = Path(__file__).parents[2] / "platform" / "providers" / "text" / "local" / "models"
MOST_GRAMS: Final = 20_000
VECTOR_STRENGTH: Final = 2.0
STRICTNESS: Final = 1.0
"""Chosen, as the strength of vectors, by folds of the texts that teach: looser heads learn few texts by heart."""

MOST_REVIEWS: Final = 2_500
QUIET: Final = ("benign", "reviews")
BASE_RATE_SHIFT: Final = -0.15
"""Added to the log-odds of toxicity: the sources we train on are toxic more often than those we measure on."""

ISSUES: Final = {
    "harassment": {"harassment"},
    "hate": {"hate", "hate-threatening"},
    "self-harm": {"self-harm"},
    "sexual": {"sexual"},
    "violence": {"violence", "violence-graphic"},
}

ALSO_KNOWN: Final = {"hate": ("hatecheck",), "self-harm": ("social", "hatecheck")}
"""Sources that label no issues but answer for one all the same: hatecheck is all hate, neither is about self-harm."""


def main() -> None:
    """Train on what is not held out and may train."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    folder: Path = arguments.parse_args().data
    rows = [row for row in _rows(folder) if not row.held_out and row.source not in SHARE_ALIKE]
    table = open_static_table(MODELS / "static_table.npz")
    texts = [row.text for row in rows]
    fitted = fit(
        count_grams(texts, marks_negation=False),
        table.vectors(texts),
        list(_heads(rows)),
        most_grams=MOST_GRAMS,
        vector_strength=VECTOR_STRENGTH,
    )
    fitted.bias[0] += BASE_RATE_SHIFT
    sources = tuple(sorted({row.source for row in rows}))
    write(fitted, MODELS / "toxicity.npz", marks_negation=False, data=sources)


def _rows(folder: Path) -> Iterator[Row]:
    yield from moderation_rows(folder)
    ordinary = [row for row in rows_of(folder, "injection") if row.label == "0"]
    ordinary += [row for row in rows_of(folder, "topics") if row.source == "clinc"]
    reviews = [row for row in rows_of(folder, "sentiment") if row.source in {"movies", "amazon"}]
    random.Random(SEED).shuffle(reviews)  # noqa: S311 - a sample, no secret
    for source, part in (("benign", ordinary), ("reviews", reviews[:MOST_REVIEWS])):
        for row in part:
            yield msgspec.structs.replace(row, label="0", source=source)


def _heads(rows: list[Row]) -> Iterator[Head]:
    sources = np.array([row.source for row in rows])
    toxic = np.array([int(row.label) for row in rows])
    sizes = Counter(zip(sources, toxic, strict=True))
    weights = np.array([1 / np.sqrt(sizes[source, label]) for source, label in zip(sources, toxic, strict=True)])
    weights[sources == "reviews"] *= 0.3
    weights[sources == "benign"] *= 0.5
    yield Head(
        name="toxicity",
        rows=np.arange(len(rows)),
        answers=toxic,
        weights=weights * len(rows) / weights.sum(),
        strictness=STRICTNESS,
    )
    for name, categories in ISSUES.items():
        known = ["prompts", *QUIET, *ALSO_KNOWN.get(name, ())]
        at = np.flatnonzero(np.isin(sources, known))
        answers = [
            bool(rows[i].categories & categories) or (name == "hate" and sources[i] == "hatecheck" and toxic[i])
            for i in at
        ]
        yield Head(
            name=name,
            rows=at,
            answers=np.array(answers, int),
            weights=np.where(sources[at] == "prompts", 1.0, 0.1),
            strictness=STRICTNESS,
            is_rare=True,
        )


if __name__ == "__main__":
    main()
