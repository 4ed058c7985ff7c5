"""Trains `sentiment.npz`: how likely a text is positive, and how likely negative.

python -m tools.text.train_sentiment --data DIR
"""

import argparse
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from providers.text.local.sentiment import Tone
from providers.text.local.static_table import open_static_table
from tools.text.fit_ngrams import SEED, Head, count_grams, fit, write
from tools.text.rows import Row, is_held_out, rows_of

MODELS: Final = Path(__file__).parents[2] / "platform" / "providers" / "text" / "local" / "models"
MOST_GRAMS: Final = 30_000
MOST_PLAIN: Final = 2_000
SHARE: Final = {"positive": 1.0, "negative": 1.0, "neutral": 2.0}


def main() -> None:
    """Train on what is not held out."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    folder: Path = arguments.parse_args().data
    plain = list(_plain(folder))
    random.Random(SEED).shuffle(plain)  # noqa: S311 - a sample, no secret
    rows = [row for row in (*rows_of(folder, "sentiment"), *plain[:MOST_PLAIN]) if not row.held_out]
    tone = Tone(open_static_table(MODELS / "static_table.npz"))
    texts = [row.text for row in rows]
    vectors = np.stack([tone.vector(text) for text in texts])
    labels = np.array([row.label for row in rows])
    weights = np.array([SHARE[row.label] * (0.5 if row.source == "plain" else 1.0) for row in rows])
    heads = [
        Head(
            name=name, rows=np.arange(len(rows)), answers=(labels == name).astype(int), weights=weights, strictness=2.0
        )
        for name in ("positive", "negative")
    ]
    fitted = fit(count_grams(texts, marks_negation=True), vectors, heads, most_grams=MOST_GRAMS, fewest=2)
    write(
        fitted, MODELS / "sentiment.npz", marks_negation=True, data=("tweets", "amazon", "movies", "clinc", "scitldr")
    )


def _plain(folder: Path) -> Iterator[Row]:
    """Texts that say something without praise or blame: queries to an assistant, sentences of abstracts."""
    texts = [row.text for row in rows_of(folder, "topics") if row.source == "clinc"]
    abstracts = [row.text for row in rows_of(folder, "injection") if row.source == "documents"]
    texts += [sentence for abstract in abstracts for sentence in re.split(r"(?<=[.!?]) ", abstract)]
    for text in texts:
        yield Row(text=text, label="neutral", source="plain", held_out=is_held_out(text))


if __name__ == "__main__":
    main()
