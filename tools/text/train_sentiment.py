"""Trains `sentiment.npz`: which way a text leans, learnt from people's ratings, and whether it leans at all.

python -m tools.text.train_sentiment --data DIR
"""

import argparse
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from providers.text.local.sentiment import Tone
from providers.text.local.static_table import open_static_table
from tools.text.fit_ngrams import SEED, Head, count_grams, fit, write
from tools.text.plain_statements import plain_statements
from tools.text.rows import Row, is_held_out, rows_of

MODELS: Final = Path(__file__).parents[2] / "platform" / "providers" / "text" / "local" / "models"
MOST_GRAMS: Final = 60_000
MOST_PLAIN: Final = 2_000
PLAIN_COUNTS: Final = 0.3
MILD: Final = 1.5
"""A rating beyond this is as good as a stronger one: people agree on the side, less on how far."""


def main() -> None:
    """Train on what is not held out."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    folder: Path = arguments.parse_args().data
    plain = list(_plain(folder))
    random.Random(SEED).shuffle(plain)  # noqa: S311 - a sample, no secret
    ours = [Row(text=text, label="neutral", source="plain") for text in plain_statements()]
    rows = [row for row in (*rows_of(folder, "sentiment"), *plain[:MOST_PLAIN]) if not row.held_out] + ours
    tone = Tone(open_static_table(MODELS / "static_table.npz"))
    texts = [row.text for row in rows]
    vectors = np.stack([tone.vector(text) for text in texts])
    leans = np.tanh(np.array([row.rating for row in rows]) / MILD)
    is_sided = np.array([row.label != "neutral" for row in rows], int)
    is_plain = np.array([row.source == "plain" for row in rows])
    everywhere = np.arange(len(rows))
    heads = [
        Head(name="leaning", rows=everywhere, answers=leans, weights=_evenly(rows), is_measure=True),
        Head(
            name="sided",
            rows=everywhere,
            answers=is_sided,
            weights=np.where(is_sided, 1.0, 2.0) * np.where(is_plain, PLAIN_COUNTS, 1.0),
            strictness=2.0,
        ),
    ]
    fitted = fit(count_grams(texts, marks_negation=True), vectors, heads, most_grams=MOST_GRAMS, fewest=2)
    write(
        fitted,
        MODELS / "sentiment.npz",
        marks_negation=True,
        data=("tweets", "amazon", "movies", "clinc", "scitldr", "plain statements of ours"),
    )


def _evenly(rows: list[Row]) -> np.ndarray:
    """Weights under which a small source counts for more, though for less than a large one; plain texts for little."""
    sizes = Counter(row.source for row in rows)
    rated = [source for source in sizes if source != "plain"]
    fair = sum(sizes[source] for source in rated) / len(rated)
    return np.array([PLAIN_COUNTS if row.source == "plain" else np.sqrt(fair / sizes[row.source]) for row in rows])


def _plain(folder: Path) -> Iterator[Row]:
    """Texts that say something without praise or blame: queries to an assistant, sentences of abstracts."""
    texts = [row.text for row in rows_of(folder, "topics") if row.source == "clinc"]
    abstracts = [row.text for row in rows_of(folder, "injection") if row.source == "documents"]
    texts += [sentence for abstract in abstracts for sentence in re.split(r"(?<=[.!?]) ", abstract)]
    for text in texts:
        yield Row(text=text, label="neutral", source="plain", held_out=is_held_out(text))


if __name__ == "__main__":
    main()
