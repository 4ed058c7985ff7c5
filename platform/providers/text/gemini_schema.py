"""What Gemini is asked: a prompt, and for each kind what to fill in, in the part of JSON Schema it understands."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from domain.text.classify import Sentiment
from domain.text.prompts import Prompt
from providers.text.provider import Usage

JsonSchema = dict[str, Any]
FilledT = TypeVar("FilledT", bound="Filled")

# The keywords of our schemas that Gemini takes as they are; it refuses minLength and pattern, so code checks those.
TAKEN_AS_IS: Final = frozenset(
    {"type", "format", "enum", "minimum", "maximum", "minItems", "maxItems", "required", "additionalProperties"}
)

Score = Annotated[float, Meta(ge=0, le=1)]


class Question(Struct, frozen=True, kw_only=True):
    """A prompt, with the schema its answer has to meet and the tokens it may take, thoughts included.

    `unfiltered` turns off Gemini's own safety filters, as far as they can be. What is None is as it is for all kinds.
    """

    prompt: Prompt
    schema: JsonSchema | None = None
    most_tokens: int = 8_192
    unfiltered: bool = False
    model: str | None = None
    temperature: float | None = None
    timeout_seconds: float | None = None


class Said(Struct, frozen=True):
    """Words of the model; usage once Gemini has told it."""

    text: str
    usage: Usage | None = None


class Filled(Struct, frozen=True, forbid_unknown_fields=True):
    """What Gemini fills in. Every field is required; strictly what the schema says is accepted."""


class SummaryFilled(Filled, frozen=True):
    """For `text.summarize`."""

    summary: Annotated[str, Meta(min_length=1)]


class CategoriesFilled(Filled, frozen=True):
    """A score for each of the platform's categories."""

    harassment: Score
    hate: Score
    profanity: Score
    self_harm: Score = field(name="self-harm")
    sexual: Score
    violence: Score


class ModerationFilled(Filled, frozen=True):
    """For `text.moderate`. What is flagged and the issues follow from the scores."""

    toxicity: Score
    categories: CategoriesFilled


class LabelFilled(Filled, frozen=True):
    """A label's share. A list of these, not an object: labels are the caller's words and make poor property names."""

    label: str
    score: Score


class ClassificationFilled(Filled, frozen=True):
    """For `text.classify`."""

    category: str
    scores: tuple[LabelFilled, ...]
    sentiment: Sentiment
    sentiment_score: Annotated[float, Meta(ge=-1, le=1)]
    language: str


class GeneratedFilled(Filled, frozen=True):
    """For `text.generate`."""

    text: Annotated[str, Meta(min_length=1)]


def schema_of(answer: type[Filled], choices: Mapping[str, Sequence[str]] | None = None) -> JsonSchema:
    """The schema of an answer as Gemini takes it; `choices` bounds the named string fields, wherever they stand."""
    whole = msgspec.json.schema(answer)
    return _understood(whole, whole["$defs"], choices or {})


def _understood(part: JsonSchema, known: JsonSchema, choices: Mapping[str, Sequence[str]]) -> JsonSchema:
    if "$ref" in part:  # Gemini takes nothing beside one, so it is written out
        return _understood(known[part["$ref"].removeprefix("#/$defs/")], known, choices)
    kept = {keyword: value for keyword, value in part.items() if keyword in TAKEN_AS_IS}
    if "items" in part:
        kept["items"] = _understood(part["items"], known, choices)
    if "properties" in part:
        kept["properties"] = {
            name: _understood(inner, known, choices) | ({"enum": list(choices[name])} if name in choices else {})
            for name, inner in part["properties"].items()
        }
    return kept
