"""What marks a sentence that tells what a text is about, beside its words' weight: how it opens, where it stands."""

import re
from collections.abc import Sequence
from typing import Final

OF_ITSELF: Final = re.compile(r"^(?:we|our|this (?:paper|work|study|article|report))\b", re.IGNORECASE)
_NEW: Final = re.compile(r"\b(?:novel|new)\b", re.IGNORECASE)
_BACKGROUND: Final = re.compile(
    r"\b(?:recent(?:ly)?|have been|has been|widely|despite|remains?|existing|challenging|difficult|however|prior"
    r"|previous)\b",
    re.IGNORECASE,
)
_RESULT: Final = re.compile(r"\b(?:outperform|state-of-the-art|achiev|improv|experiments|results)\w*", re.IGNORECASE)
_PURPOSE: Final = re.compile(
    r"\bwe (?:propose|present|introduce|develop|show|study|demonstrate|investigate)"
    r"|\b(?:the|this) (?:paper|work)\b|\bour\b",
    re.IGNORECASE,
)
_LONG_SENTENCE: Final = 300
_SHORT_SHARE: Final = 0.55
_LONG_SHARE: Final = 0.85
FEWEST_TO_PLACE: Final = 4
"""In a text of fewer sentences, being its second or last one means nothing."""

FEATURES: Final = (
    "of_itself",
    "new",
    "background",
    "result",
    "last",
    "purpose",
    "second",
    "share_kept",
    "long_sentence",
    "short",
    "long",
)


def purpose_of(sentences: Sequence[str]) -> int:
    """Where the text first says what it is for; -1 when it never does."""
    return next((at for at, sentence in enumerate(sentences) if _PURPOSE.search(sentence)), -1)


def marks_of(form: str, sentences: Sequence[str], at: int, *, purpose: int, longest: int) -> tuple[float, ...]:
    """The marks of a shortened sentence, in the order of `FEATURES`; `at` is its place among the sentences."""
    sentence, count = sentences[at], len(sentences)
    is_placed = count >= FEWEST_TO_PLACE
    return (
        float(OF_ITSELF.match(form) is not None),
        float(_NEW.search(form) is not None),
        float(_BACKGROUND.search(form) is not None),
        float(_RESULT.search(form) is not None),
        float(is_placed and at == count - 1),
        float(at == purpose),
        float(is_placed and at == 1),
        len(form) / max(len(sentence), 1),
        min(1.0, len(sentence) / _LONG_SENTENCE),
        float(len(form) < _SHORT_SHARE * longest),
        float(len(form) > _LONG_SHARE * longest),
    )
