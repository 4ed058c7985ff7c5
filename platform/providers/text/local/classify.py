"""The topic of a text among given labels: whose meaning its vector is nearest to."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from domain.text.classify import OTHER, Label
from providers.text.local.labels import meaning_of
from providers.text.local.static_table import StaticTable, Vector, unit

TEMPERATURE: Final = 0.06
"""How sharply nearness becomes a share; fitted on the development queries."""

OTHER_BELOW: Final = 0.12
"""A text less near than this to every default label is about something else."""

EXAMPLES_WEIGH: Final = 2.0
"""How much a label's examples count beside its name and meaning."""

DIGITS: Final = 4
MOST_CHARS: Final = 100_000


class Classifier:
    """Puts texts under labels."""

    def __init__(self, table: StaticTable) -> None:
        self._table = table

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
        """The cosine of the text with each label's meaning."""
        if not any(map(str.isalnum, text)):
            return np.zeros(len(labels), np.float32)
        meanings = np.stack([self._meaning(label) for label in labels])
        return meanings @ self._table.vector(text[:MOST_CHARS])

    def _meaning(self, label: Label) -> Vector:
        meaning = meaning_of(label)
        spelled = self._table.vector(f"{label.name}: {meaning}" if meaning else label.name)
        if not label.examples:
            return spelled
        examples = self._table.vectors(label.examples).mean(axis=0)
        return unit(spelled + EXAMPLES_WEIGH * examples)
