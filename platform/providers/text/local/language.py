"""The language of a text, told by py3langid's model."""

from functools import cache
from typing import Final

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from domain.text.classify import UNDETERMINED
from providers.text.local.words import one_line

MOST_CHARS: Final = 5_000


def language_of(text: str) -> str:
    """Its ISO 639 code; `und` where there are no letters."""
    opening = one_line(text[:MOST_CHARS])
    if not any(char.isalpha() for char in opening):
        return UNDETERMINED
    return str(_identifier().classify(opening)[0])


@cache
def _identifier() -> LanguageIdentifier:
    """Read at the first question: some 0.4 s, which a process that never asks does not spend."""
    return LanguageIdentifier.from_model_file(MODEL_FILE)
