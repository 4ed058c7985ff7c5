"""`text.classify`: the topic, sentiment and language of a text."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from domain.errors import WrongField
from domain.jobs.kind import Input, Kind, Result
from domain.text.summarize import Text

LabelName = Annotated[str, Meta(min_length=1, max_length=100)]
Description = Annotated[str, Meta(max_length=1_000, description="what belongs under the label, in a sentence")]
Examples = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=2_000)], ...],
    Meta(max_length=50, description="texts that belong under the label; a few make the choice much better"),
]

Sentiment = Literal["positive", "neutral", "negative"]

OTHER: Final = "other"
"""The category of a text that no default label fits. With labels of the caller's, the answer is always one of them."""

UNDETERMINED: Final = "und"
"""The language of a text that has none to speak of (ISO 639-2)."""


class Label(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A label with what helps to choose it: a `description`, and `examples` of texts that belong under it."""

    name: LabelName
    description: Description | None = None
    examples: Examples = ()


Labels = Annotated[tuple[LabelName | Label, ...], Meta(min_length=1, max_length=100)]


class Classify(Input, frozen=True, kw_only=True):
    """A text to be put under one of `labels`, or under one of the platform's own when none are given."""

    text: Text
    labels: Labels | None = None

    def __post_init__(self) -> None:
        """Refuse labels that share a name: their scores could not be told apart."""
        names = [each.name for each in labels_of(self)]
        if len(set(names)) < len(names):
            raise WrongField("labels", "labels must have distinct names")


class Classification(Result, frozen=True, kw_only=True):
    """What a text is about, how it sounds and its language.

    `scores` holds each label's share, adding up to 1. `sentiment_score` runs from -1 (negative) to 1 (positive).
    `language` is an ISO 639 code, `und` where the text is in none.
    """

    category: str
    scores: dict[str, Annotated[float, Meta(ge=0, le=1)]]
    sentiment: Sentiment
    sentiment_score: Annotated[float, Meta(ge=-1, le=1)]
    language: str
    engine: str
    cached: bool = False


DEFAULT_LABELS: Final[tuple[Label, ...]] = (
    Label(name="business", description="companies, markets, money, banking, trade, jobs and the economy"),
    Label(name="politics", description="governments, elections, laws, parties, diplomacy, war and public policy"),
    Label(name="technology", description="computers, software, the internet, phones, engineering and machines"),
    Label(name="science", description="research, discoveries, space, physics, biology, chemistry and nature"),
    Label(name="health", description="medicine, illness, doctors, hospitals, fitness and wellbeing"),
    Label(name="sports", description="games, matches, teams, players, athletes, tournaments and championships"),
    Label(name="entertainment", description="films, music, television, celebrities, games, books and the arts"),
    Label(name="travel", description="journeys, flights, hotels, tourism, sights, transport and destinations"),
    Label(name="food", description="cooking, recipes, restaurants, meals, ingredients and drinks"),
    Label(name="education", description="schools, universities, teachers, students, courses and learning"),
    Label(name="environment", description="climate, weather, pollution, wildlife, energy and conservation"),
    Label(name="shopping", description="orders, deliveries, refunds, products, prices and customer service"),
)
"""What a text is put under when the caller gives no labels."""


def labels_of(asked: Classify) -> tuple[Label, ...]:
    """The labels to choose from, bare names spelled out, the platform's own where none were given."""
    if asked.labels is None:
        return DEFAULT_LABELS
    return tuple(each if isinstance(each, Label) else Label(name=each) for each in asked.labels)


CLASSIFY: Final = Kind(
    name="text.classify",
    input=Classify,
    result=Classification,
    queue="text",
    summary="Find the topic, sentiment and language of a text.",
    example=Classify(
        text="The keeper saved two penalties and the home side went through to the final.",
        labels=("sports", Label(name="weather", description="rain, sunshine, storms and forecasts")),
    ),
    timeout=timedelta(seconds=60),
)
