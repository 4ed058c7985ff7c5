"""Whether a text is toxic: n-gram models over the text, and over a copy with disguises taken off."""

import re
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct

from domain.text.moderate import CATEGORIES, FLAGGED_FROM
from providers.text.local.disguise import undisguised
from providers.text.local.ngrams import NgramModel, open_ngrams
from providers.text.local.static_table import StaticTable, Vector
from providers.text.local.words import plain, windows_of

LONGEST_WINDOW: Final = 2_000
ISSUE_FROM: Final = 0.5
DIGITS: Final = 4
UNNAMED: Final = "harassment"
"""What a flagged text is said to be when no issue stands out."""

# Only names the issue; what is toxic the model decides.
_PROFANITY: Final = re.compile(
    r"\b(?:(?:mother)?fuck\w*|fuk\w*|fck\w*|(?:bull)?shit\w*|bitch\w*|bastards?|(?:dumb|jack)?ass(?:hole|hat|wipe"
    r"|clown)?s?|arse(?:hole)?s?|cunt\w*"
    r"|dick(?:head)?s?|pricks?|piss(?:ed|ing|es)?|cock(?:sucker\w*|s)?|puss(?:y|ies)|wank\w*|twats?|bollocks"
    r"|(?:god)?damn(?:ed|it)?|crap(?:py)?"
    r"|slut\w*|whore\w*|douche\w*|tits|stfu|wtf)\b"
)


class Judgement(Struct, frozen=True, kw_only=True):
    """How toxic a text is, the score of each of `CATEGORIES`, and those that apply, the highest first."""

    toxicity: float
    categories: dict[str, float]
    issues: tuple[str, ...]

    @property
    def is_flagged(self) -> bool:
        """Whether the text as a whole counts as toxic."""
        return self.toxicity >= FLAGGED_FROM


class Moderator:
    """Judges texts. Long ones are judged window by window: the worst one counts."""

    def __init__(self, model: NgramModel, table: StaticTable) -> None:
        self._model = model
        self._table = table

    def judge(self, text: str) -> Judgement:
        """How toxic the text is, and in which ways."""
        windows = [window for window in windows_of(text, LONGEST_WINDOW) if not window.isspace()]
        bare = [undisguised(window) for window in windows]
        odds = [
            np.maximum(self._odds(window), self._odds(shown)) if shown != plain(window) else self._odds(window)
            for window, shown in zip(windows, bare, strict=True)
        ]
        if not odds:
            return _judgement(np.zeros(len(self._model.about.heads), np.float32), self._model.about.heads, swears=False)
        worst = 1 / (1 + np.exp(-np.max(odds, axis=0)))
        swears = any(_PROFANITY.search(shown) for shown in bare)
        return _judgement(worst, self._model.about.heads, swears=swears)

    def _odds(self, text: str) -> Vector:
        return self._model.log_odds(text, self._table.vector(text))


def open_moderator(models: Path, table: StaticTable) -> Moderator:
    """Read the model."""
    return Moderator(open_ngrams(models / "toxicity.npz"), table)


def _judgement(chances: Vector, heads: tuple[str, ...], *, swears: bool) -> Judgement:
    """No issue is worse than the text it is in: each score is at most the toxicity, save that of bare profanity."""
    found = dict(zip(heads, map(float, chances), strict=True))
    toxicity = found.pop("toxicity")
    found["profanity"] = max(toxicity, ISSUE_FROM) if swears else 0.0
    if found["self-harm"] >= ISSUE_FROM or found["sexual"] >= ISSUE_FROM:
        toxicity = max(toxicity, ISSUE_FROM)
    issues = sorted((name for name in CATEGORIES if found[name] >= ISSUE_FROM), key=lambda name: -found[name])
    if toxicity >= FLAGGED_FROM and not issues:
        issues = [UNNAMED]
    return Judgement(
        toxicity=round(toxicity, DIGITS),
        categories={name: round(found[name], DIGITS) for name in CATEGORIES},
        issues=tuple(issues),
    )
