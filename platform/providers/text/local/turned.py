"""Short sentences that say one thing and turn it round: `I am not happy with this`, `not bad at all`.

A model over n-grams adds up what its words weigh, and in so few words `happy` weighs more than `not`. VADER's lexicon
says which way the turned word points; longer texts, and those that say more, are the model's.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

MOST_WORDS: Final = 10
_LEAST_VALENCE: Final = 1.3

_WORDS: Final = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_BETWEEN: Final = (
    r"(?:(?:very|really|so|that|too|exactly|all|even|particularly|entirely|quite|a|an|at|been|feeling)\s+){0,3}"
)
_IS_NOT: Final = re.compile(rf"\b(?:not|never|(?:is|was|are|were|ai)n['\u2019]?t)\s+{_BETWEEN}([a-z]+)\b(?!['\u2019])")
_DOES_NOT: Final = re.compile(
    r"\b(?:(?:do|does|did|would|could|can|will)(?:n['\u2019]t|\s+not)|cannot|(?:ca|wo)n['\u2019]?t|never)\s+"
    r"(?:(?:really|even|ever)\s+)?(recommend|like|love|enjoy|regret|complain|trust|hate)\b"
)
_RAISED: Final = re.compile(r"\b(?:enough|more)\b|\?")
"""`I cannot recommend it enough`; and who asks says nothing of the kind."""

_OPEN: Final = frozenset({"if", "whether", "unless", "but"})
_BESIDE_THE_LEXICON: Final = {"complain": -1.5, "regret": -1.8}


def turned(text: str, valences: Mapping[str, float]) -> int:
    """Which way a short sentence points after it was turned: 1, -1, or 0 where it is no such sentence."""
    shown = text.lower()
    words = _WORDS.findall(shown)
    if len(words) > MOST_WORDS or _RAISED.search(shown) or not _OPEN.isdisjoint(words):
        return 0

    def weight(word: str) -> float:
        found = _BESIDE_THE_LEXICON.get(word, valences.get(word, 0.0))
        return found if abs(found) >= _LEAST_VALENCE else 0.0

    met = [hit[1] for pattern in (_IS_NOT, _DOES_NOT) for hit in pattern.finditer(shown) if weight(hit[1])]
    others = Counter(words) - Counter(met)
    if not met or any(weight(word) for word in others):
        return 0
    return -1 if sum(map(weight, met)) > 0 else 1
