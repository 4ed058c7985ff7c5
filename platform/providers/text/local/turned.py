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
_RAISED: Final = re.compile(r"\b(?:enough|more)\b")

_SET: Final = (
    (1, re.compile(
        r"\b(?:can(?:not|['\u2019]?t)|could(?:n['\u2019]?t| not))\s+(?:recommend|thank|praise|stress)\b.*\benough\b"
        r"|\bcould(?:n['\u2019]?t| not)\s+(?:be|ask|have (?:been|asked|hoped))\s+(?:for\s+)?(?:any(?:thing)?\s+)?"
        r"(?:happier|better|more|nicer|easier|prouder)\b"
        r"|\b(?:no|zero|never\s+had|have(?:n['\u2019]?t| not)\s+had|(?:did|do)(?:n['\u2019]?t| not)\s+have|without)\s+"
        r"(?:(?:a|any|one|single|real|major|other|further)\s+){0,2}(?:complaints?|problems?|issues?|regrets?|trouble)\b"
        r"|\bonly\s+(?:praise|good|love)\b"
    )),
    (-1, re.compile(
        r"\bcould(?:n['\u2019]?t| not)\s+(?:be|have been|get)\s+(?:any\s+)?worse\b"
        r"|\b(?:could|should|might)\s+(?:have\s+been|be|do)\s+(?:much\s+|a\s+lot\s+|way\s+)?better\b"
        r"|\b(?:i|we)\s+(?:had\s+|have\s+)?expected\s+(?:much\s+|a\s+lot\s+)?(?:more|better)\b"
        r"|\bonly\s+(?:trouble|problems)\b|\bwant\s+(?:my|our)\s+money\s+back\b"
    )),
)  # fmt: skip
"""What is said in these words says the one thing or the other, whatever each word weighs by itself."""

_NEITHER: Final = re.compile(r"\b(?:neither|not)\s+([a-z]+)\s+(?:nor|and\s+not)\s+([a-z]+)\b")
_FAINT: Final = re.compile(
    r"(?:(?:it|this|that|they|everything)(?:['\u2019]s|['\u2019]re| is| was| are| were) )?"
    r"(?:just |only |kind of |simply |an )?"
    r"(?:ok(?:ay)?|alright|all right|meh|so[ -]so|average|nothing special|fine, nothing special|average at best)"
    r"(?:,? (?:i guess|i suppose|nothing special|nothing more))?[\s.!\u2026]*"
)

_OPEN: Final = frozenset({"if", "whether", "unless", "but"})
_BESIDE_THE_LEXICON: Final = {"complain": -1.5, "regret": -1.8}


def is_even(text: str, valences: Mapping[str, float]) -> bool:
    """Whether a short text says outright that it says neither: `It is okay.`, `neither good nor bad`."""
    shown = text.lower().strip()
    if _FAINT.fullmatch(shown):
        return True
    either = _NEITHER.search(shown)
    if either is None or len(_WORDS.findall(shown)) > MOST_WORDS:
        return False
    return valences.get(either[1], 0.0) * valences.get(either[2], 0.0) < 0


def turned(text: str, valences: Mapping[str, float]) -> int:
    """Which way a short sentence points after it was turned: 1, -1, or 0 where it is no such sentence."""
    shown = text.lower().replace("nothing but ", "only ")
    words = _WORDS.findall(shown)
    if len(words) > MOST_WORDS or not _OPEN.isdisjoint(words) or "?" in shown:
        return 0
    for way, phrases in _SET:
        if phrases.search(shown):
            return way
    if _RAISED.search(shown):
        return 0

    def weight(word: str) -> float:
        found = _BESIDE_THE_LEXICON.get(word, valences.get(word, 0.0))
        return found if abs(found) >= _LEAST_VALENCE else 0.0

    met = [hit[1] for pattern in (_IS_NOT, _DOES_NOT) for hit in pattern.finditer(shown) if weight(hit[1])]
    others = Counter(words) - Counter(met)
    if not met or any(weight(word) for word in others):
        return 0
    return -1 if sum(map(weight, met)) > 0 else 1
