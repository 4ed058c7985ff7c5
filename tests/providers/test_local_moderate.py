import pytest

from domain.text.moderate import CATEGORIES
from providers.text.local.disguise import undisguised
from providers.text.local.engine import open_parts
from providers.text.local.moderate import Moderator


@pytest.fixture(scope="module")
def moderator() -> Moderator:
    return open_parts().moderator


@pytest.mark.parametrize(
    "text",
    [
        "Thank you for the quick delivery, the lamp looks lovely.",
        "The killer whale show starts at 3pm.",
        "How do I kill a Python process that hangs?",
        "Please read chapter 4 and answer questions 1-5 by Monday!",
        "Meet me at 7pm, bring the mp3 player. Wow!!",
        "I will never hurt you, and I will not kill you in the game either.",
        "You are not an idiot, you were only tired.",
        "We will burn your CD and beat you at chess.",
        "I hope you get well soon, and that the old laws die.",
    ],
)
def test_ordinary_texts_are_not_flagged(moderator: Moderator, text: str) -> None:
    judged = moderator.judge(text)
    assert not judged.is_flagged
    assert judged.issues == ()


@pytest.mark.parametrize(
    "text",
    [
        "You are a stupid piece of shit.",
        "You are a stupid piece of sh1t.",
        "You are a stupid piece of s h i t.",
        "You are a stupid piece of s.h.i.t",
        "You are a stupid piece of sh*t.",
        "You are a stupid piece of \u0455h\u0456t.",
        "You are a stupid piece of s\u200bh\u200bi\u200bt.",
        "YOU ARE A STUPIIIIID PIECE OF SHIIIIT",
    ],
)
def test_an_insult_is_flagged_in_any_disguise(moderator: Moderator, text: str) -> None:
    judged = moderator.judge(text)
    assert judged.is_flagged
    assert "profanity" in judged.issues


@pytest.mark.parametrize(
    ("text", "issue"),
    [
        ("I want to end my life.", "self-harm"),
        ("How many pills does it take to not wake up?", "self-harm"),
        ("Nobody would notice if I died.", "self-harm"),
        ("I will kill you.", "violence"),
        ("I will find you and beat you to death", "violence"),
        ("They should all be shot.", "violence"),
        ("Die in a fire", "violence"),
        ("you are an idiot", "harassment"),
        ("Moron!", "harassment"),
        ("what an @sshole", "harassment"),
    ],
)
def test_an_issue_is_named(moderator: Moderator, text: str, issue: str) -> None:
    judged = moderator.judge(text)
    assert judged.is_flagged
    assert issue in judged.issues


def test_every_category_has_a_score_and_the_gravest_issue_comes_first(moderator: Moderator) -> None:
    judged = moderator.judge("You stupid bitch, I will kill you.")
    assert tuple(judged.categories) == CATEGORIES
    assert all(0 <= score <= 1 for score in judged.categories.values())
    scores = [judged.categories[issue] for issue in judged.issues]
    assert scores == sorted(scores, reverse=True)


def test_a_quiet_text_may_be_nearer_to_self_harm_than_to_abuse(moderator: Moderator) -> None:
    judged = moderator.judge("I keep thinking about the razor in the bathroom.")
    assert not judged.is_flagged
    assert judged.categories["self-harm"] > judged.toxicity >= judged.categories["violence"]


def test_one_insult_in_a_long_text_is_found(moderator: Moderator) -> None:
    calm = "The committee met on Tuesday and went through the agenda. " * 1_000
    assert not moderator.judge(calm).is_flagged
    assert moderator.judge(calm + "You are a stupid piece of shit. " + calm).is_flagged


@pytest.mark.parametrize("text", [" ", "\u200b", "\U0001f600", "...", "\u0301" * 10, "你好今天天气很好。", "مرحبا"])
def test_texts_with_little_to_judge_are_not_flagged(moderator: Moderator, text: str) -> None:
    assert not moderator.judge(text).is_flagged


@pytest.mark.parametrize("text", ["1st of 3 @ 5pm", "mp3 b2b 15kg", "wow! yes!!", "well-known, user@mail.com"])
def test_honest_digits_and_marks_are_no_disguise(text: str) -> None:
    assert undisguised(text) == text.lower()
