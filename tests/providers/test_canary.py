"""The canary stays inside, whatever a model does with it: scripted answers, through the screens that answers pass."""

import os

import pytest

from providers.text.gemini_screen import Screen, refuse_marks
from tests.support.canaries import DISGUISES, leaks
from tests.support.gemini_meeting import MARKS


def test_the_canary_does_not_leak_in_any_disguise() -> None:
    assert leaks(10 * len(DISGUISES)) == []


@pytest.mark.skipif(not os.environ.get("CANARY_ANSWERS"), reason="the full run, by CANARY_ANSWERS=5000")
def test_the_canary_does_not_leak_in_all_scripted_answers() -> None:
    assert leaks(int(os.environ["CANARY_ANSWERS"])) == []


@pytest.mark.parametrize(
    "answer",
    [
        "50% off & more",
        "See C:\\users\\x and &#169; 2026",
        "a \\u00e9 b",
        "Q&A: 100%",
        "zqx zqx01",
        "&",
        "\\",
        "caf\u00e9 \u0430",
    ],
)
def test_other_answers_pass_unchanged_however_they_are_cut(answer: str) -> None:
    refuse_marks(answer, MARKS)
    screen = Screen(MARKS)
    assert "".join(screen.pass_on(letter) for letter in answer) + screen.rest() == answer
