"""`text.moderate`: whether a text is toxic, and what is wrong with it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final

from msgspec import Meta

from domain.jobs.kind import Input, Kind, Result
from domain.text.summarize import Text

CATEGORIES: Final = ("harassment", "hate", "profanity", "self-harm", "sexual", "violence")
"""Every name that `Moderation.categories` scores, in this order."""

FLAGGED_FROM: Final = 0.5

Score = Annotated[float, Meta(ge=0, le=1)]


class Moderate(Input, frozen=True, kw_only=True):
    """A text to be judged."""

    text: Text


class Moderation(Result, frozen=True, kw_only=True):
    """The judgement: `toxicity` is the probability that a reader would call the text toxic.

    `categories` holds a score for each of `CATEGORIES`; `issues` names those that apply, the gravest first.
    """

    flagged: bool
    toxicity: Score
    categories: dict[str, Score]
    issues: tuple[str, ...]
    engine: str
    cached: bool = False


def issues_in(categories: Mapping[str, float]) -> tuple[str, ...]:
    """Which of the categories apply, by their scores, the gravest first."""
    applying = [name for name, score in categories.items() if score >= FLAGGED_FROM]
    return tuple(sorted(applying, key=lambda name: -categories[name]))


MODERATE: Final = Kind(
    name="text.moderate",
    input=Moderate,
    result=Moderation,
    queue="text",
    summary="Judge whether a text is toxic, and name its issues.",
    example=Moderate(text="Thank you for the quick delivery, the lamp looks lovely."),
    timeout=timedelta(seconds=60),
)
