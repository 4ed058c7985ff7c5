"""Texts in parts: where they are parted, and what the answers about the parts make of the whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.text.classify import Classification, Classify, Label, Sentiment
from domain.text.generate import Generate
from domain.text.moderate import CATEGORIES, Moderate, Moderation
from domain.text.parts import (
    InputTooLong,
    classification_in_all,
    merging_sizes,
    moderation_in_all,
    needs_of,
    part_chars,
    parted,
    room_in,
    tokens_at_most,
)
from domain.text.summarize import Summarize

PROSE = "The river rose in the night. By noon it stood in the gardens.\n\n"
WORDS = st.text(alphabet="ab .!?\n,水。🙂é1[EMAIL_1]\u0301", max_size=400)


@given(text=WORDS.filter(bool), most=st.integers(min_value=8, max_value=60))
def test_parts_are_the_text_and_none_is_too_long(text: str, most: int) -> None:
    parts = parted(text, most)
    assert "".join(parts) == text
    assert max(map(tokens_at_most, parts)) <= most


@pytest.mark.parametrize("sort", ["paragraphs", "sentences", "words", "nothing", "no spaces"])
def test_a_part_ends_at_the_best_place_there_is(sort: str) -> None:
    text, ends = {
        "paragraphs": (PROSE * 100, "\n\n"),
        "sentences": (PROSE.strip() + " " + PROSE.replace("\n\n", " ") * 100, ". "),
        "words": ("river noon gardens " * 200, " "),
        "nothing": ("river" * 500, ""),
        "no spaces": ("夜里河水涨了。中午就到了花园里。" * 100, "。"),
    }[sort]
    parts = parted(text, 400)
    assert len(parts) > 2
    assert all(part.endswith(ends) for part in parts[:-1])
    sizes = [tokens_at_most(part) for part in parts]
    assert min(sizes) > max(sizes) // 3, "the parts are of much the same size"


def test_no_placeholder_and_no_letter_is_cut_in_two() -> None:
    text = "水[EMAIL_123]" * 300 + "e\u0301" * 600
    for most in range(100, 130):
        parts = parted(text, most)
        assert sum(part.count("[EMAIL_123]") for part in parts) == 300
        assert not any(part.startswith("\u0301") for part in parts)


def test_digits_and_marks_count_one_each_and_no_text_is_counted_for_fewer_than_a_third_of_its_bytes() -> None:
    assert tokens_at_most("8675309 - 42!") == 12
    assert tokens_at_most("水" * 30) == 30
    assert tokens_at_most("gardens " * 30) == 80
    assert tokens_at_most("\ud800") == 1


def test_labels_take_room_from_the_text_and_may_leave_none() -> None:
    plain = Classify(text="It rained.", labels=("rain",))
    told = Classify(text="It rained.", labels=(Label(name="rain", examples=("It rained all night. " * 90,) * 3),))
    assert room_in(8_000, plain) - room_in(8_000, told) > 1_800
    with pytest.raises(InputTooLong, match="labels"):
        room_in(4_000, told)


def test_what_a_question_takes_grows_with_what_it_asks_for() -> None:
    assert needs_of(Summarize(text="It rained.", max_chars=10_000)).whole > needs_of(Summarize(text="It rained.")).whole
    assert (
        needs_of(Generate(format="blog", brief="Rain.", max_words=2_000)).beside
        > needs_of(Generate(format="blog", brief="Rain.", max_words=10)).beside
    )


@pytest.mark.parametrize("parts", [2, 3, 7, 60, 500])
def test_merging_comes_to_one_question_in_few_rounds(parts: int) -> None:
    room = room_in(4_000, Moderate(text="x"))
    sizes = merging_sizes(parts, part_chars(100, room), room)
    assert max(sizes) <= room
    assert len(sizes) <= parts


def moderation(**scores: float) -> Moderation:
    toxicity = scores.pop("toxicity")
    issues = tuple(name for name, score in scores.items() if score >= 0.5)
    return Moderation(
        flagged=toxicity >= 0.5,
        toxicity=toxicity,
        categories=dict.fromkeys(CATEGORIES, 0.0) | scores,
        issues=issues,
        engine="gemini",
    )


def test_a_text_is_as_bad_as_its_worst_parts_together() -> None:
    whole = moderation_in_all(
        [
            moderation(toxicity=0.1),
            moderation(toxicity=0.6, profanity=0.6, hate=0.2),
            moderation(toxicity=0.9, profanity=0.1, violence=0.9),
        ]
    )
    assert (whole.flagged, whole.toxicity) == (True, 0.9)
    assert whole.issues == ("violence", "profanity")
    assert (whole.categories["profanity"], whole.categories["hate"]) == (0.6, 0.2)


def classification(category: str, share: float = 0.9, sentiment: float = 0.0, language: str = "en") -> Classification:
    scores = {"rain": 1 - share, "sun": 1 - share} | ({category: share} if category != "other" else {})
    mood: Sentiment = "positive" if sentiment > 0 else "negative" if sentiment < 0 else "neutral"
    return Classification(
        category=category,
        scores=scores,
        sentiment=mood,
        sentiment_score=sentiment,
        language=language,
        engine="gemini",
    )


def test_a_sure_part_counts_more_than_an_unsure_one_and_a_long_one_more_than_a_short_one() -> None:
    unsure, sure = classification("rain", 0.6), classification("sun", 0.99)
    assert classification_in_all([(unsure, 10), (unsure, 10), (sure, 12)]).category == "sun"
    assert classification_in_all([(unsure, 90), (sure, 10)]).category == "rain"
    scores = classification_in_all([(unsure, 90), (sure, 10)]).scores
    assert sum(scores.values()) == pytest.approx(1)


def test_other_is_the_answer_where_most_of_the_text_is() -> None:
    rain, other = classification("rain"), classification("other", 0.5)
    assert classification_in_all([(rain, 4), (other, 6)]).category == "other"
    assert classification_in_all([(rain, 6), (other, 4)]).category == "rain"


def test_mood_and_language_are_those_of_most_of_the_text() -> None:
    glad, sad = classification("rain", sentiment=0.9), classification("rain", sentiment=-0.4, language="fr")
    unknown = classification("rain", language="und")
    whole = classification_in_all([(glad, 5), (sad, 5), (unknown, 1)])
    assert (whole.sentiment, whole.language) == ("positive", "en")
    assert whole.sentiment_score == pytest.approx(2.5 / 11)
    assert classification_in_all([(unknown, 9), (sad, 1)]).language == "fr"
    assert classification_in_all([(unknown, 9)]).language == "und"
