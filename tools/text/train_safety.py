"""Trains `safety.npz`: whether a text is a prompt injection, and whether it asks for something unsafe.

python -m tools.text.train_safety --data DIR
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np

from domain.text.unveil import unveiled
from providers.text.local.phrases import phrases_of, words_of
from tools.text.fit_ngrams import Head, fit, write
from tools.text.harmful_requests import harmful_requests, harmless_likenesses
from tools.text.harmless_twins import twins
from tools.text.rows import Row
from tools.text.safety_rows import may_train, ordinary_rows, screened_rows

MODELS: Final = Path(__file__).parents[2] / "platform" / "providers" / "text" / "local" / "models"
MOST_PHRASES: Final = 24_000
FEWEST: Final = 2
OTHERS_COUNT: Final = 0.3
"""What a text of another kind counts beside a row of the set itself."""


def main() -> None:
    """Train on what is not held out and may train."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    folder: Path = arguments.parse_args().data
    injections, unsafe = ([row for row in rows if may_train(row)] for rows in screened_rows(folder))
    ordinary = [row for row in ordinary_rows(folder) if may_train(row)]
    own = [Row(text=text, label="0", source="twins") for text in twins()]
    asked = [Row(text=text, label="1", source="requests of ours") for text in harmful_requests()]
    asked += [Row(text=text, label="0", source="requests of ours") for text in harmless_likenesses()]
    rows = [*injections, *unsafe, *ordinary, *own, *asked]
    of = np.repeat(
        ["injection", "unsafe", "ordinary", "twins", "requests"],
        [len(injections), len(unsafe), len(ordinary), len(own), len(asked)],
    )
    yes = np.array([row.label == "1" for row in rows])
    counts = [Counter(phrases_of(words_of(unveiled(row.text)))) for row in rows]
    asks_for_harm = np.isin(of, ("unsafe", "requests"))
    heads = [
        _head("injection", of, yes & (of == "injection"), of != "requests", 6.0),
        # what an injection asks for may well be unsafe, and a toxic text may say what is: neither teaches
        _head("unsafe", of, yes & asks_for_harm, asks_for_harm | ~yes, 12.0),
    ]
    fitted = fit(counts, np.zeros((len(rows), 0), np.float32), heads, most_grams=MOST_PHRASES, fewest=FEWEST)
    sources = tuple(sorted({row.source for row in rows}))
    write(fitted, MODELS / "safety.npz", marks_negation=False, data=sources)


def _head(name: str, of: np.ndarray, answers: np.ndarray, known: np.ndarray, strictness: float) -> Head:
    at = np.flatnonzero(known)
    weights = np.where(np.isin(of[at], (name, "twins", "requests")), 1.0, OTHERS_COUNT)
    return Head(name=name, rows=at, answers=answers[at].astype(int), weights=weights, strictness=strictness)


if __name__ == "__main__":
    main()
