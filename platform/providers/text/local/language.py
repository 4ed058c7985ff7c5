"""The language of a text, told by py3langid's model, and for few words by how widely a language is written as well."""

from functools import cache
from typing import Final

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from domain.text.classify import UNDETERMINED
from providers.text.local.words import one_line

MOST_CHARS: Final = 5_000
SHORT: Final = 40
"""What is known beforehand counts whole up to so many characters, and less and less in a longer text."""

# In the model's own measure, the logarithm of a chance. Of 97 languages each is as likely to it before it has read a
# word, so that `Hello there` was Southern Sotho and `ok` Afrikaans.
_WRITTEN: Final = {
    **dict.fromkeys(("en",), 6.0),
    **dict.fromkeys("es fr de pt it ru zh ja ar nl pl tr".split(), 4.0),  # noqa: SIM905 - codes read best as words
    **dict.fromkeys("cs sv da no fi hu ro uk bg el he hi bn th vi id ko hr sk sr ca fa ur".split(), 3.0),  # noqa: SIM905
    **dict.fromkeys("lt lv et sl ms ta te mr gu kn ml pa".split(), 3.0),  # noqa: SIM905
}


def language_of(text: str) -> str:
    """Its ISO 639 code; `und` where there are no letters."""
    opening = one_line(text[:MOST_CHARS])
    if not any(char.isalpha() for char in opening):
        return UNDETERMINED
    counts = min(1.0, SHORT / len(opening))
    ranked: list[tuple[str, float]] = _identifier().rank(opening)
    chances = {language: score + counts * _WRITTEN.get(language, 0.0) for language, score in ranked}
    return max(chances, key=chances.__getitem__)


@cache
def _identifier() -> LanguageIdentifier:
    """Read at the first question: some 0.4 s, which a process that never asks does not spend."""
    return LanguageIdentifier.from_model_file(MODEL_FILE)
