"""Measures what is screened before a text job, by the files as they ship.

    python -m tools.text.evaluate_safety --data DIR

On the clusters of the injection and unsafe sets that training never saw (`safety_rows`), on held-out texts of the other
kinds, and on texts of our own (`tests.support.injections`), which training never saw either.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from domain.text.safety import DETECTORS, Detector
from providers.text.local.guard import Guard
from tests.support.injections import CLASSIC, PARAPHRASES, benign, hard, variants
from tools.text.evaluate import Figure
from tools.text.figures import auroc
from tools.text.rows import Row
from tools.text.safety_rows import ordinary_rows, screened_rows

_INJECTION: Final[tuple[Detector, ...]] = ("injection",)


def main() -> None:
    """Print every figure."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    for each in safety_figures(arguments.parse_args().data):
        where = f"  ({each.measured_on}, n {each.n})" if each.n else ""
        sys.stdout.write(f"{each.kind}: {each.figure} {each.value:g}{where}\n")


def safety_figures(folder: Path) -> Iterator[Figure]:
    """What is found and what is flagged wrongly, of held-out rows and of texts of our own; and how long it takes."""
    guard = Guard()
    ordinary = [row for row in ordinary_rows(folder) if row.held_out]
    for detector, rows in zip(DETECTORS, screened_rows(folder), strict=True):
        yield from _measured(guard, detector, [row for row in rows if row.held_out])
        flagged = [bool(guard.flags(row.text, (detector,))) for row in ordinary]
        yield _figure(detector, "flagged", float(np.mean(flagged)), "texts of other kinds", len(ordinary))
    yield from own_figures(guard)
    texts = [row.text for row in ordinary]
    start = time.process_time()
    for text in texts:
        guard.flags(text)
    each = (time.process_time() - start) / len(texts) * 1000
    length = sum(map(len, texts)) / len(texts)
    yield _figure("screening", "ms of processor", each, f"texts of {length:.0f} characters on average", len(texts))


def own_figures(guard: Guard) -> Iterator[Figure]:
    """Of texts of our own alone."""
    for is_disguised, name in ((False, "as they stand, by case, by space"), (True, "disguised, in base64")):
        texts = [text for sentence in CLASSIC.values() for text, hidden in variants(sentence) if hidden == is_disguised]
        yield _figure("injection", "found", _share(guard, texts), f"18 classic patterns, {name}", len(texts))
    yield _figure("injection", "found", _share(guard, PARAPHRASES), "paraphrases", len(PARAPHRASES))
    yield _figure("injection", "flagged", _share(guard, benign()), "harmless prompts of ours", len(benign()))
    yield _figure("injection", "flagged", _share(guard, hard()), "of these, with words of injections", len(hard()))


def _measured(guard: Guard, detector: Detector, rows: list[Row]) -> Iterator[Figure]:
    answers = np.array([int(row.label) for row in rows])
    scores = np.array([guard.scores(row.text)[detector] for row in rows])
    flagged = np.array([bool(guard.flags(row.text, (detector,))) for row in rows])
    apart = "rows kept apart"
    yield _figure(detector, "AUROC", auroc(scores, answers), apart, len(rows))
    yield _figure(detector, "found", flagged[answers == 1].mean(), apart, int(answers.sum()))
    yield _figure(detector, "false alarms", flagged[answers == 0].mean(), apart, int((answers == 0).sum()))
    sources = np.array([row.source for row in rows])
    for source in sorted(set(sources)):
        for answer, name in ((1, "found"), (0, "false alarms")):
            mine = flagged[(sources == source) & (answers == answer)]
            if len(mine):
                yield _figure(detector, name, mine.mean(), str(source), len(mine))


def _figure(kind: str, figure: str, value: float, measured_on: str, n: int) -> Figure:
    return Figure(kind=kind, figure=figure, value=round(float(value), 4), measured_on=measured_on, n=n)


def _share(guard: Guard, texts: list[str] | tuple[str, ...]) -> float:
    return float(np.mean([bool(guard.flags(text, _INJECTION)) for text in texts]))


if __name__ == "__main__":
    main()
