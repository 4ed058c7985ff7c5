"""The measures: plain counting, so that anyone can check them."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

_WORD: Final = re.compile(r"[a-z0-9]+")
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_HANGING: Final = frozenset(
    """a an the of in on at by for with from to into and or but that which who whose is are was were be as than our
    their its this these those such we it""".split()  # noqa: SIM905 - words read best as words
)


def auroc(scores: np.ndarray, answers: np.ndarray) -> float:
    """The chance that a yes scores above a no."""
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    for value in np.unique(scores):
        same = scores == value
        ranks[same] = ranks[same].mean()
    yes = answers == 1
    count = int(yes.sum())
    return float((ranks[yes].sum() - count * (count + 1) / 2) / (count * (len(scores) - count)))


def f1(said: np.ndarray, answers: np.ndarray) -> float:
    """The harmonic mean of precision and recall."""
    return float(2 * (said & (answers == 1)).sum() / max(said.sum() + (answers == 1).sum(), 1))


def calibration_error(scores: np.ndarray, answers: np.ndarray) -> float:
    """How far, over ten bins, what is said lies from what is so, on average."""
    bins = np.minimum((scores * 10).astype(int), 9)
    parts = [bins == at for at in range(10)]
    return float(sum(abs(scores[part].mean() - answers[part].mean()) * part.mean() for part in parts if part.any()))


def rouge(text: str, references: Sequence[str], size: int) -> float:
    """ROUGE-`size` F1 against the reference that fits best."""
    return max(_overlap(_grams(text, size), _grams(reference, size)) for reference in references)


def new_numbers(text: str, source: str) -> int:
    """How many numbers of the text are not in its source."""
    known = set(_NUMBER.findall(source))
    return sum(1 for number in _NUMBER.findall(text) if number not in known)


def ends_hanging(text: str) -> bool:
    """Whether the last word waits for more, or the text was cut off with an ellipsis."""
    words = _WORD.findall(text.lower())
    return text.endswith("\u2026") or (bool(words) and words[-1] in _HANGING)


def _grams(text: str, size: int) -> Counter[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return Counter(zip(*(words[at:] for at in range(size)), strict=False))


def _overlap(one: Counter[tuple[str, ...]], other: Counter[tuple[str, ...]]) -> float:
    shared = sum((one & other).values())
    return 2 * shared / max(sum(one.values()) + sum(other.values()), 1)
