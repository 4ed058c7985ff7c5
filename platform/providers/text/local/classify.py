"""The topic of a text among given labels: to whose meaning its vector is nearest."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from msgspec import Struct

from domain.text.classify import OTHER, Label
from providers.text.local.labels import aspects_of, meaning_of
from providers.text.local.static_table import StaticTable, Vector, unit

TEMPERATURE: Final = 0.06
"""How sharply nearness becomes a share; fitted on the development queries."""

OTHER_BELOW: Final = 0.12
"""A text less near than this to every default label is about something else."""

EXAMPLES_WEIGH: Final = 2.0
"""How much a label's examples count beside its name and meaning, where all of them make one vector."""

ASPECT_WARMTH: Final = 0.1
EXAMPLE_WARMTH: Final = 0.05
"""How far below the nearest aspect, or example, the others still count; both fitted on the development queries."""

ASPECTS_WEIGH: Final = 1.0
ASPECTS_WEIGH_BESIDE_EXAMPLES: Final = 0.5
EXAMPLES_TO_WEIGH_ONE: Final = 10
MOST_EXAMPLES_WEIGH: Final = 2.0
"""The nearest of so many examples counts as much as all of the label together; at most this much."""

MOST_REMEMBERED: Final = 128
DIGITS: Final = 4
MOST_CHARS: Final = 100_000


class Meaning(Struct, frozen=True, kw_only=True):
    """A label as vectors: all of it as one, and one for each thing it covers and each of its examples."""

    whole: Vector
    aspects: Vector
    examples: Vector


class Classifier:
    """Puts texts under labels."""

    def __init__(self, table: StaticTable) -> None:
        self._table = table
        self._known = lru_cache(MOST_REMEMBERED)(self._meaning)

    def choose(self, text: str, labels: Sequence[Label], *, may_be_other: bool) -> tuple[str, dict[str, float]]:
        """The label with the greatest share, or `other` where that is allowed and none is near; and all shares."""
        near = self.nearness(text, labels)
        odds = np.exp((near - near.max()) / TEMPERATURE)
        shares = odds / odds.sum()
        scores = {label.name: round(float(share), DIGITS) for label, share in zip(labels, shares, strict=True)}
        best = int(near.argmax())
        is_other = may_be_other and float(near[best]) < OTHER_BELOW
        return OTHER if is_other else labels[best].name, scores

    def nearness(self, text: str, labels: Sequence[Label]) -> Vector:
        """How near the text is to each label, from -1 to 1: to its whole meaning, and to the nearest parts of it.

        A label often covers things that have little in common (`alarms, timers, weather, definitions`): their mean is
        near to none of them, so a text about one is held against each.
        """
        if not any(map(str.isalnum, text)):
            return np.zeros(len(labels), np.float32)
        vector = self._table.vector(text[:MOST_CHARS])
        return np.array([_nearness(vector, self._known(label)) for label in labels], np.float32)

    def _meaning(self, label: Label) -> Meaning:
        meaning = meaning_of(label)
        whole = self._table.vector(f"{label.name}: {meaning}" if meaning else label.name)
        examples = self._table.vectors(label.examples)
        return Meaning(
            whole=unit(whole + EXAMPLES_WEIGH * examples.mean(axis=0)) if label.examples else whole,
            aspects=self._table.vectors(aspects_of(label)),
            examples=examples,
        )


def _nearness(vector: Vector, meaning: Meaning) -> float:
    """The weighted mean of how near the whole, the nearest aspects and the nearest examples are."""
    count = len(meaning.examples)
    aspects = _nearest(meaning.aspects @ vector, ASPECT_WARMTH)
    if not count:
        return (float(meaning.whole @ vector) + ASPECTS_WEIGH * aspects) / (1 + ASPECTS_WEIGH)
    weight = min(MOST_EXAMPLES_WEIGH, count / EXAMPLES_TO_WEIGH_ONE)
    examples = _nearest(meaning.examples @ vector, EXAMPLE_WARMTH)
    near = float(meaning.whole @ vector) + ASPECTS_WEIGH_BESIDE_EXAMPLES * aspects + weight * examples
    return near / (1 + ASPECTS_WEIGH_BESIDE_EXAMPLES + weight)


def _nearest(near: Vector, warmth: float) -> float:
    """A soft maximum: between the mean (a large warmth) and the greatest (a small one)."""
    return float(warmth * np.log(np.exp(near / warmth).mean()))
