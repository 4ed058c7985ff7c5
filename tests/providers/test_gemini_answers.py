import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import HeadraceError
from domain.text.classify import Classify, Label
from domain.text.generate import Generate
from domain.text.moderate import CATEGORIES, Moderate
from domain.text.prompts import (
    Marks,
    Prompt,
    bare,
    classify_prompt,
    generate_prompt,
    moderate_prompt,
    summarize_prompt,
)
from domain.text.summarize import Summarize
from providers.text.gemini import new_marks
from providers.text.gemini_answers import choices_of, plain, shortened
from providers.text.gemini_schema import (
    CategoriesFilled,
    ClassificationFilled,
    Filled,
    GeneratedFilled,
    ModerationFilled,
    SummaryFilled,
    schema_of,
)
from providers.text.gemini_screen import Screen
from providers.text.wordings import read_wordings

MARKS = Marks(fence="xqz7f3a90b1", canary="zqx0123456789abcdef")
WORDINGS = read_wordings()
PROMPTS = [
    summarize_prompt(Summarize(text="Some text.", language="de"), MARKS, WORDINGS),
    moderate_prompt(Moderate(text="Some text."), MARKS, WORDINGS),
    classify_prompt(
        Classify(text="Some text.", labels=("a", Label(name="b", examples=("like this",)))), MARKS, WORDINGS
    ),
    generate_prompt(Generate(format="blog", brief="Some text.", tone="dry", max_words=80), MARKS, WORDINGS),
]


@given(st.text(min_size=1, max_size=300), st.integers(20, 100))
def test_a_shortened_text_is_a_beginning_within_the_limit(text: str, most: int) -> None:
    short = shortened(text, most)
    assert len(short) <= most
    assert text.startswith(short)


@given(st.lists(st.from_regex(r"\A[a-z]{1,15}[.,]?\Z"), min_size=1, max_size=40), st.integers(20, 100))
def test_a_shortened_text_ends_with_a_whole_word(words: list[str], most: int) -> None:
    text = " ".join(words)
    short = shortened(text, most)
    assert short == text or text[len(short)] in " .,"
    assert short.rstrip(".,").split()[-1] in {word.rstrip(".,") for word in words}


@pytest.mark.parametrize(
    ("text", "most", "short"),
    [
        ("It fits.", 20, "It fits."),
        ("One two three. Four five six.", 20, "One two three."),
        ("One. Two three four five six.", 20, "One. Two three four"),
        ("The price is 3.50 today, they say", 20, "The price is 3.50"),
        ("Repairs, which took long,", 24, "Repairs, which took long"),
        ("“All is well.” Then nothing more.", 20, "“All is well.”"),
        ("Antidisestablishmentarianism", 20, ""),
        ("港の橋は十一か月の修理を終えて月曜日に再び開通しました。", 20, "港の橋は十一か月の修理を終えて月曜日に再"),
        ("橋は開通しました。船は来週から通常の時刻表に戻ります。", 10, "橋は開通しました。"),
    ],
)
def test_a_text_is_shortened_where_a_reader_would_stop(text: str, most: int, short: str) -> None:
    assert shortened(text, most) == short


def test_control_characters_go_and_line_breaks_stay() -> None:
    assert plain("a\x00b\x1b[1m\tc\nd\x7f\x85") == "ab[1m\tc\nd"


@given(st.text(), st.text(), st.sampled_from(["", " ", "-", "\u200b", ". "]), st.data())
def test_no_cutting_gets_the_canary_through(before: str, after: str, between: str, data: st.DataObject) -> None:
    whole = before + between.join(MARKS.canary.upper()) + after
    shown = ""
    screen = Screen(MARKS)
    with pytest.raises(HeadraceError):  # noqa: PT012 - what was shown before it raised is the point
        while whole:
            size = data.draw(st.integers(1, len(whole)))
            shown, whole = shown + screen.pass_on(whole[:size]), whole[size:]
    assert MARKS.canary not in bare(shown)
    assert before.startswith(shown)


@given(st.lists(st.text(alphabet="zqx01 .é\u200b", max_size=8)))
def test_the_screen_passes_everything_else_on_unchanged(pieces: list[str]) -> None:
    screen = Screen(MARKS)
    assert "".join(screen.pass_on(piece) for piece in pieces) + screen.rest() == "".join(pieces)


def test_marks_are_new_each_time_and_survive_being_bared() -> None:
    first, second = new_marks(), new_marks()
    assert first != second
    for mark in (first.fence, first.canary):
        assert bare(mark) == mark


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.version)
def test_a_prompt_keeps_what_was_given_out_of_the_system_text(prompt: Prompt) -> None:
    (message,) = prompt.messages
    assert "Some text." in message.text
    assert "Some text." not in prompt.system
    assert MARKS.canary in prompt.system
    assert MARKS.canary not in message.text
    assert message.text.count(MARKS.fence) % 2 == 0
    assert "{" not in prompt.system
    assert len(prompt.system) < 1_000


@pytest.mark.parametrize("filled", [SummaryFilled, ModerationFilled, ClassificationFilled, GeneratedFilled])
def test_every_field_of_an_answer_is_required_and_no_ref_is_left(filled: type[Filled]) -> None:
    schema = schema_of(filled)
    assert schema["required"] == list(schema["properties"])
    assert schema["additionalProperties"] is False
    assert "$" not in repr(schema)
    assert "minLength" not in repr(schema)


def test_the_categories_asked_for_are_the_platforms() -> None:
    assert tuple(schema_of(CategoriesFilled)["properties"]) == CATEGORIES


def test_labels_given_leave_no_room_for_others() -> None:
    assert choices_of(Classify(text="x", labels=("a", "b"))) == {"label": ("a", "b"), "category": ("a", "b")}
    assert choices_of(Classify(text="x"))["category"][-1] == "other"


def test_who_has_no_key_does_not_pay_for_the_sdk() -> None:
    code = "import sys, providers.text.gemini; print(any(name.startswith('google.genai') for name in sys.modules))"
    ran = subprocess.run(  # noqa: S603 - our own interpreter and words
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
    )
    assert ran.stdout == "False\n"
