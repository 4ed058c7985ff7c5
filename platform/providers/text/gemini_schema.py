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

# Gemini's documentation names these. Beside a $ref it takes nothing else, so refs are inlined.
UNDERSTOOD: Final = frozenset(
    {
        "type", "format", "title", "description", "enum", "items", "prefixItems", "minItems", "maxItems", "minimum",
        "maximum", "anyOf", "oneOf", "properties", "additionalProperties", "required", "propertyOrdering",
    }
)  # fmt: skip

Score = Annotated[float, Meta(ge=0, le=1)]


class Question(Struct, frozen=True, kw_only=True):
    """A prompt, with the schema its answer has to meet and the tokens it may take, thoughts included.

    `unfiltered` turns off Gemini's own safety filters, as far as they can be.
    """

    prompt: Prompt
    schema: JsonSchema | None = None
    most_tokens: int = 8_192
    unfiltered: bool = False


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
    understood: JsonSchema = _understood(whole, whole.get("$defs", {}), choices or {})
    return understood


def _understood(part: Any, known: Mapping[str, Any], choices: Mapping[str, Sequence[str]]) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _understood(known[part["$ref"].removeprefix("#/$defs/")], known, choices)
    kept: JsonSchema = {}
    for keyword, value in part.items():
        if keyword == "properties":
            kept[keyword] = {
                name: {"type": "string", "enum": list(choices[name])}
                if name in choices
                else _understood(inner, known, choices)
                for name, inner in value.items()
            }
        elif keyword in UNDERSTOOD and keyword not in {"title", "description"}:
            kept[keyword] = (
                [_understood(inner, known, choices) for inner in value]
                if isinstance(value, list)
                else _understood(value, known, choices)
            )
    return kept
