import pytest

from domain.text.classify import DEFAULT_LABELS, OTHER, Label
from providers.text.local.classify import Classifier
from providers.text.local.engine import Parts, open_parts
from providers.text.local.language import language_of


@pytest.fixture(scope="module")
def parts() -> Parts:
    return open_parts()


@pytest.fixture(scope="module")
def classifier(parts: Parts) -> Classifier:
    return parts.classifier


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("The striker scored twice and her team won the cup final.", "sports"),
        ("Parliament passed the new law after a long debate.", "politics"),
        ("Add two eggs and the flour, then bake for thirty minutes.", "food"),
        ("The patient was given antibiotics at the hospital.", "health"),
        ("Our flight to Rome leaves at noon and the hotel has a pool.", "travel"),
        ("My parcel has not arrived and I want a refund for this order.", "shopping"),
    ],
)
def test_a_text_falls_under_its_topic(classifier: Classifier, text: str, category: str) -> None:
    chosen, scores = classifier.choose(text, DEFAULT_LABELS, may_be_other=True)
    assert chosen == category
    assert max(scores, key=lambda name: scores[name]) == category
    assert sum(scores.values()) == pytest.approx(1, abs=0.01)


def test_a_text_about_nothing_is_other_only_where_that_may_be(classifier: Classifier) -> None:
    assert classifier.choose("\u2026", DEFAULT_LABELS, may_be_other=True)[0] == OTHER
    assert classifier.choose("\u2026", [Label(name="a"), Label(name="b")], may_be_other=False)[0] in {"a", "b"}


def test_a_description_says_what_an_odd_name_means(classifier: Classifier) -> None:
    labels = [Label(name="K1", description="trains and buses"), Label(name="K2", description="bread and cakes")]
    assert classifier.choose("The baker sells fresh rolls.", labels, may_be_other=False)[0] == "K2"


def test_examples_outweigh_a_name(classifier: Classifier) -> None:
    text = "Where is my parcel?"
    bare = [Label(name="green"), Label(name="blue")]
    shown = [
        Label(name="green"),
        Label(name="blue", examples=("Has my package been sent?", "My delivery is late.")),
    ]
    assert classifier.choose(text, shown, may_be_other=False)[0] == "blue"
    assert classifier.nearness(text, shown)[1] > classifier.nearness(text, bare)[1]


@pytest.mark.parametrize(
    ("text", "mood"),
    [
        ("I love this phone, it is wonderful!", "positive"),
        ("Terrible service, never again.", "negative"),
        ("The meeting is at three in room four.", "neutral"),
        ("The film was not good.", "negative"),
        ("", "neutral"),
        ("\u200b \u200b", "neutral"),
    ],
)
def test_a_text_sounds_as_it_is_meant(parts: Parts, text: str, mood: str) -> None:
    found = parts.sentiment.mood(text)
    assert found.name == mood
    assert -1 <= found.score <= 1


@pytest.mark.parametrize(
    ("text", "mood"),
    [
        ("I am not happy with this", "negative"),
        ("Not bad at all", "positive"),
        ("I don't recommend it", "negative"),
        ("I wasn't disappointed", "positive"),
        ("I can\u2019t complain.", "positive"),
        ("It isn't so great", "negative"),
        ("I cannot recommend it enough!", "positive"),
        ("It's not a bad premise, just a bad movie.", "negative"),
        ("Couldn't be happier", "positive"),
        ("No complaints so far.", "positive"),
        ("Nothing but praise for this team.", "positive"),
        ("It could have been better.", "negative"),
        ("I want my money back.", "negative"),
        ("It is okay.", "neutral"),
        ("It was neither good nor bad.", "neutral"),
        ("Meh.", "neutral"),
        ("\U0001f44d\U0001f44d", "positive"),
        ("\U0001f44e", "negative"),
        ("\U0001f621", "negative"),
    ],
)
def test_a_short_sentence_that_turns_a_word_round_is_taken_at_its_word(parts: Parts, text: str, mood: str) -> None:
    assert parts.sentiment.mood(text).name == mood


@pytest.mark.parametrize(
    "text",
    [
        "The package arrived on Tuesday.",
        "The bridge was built in 1932.",
        "Your appointment is confirmed for Monday at ten.",
        "The invoice is attached.",
        "She took the bus to work.",
        "The warranty lasts two years.",
        "The parcel was left with a neighbour.",
        "My brother studies biology in Leeds.",
        "The bill was passed by 51 votes to 49.",
        "The hotel has 120 rooms and a parking garage.",
        "We had lunch and then went back to the office.",
        "How do I reset my password?",
    ],
)
def test_a_statement_that_praises_and_blames_nothing_is_neutral(parts: Parts, text: str) -> None:
    assert parts.sentiment.mood(text).name == "neutral"


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("It is not good.", -1),
        ("Not bad", 1),
        ("I am happy", 0),  # nothing is turned
        ("Not disappointed, a great camera", 0),  # it says more than one thing
        ("Are you not happy?", 0),
        ("If you are not happy, send it back", 0),
        ("She did not say whether the food was good, and then she left for the day", 0),  # the model's: it is long
    ],
)
def test_only_a_short_sentence_that_says_one_thing_is_turned(parts: Parts, text: str, way: int) -> None:
    assert parts.sentiment.turned(text) == way


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Where is the train station?", "en"),
        ("Wo ist der Bahnhof, bitte?", "de"),
        ("¿Dónde está la estación de tren?", "es"),
        ("火车站在哪里", "zh"),
        ("أين محطة القطار؟", "ar"),
        ("12345 \U0001f600", "und"),
        ("Hello there", "en"),
        ("hello", "en"),
        ("cannot sign in", "en"),
        ("Merci beaucoup", "fr"),
        ("tack s\u00e5 mycket", "sv"),
        (
            "Die hond is baie moeg vandag en wil nou gaan slaap",
            "af",
        ),  # not Dutch, which more people write
        ("Dydd da, sut wyt ti heddiw?", "cy"),
    ],
)
def test_the_language_is_told(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("text", "name"), [("what is the weather like in Lisbon", "utility"), ("play some jazz", "home")]
)
def test_a_text_about_one_of_a_labels_many_things_falls_under_it(classifier: Classifier, text: str, name: str) -> None:
    labels = [
        Label(name="utility", description="time, date, alarms, timers, weather, calculator, spelling, definitions"),
        Label(name="home", description="shopping lists, to-do lists, reminders, smart home lights, music and orders"),
        Label(name="small talk", description="greetings, jokes, who are you, your name, your age, thank you, goodbye"),
    ]
    assert classifier.choose(text, labels, may_be_other=False)[0] == name
