"""Fits n-gram models and writes them as the files the engine reads. Needs scikit-learn, which the engine does not."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedKFold

from providers.text.local.ngrams import About, grams_of
from providers.text.local.words import plain, words_of

SEED: Final = 20_251
VECTOR_STRENGTH: Final = 3.0
"""How much a vector counts beside the n-grams, which have length one."""

Matrix = Any


class Head(Struct, frozen=True, kw_only=True):
    """One question to be learnt: which rows it may learn from, their answers and how much each counts."""

    name: str
    rows: np.ndarray
    answers: np.ndarray
    weights: np.ndarray
    strictness: float = 1.0
    is_rare: bool = False
    """Whether yes is so rare that a probability seldom reaches one half: then one half is put where F1 is best."""
    is_measure: bool = False
    """Whether the answers are no yes or no but how much: then the head tells that, by ridge regression."""


class Fitted(Struct, frozen=True, kw_only=True):
    """All heads over one vocabulary."""

    heads: tuple[str, ...]
    vocabulary: list[str]
    idf: np.ndarray
    weights: np.ndarray
    vector_weights: np.ndarray
    bias: np.ndarray


def count_grams(texts: Sequence[str], *, marks_negation: bool) -> list[Counter[str]]:
    """What is in each text, by count."""
    return [Counter(grams_of(words_of(plain(text)), marks_negation=marks_negation)) for text in texts]


def matrix_of(counts: Sequence[Counter[str]], vocabulary: Sequence[str], idf: np.ndarray) -> Matrix:
    """One row a text of length one: (1 + log count) times idf."""
    index = {gram: at for at, gram in enumerate(vocabulary)}
    at: list[int] = []
    strength: list[float] = []
    ends = [0]
    for count in counts:
        known = [(index[gram], times) for gram, times in count.items() if gram in index]
        at.extend(place for place, _ in known)
        strength.extend(1 + np.log(times) for _, times in known)
        ends.append(len(at))
    made = sparse.csr_matrix((np.array(strength, np.float32), at, ends), shape=(len(counts), len(vocabulary)))
    made = made @ sparse.diags(idf)
    lengths = np.sqrt(np.asarray(made.multiply(made).sum(1)).ravel())
    return sparse.diags(1 / np.maximum(lengths, 1e-9)) @ made


def fit(  # noqa: PLR0913 - the choices of a training
    counts: Sequence[Counter[str]],
    vectors: np.ndarray,
    heads: Sequence[Head],
    *,
    most_grams: int,
    fewest: int = 4,
    vector_strength: float = VECTOR_STRENGTH,
) -> Fitted:
    """Choose the grams that matter most to the heads, then fit every head on those and calibrate it by folds."""
    seen = Counter(gram for count in counts for gram in count)
    vocabulary = sorted(gram for gram, times in seen.items() if times >= fewest)
    idf = np.log((1 + len(counts)) / (1 + np.array([seen[gram] for gram in vocabulary]))).astype(np.float32) + 1
    dense = sparse.csr_matrix(vectors * vector_strength)
    wide = sparse.hstack([matrix_of(counts, vocabulary, idf), dense]).tocsr()
    worth = np.zeros(len(vocabulary))
    for head in heads:
        told = np.abs(_line(wide, head)[0][: len(vocabulary)])
        worth = np.maximum(worth, told / (np.sort(told)[-100:].mean() + 1e-9))
    keep = np.sort(np.argsort(-worth)[:most_grams])
    vocabulary = [vocabulary[at] for at in keep]
    idf = idf[keep]
    narrow = sparse.hstack([matrix_of(counts, vocabulary, idf), dense]).tocsr()
    coefficients, biases = [], []
    for head in heads:
        coefficient, bias = _line(narrow, head)
        slope, shift = (1.0, 0.0) if head.is_measure else _calibration(narrow, head)
        coefficients.append(coefficient * slope)
        biases.append(bias * slope + shift)
    both = np.array(coefficients, np.float32)
    return Fitted(
        heads=tuple(head.name for head in heads),
        vocabulary=vocabulary,
        idf=idf,
        weights=both[:, : len(vocabulary)],
        vector_weights=both[:, len(vocabulary) :] * vector_strength,
        bias=np.array(biases, np.float32),
    )


def write(fitted: Fitted, path: Path, *, marks_negation: bool, data: tuple[str, ...]) -> None:
    """The model file: weights in eight bits, the rest small."""
    scales = np.abs(fitted.weights).max(1) / 127
    about = About(heads=fitted.heads, marks_negation=marks_negation, data=data, seed=SEED)
    np.savez_compressed(
        path,
        about=np.frombuffer(msgspec.json.encode(about), np.uint8),
        vocabulary=np.frombuffer("\n".join(fitted.vocabulary).encode(), np.uint8),
        idf=fitted.idf.astype(np.float16),
        weights=np.round(fitted.weights / scales[:, None]).astype(np.int8),
        scales=scales.astype(np.float32),
        vector_weights=fitted.vector_weights.astype(np.float16),
        bias=fitted.bias.astype(np.float32),
    )


def _line(matrix: Matrix, head: Head) -> tuple[np.ndarray, float]:
    """The coefficients of a head over the columns, and its bias."""
    if head.is_measure:
        measure = Ridge(alpha=1 / head.strictness, solver="lsqr").fit(matrix[head.rows], head.answers, head.weights)
        return np.asarray(measure.coef_).ravel(), float(measure.intercept_)
    model = _regression(head).fit(matrix[head.rows], head.answers, head.weights)
    return np.asarray(model.coef_[0]), float(model.intercept_[0])


def _regression(head: Head) -> LogisticRegression:
    return LogisticRegression(C=head.strictness, max_iter=400, random_state=SEED)


def _calibration(matrix: Matrix, head: Head) -> tuple[float, float]:
    """How to stretch and shift the log-odds so that they tell the truth on rows not trained on."""
    odds = np.zeros(len(head.rows))
    for known, new in StratifiedKFold(4, shuffle=True, random_state=SEED).split(head.rows, head.answers):
        model = _regression(head).fit(matrix[head.rows[known]], head.answers[known], head.weights[known])
        odds[new] = model.decision_function(matrix[head.rows[new]])
    straight = LogisticRegression(C=100).fit(odds[:, None], head.answers, head.weights)
    slope, shift = float(straight.coef_[0, 0]), float(straight.intercept_[0])
    if not head.is_rare:
        return slope, shift
    calibrated = odds * slope + shift
    tries = np.quantile(calibrated, np.linspace(0.5, 0.999, 200))
    return slope, shift - float(tries[int(np.argmax([_f1(calibrated >= at, head) for at in tries]))])


def _f1(said: np.ndarray, head: Head) -> float:
    right = float(head.weights[said & (head.answers == 1)].sum())
    return 2 * right / max(float(head.weights[said].sum() + head.weights[head.answers == 1].sum()), 1e-9)
