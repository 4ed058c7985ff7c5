"""Measures what is screened before a text job, by the files as they ship.

    python -m tools.text.evaluate_safety --data DIR

On the clusters of the injection and unsafe sets that training never saw (`safety_rows`), on held-out texts of the other
kinds, and on texts of our own (`tests.support.injections`), which training never saw either.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from domain.text.safety import DETECTORS, FLAGGED_FROM, Detector
from providers.text.local.guard import Guard
from tests.support.injections import CLASSIC, PARAPHRASES, benign, hard, variants
from tools.text.figures import auroc
from tools.text.rows import Row
from tools.text.safety_rows import ordinary_rows, screened_rows


def main() -> None:
    """Print every figure."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    folder: Path = arguments.parse_args().data
    guard = Guard()
    ordinary = [row for row in ordinary_rows(folder) if row.held_out]
    for detector, rows in zip(DETECTORS, screened_rows(folder), strict=True):
        _measure(guard, detector, [row for row in rows if row.held_out])
        flagged = [bool(guard.flags(row.text, (detector,))) for row in ordinary]
        _say(f"  texts of other kinds, n {len(ordinary)}: flagged {np.mean(flagged):.4f}")
    _measure_own(guard)
    texts = [row.text for row in ordinary]
    start = time.process_time()
    for text in texts:
        guard.flags(text)
    each = (time.process_time() - start) / len(texts) * 1000
    length = sum(map(len, texts)) / len(texts)
    _say(f"time: {each:.3f} ms of processor a text of {length:.0f} characters on average")


def _measure(guard: Guard, detector: Detector, rows: list[Row]) -> None:
    answers = np.array([int(row.label) for row in rows])
    scores = np.array([guard.scores(row.text)[detector] for row in rows])
    flagged = np.array([bool(guard.flags(row.text, (detector,))) for row in rows])
    of_each = f"n {len(rows)} ({int(answers.sum())} yes)"
    _say(f"{detector}: {of_each}, AUROC {auroc(scores, answers):.3f}, flagged from {FLAGGED_FROM[detector]}")
    _say(f"  found {flagged[answers == 1].mean():.3f}  false alarms {flagged[answers == 0].mean():.3f}")
    sources = np.array([row.source for row in rows])
    for source in sorted(set(sources)):
        for answer, name in ((1, "found"), (0, "false alarms")):
            mine = flagged[(sources == source) & (answers == answer)]
            if len(mine):
                _say(f"    {source}: {name} {int(mine.sum())} of {len(mine)}")


def _measure_own(guard: Guard) -> None:
    for is_disguised, name in ((False, "as it stands, by case, by space"), (True, "disguised, in base64")):
        texts = [text for sentence in CLASSIC.values() for text, hidden in variants(sentence) if hidden == is_disguised]
        _say(f"classic injections, {name}: found {_share(guard, texts):.4f} of {len(texts)}")
    _say(f"paraphrases: found {_share(guard, PARAPHRASES):.2f} of {len(PARAPHRASES)}")
    _say(f"harmless prompts: flagged {_share(guard, benign()):.4f} of {len(benign())}")
    _say(f"  those with the words of injections: flagged {_share(guard, hard()):.4f} of {len(hard())}")


def _share(guard: Guard, texts: list[str] | tuple[str, ...]) -> float:
    return float(np.mean([bool(guard.flags(text, ("injection",))) for text in texts]))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
