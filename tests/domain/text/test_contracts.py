from typing import Any

import msgspec
import pytest

from domain.jobs.kind import Kind
from domain.text.classify import CLASSIFY, DEFAULT_LABELS, Classify, Label, labels_of
from domain.text.generate import GENERATE, Generate
from domain.text.moderate import MODERATE, Moderate
from domain.text.summarize import MOST_CHARS, SUMMARIZE, Summarize

KINDS = (SUMMARIZE, MODERATE, CLASSIFY, GENERATE)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_an_example_is_a_valid_input_of_its_kind(kind: Kind[Any, Any]) -> None:
    encoded = msgspec.json.encode(kind.example)
    assert msgspec.json.decode(encoded, type=kind.input) == kind.example


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_text_kinds_wait_in_the_text_queue(kind: Kind[Any, Any]) -> None:
    assert kind.queue == "text"


def test_a_summary_has_a_hundred_characters_unless_asked_otherwise() -> None:
    assert msgspec.json.decode(b'{"text": "x"}', type=Summarize).max_chars == 100


@pytest.mark.parametrize(
    ("type_", "given"),
    [
        (Summarize, {"text": ""}),
        (Summarize, {"text": "x" * (MOST_CHARS + 1)}),
        (Summarize, {"text": "x", "max_chars": 19}),
        (Summarize, {"text": "x", "max_chars": 10_001}),
        (Summarize, {"text": "x", "language": "not a language"}),
        (Summarize, {"text": "x", "unknown": 1}),
        (Moderate, {"text": None}),
        (Classify, {"text": "x", "labels": []}),
        (Classify, {"text": "x", "labels": ["a", "a"]}),
        (Classify, {"text": "x", "labels": ["a", {"name": "a"}]}),
        (Classify, {"text": "x", "labels": [str(n) for n in range(101)]}),
        (Classify, {"text": "x", "labels": [{"name": "a", "examples": [""]}]}),
        (Classify, {"text": "x", "labels": [{"description": "no name"}]}),
        (Generate, {"format": "poem", "brief": "x"}),
        (Generate, {"format": "email", "brief": ""}),
        (Generate, {"format": "email", "brief": "x", "max_words": 9}),
    ],
)
def test_what_is_out_of_bounds_is_refused(type_: type, given: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, type=type_)


def test_labels_come_bare_or_described() -> None:
    asked = msgspec.convert({"text": "x", "labels": ["sports", {"name": "art", "description": "pictures"}]}, Classify)
    assert labels_of(asked) == (Label(name="sports"), Label(name="art", description="pictures"))


def test_without_labels_the_platforms_own_are_chosen_from() -> None:
    assert labels_of(Classify(text="x")) == DEFAULT_LABELS
