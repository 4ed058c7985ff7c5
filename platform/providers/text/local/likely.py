"""How likely each word of a text is to stand in a summary of it: by how often, how early and how rarely it is said.

The numbers are fitted by `tools/text/fit_summaries.py` on what people wrote about abstracts.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

FEATURES: Final = ("often", "rare", "early", "in_purpose", "small", "very_rare", "often_and_rare")
WEIGHTS: Final = np.array([0.59, -6.61, 0.39, 0.86, -0.66, 5.32, 1.74, -1.24], np.float32)
"""One for each of `FEATURES`, and what is added."""

USUAL_WORDS: Final = 14
"""Roughly the words of a summary, so that a short form does not win by its one good word."""

SCALE: Final = 20
"""Brings the worth of a form near the size of the other features."""

_SMALL: Final = frozenset(
    """
    an the of in on at by for with from to into and or but that which who is are was were be been as than our their its
    this these those such we it can not also however has have more most via using use used
    """.split()  # noqa: SIM905 - words read best as words
)


def marks_of(
    times: Mapping[str, int], first: Mapping[str, int], rarities: Sequence[float], purpose: Collection[str]
) -> NDArray[np.float32]:
    """What is known of each word of `times`, a row each: `FEATURES`, and a one.

    `first` tells in which sentence a word is first, `rarities` how rare each is, `purpose` which words stand in the
    sentence that says what the text is for.
    """
    often = np.log(np.fromiter(times.values(), np.float32, len(times)))
    rare = np.asarray(rarities, np.float32)
    marks = np.stack(
        [
            often,
            rare,
            1 / (1 + np.fromiter((first[word] for word in times), np.float32, len(times))),
            np.fromiter((word in purpose for word in times), np.float32, len(times)),
            np.fromiter((word in _SMALL for word in times), np.float32, len(times)),
            rare**2,
            often * rare,
            np.ones_like(rare),
        ],
        axis=1,
    )
    return np.asarray(marks, np.float32)


def chances_of(marks: NDArray[np.float32], weights: NDArray[np.float32] = WEIGHTS) -> NDArray[np.float32]:
    """The chance of each word, from its marks."""
    return np.asarray(1 / (1 + np.exp(-(marks @ weights))), np.float32)


def worth_of(words: Sequence[str], chances: Mapping[str, float]) -> float:
    """How much of a summary the words are likely to meet, for their number."""
    return SCALE * sum(chances.get(word, 0.0) for word in set(words)) / (len(words) + USUAL_WORDS)
