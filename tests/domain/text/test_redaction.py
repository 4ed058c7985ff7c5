import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.text.personal import find_personal
from domain.text.redaction import Redaction, RestoringStream, masked
from tools.text.personal_texts import made_texts

MADE = [made.text for made in made_texts(300, seed=3)]
PIECES = st.sampled_from(
    (*MADE, "[EMAIL_1]", "[card 2]", '"[PHONE_1]"', "\\", "\\n", "\\u0031", "call ", "order ", " ", "\n", "1",
     "ada@example.org", "4111 1111 1111 1111", "+44 20 7946 0018", "415-555-0123", "-----BEGIN PRIVATE KEY-----",
     "x:y@", "//", "[", "]", '"')
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=12), max_size=8).map("".join)
NUMBERS = st.sampled_from((4111111111111111, 4155550123, 630427373398, -4155550123, 4111111111111111.5, 76661934))
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS | st.just("phone"), inner, max_size=4),
    max_leaves=8,
).filter(lambda value: isinstance(value, list | dict))


def test_a_value_has_one_placeholder_in_all_texts_of_a_job() -> None:
    texts = ["Mail ada@example.org, then bob@example.org.", "Is ada@example.org there? Card 4111 1111 1111 1111"]
    redaction = Redaction(texts)
    assert [redaction.redact(text) for text in texts] == [
        "Mail [EMAIL_1], then [EMAIL_2].",
        "Is [EMAIL_1] there? Card [CARD_1]",
    ]
    assert redaction.counts == {"email": 2, "card": 1}
    assert redaction.restore("To [EMAIL_2]: [CARD_1]") == "To bob@example.org: 4111 1111 1111 1111"


def test_an_invented_placeholder_stays_and_a_bent_one_is_understood() -> None:
    redaction = Redaction(["ada@example.org"])
    redaction.redact("ada@example.org")
    said = "[EMAIL_2] [PHONE_1] [Email_1] [EMAIL 1] \\[EMAIL_1\\] \\[EMAIL\\_1\\] EMAIL_1 [EMAIL_01]"
    assert redaction.restore(said) == ("[EMAIL_2] [PHONE_1] " + "ada@example.org " * 4 + "EMAIL_1 [EMAIL_01]")


def test_a_placeholder_the_text_holds_already_is_not_given_out() -> None:
    text = "[EMAIL_1] and ada@example.org"
    redaction = Redaction([text])
    assert redaction.redact(text) == "[EMAIL_1] and [EMAIL_2]"
    assert redaction.restore("[EMAIL_1] and [EMAIL_2]") == text


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_restoring_undoes_redacting_and_redacting_twice_changes_nothing(text: str) -> None:
    redaction = Redaction([text])
    once = redaction.redact(text)
    assert find_personal(once) == [] or once.lstrip()[:1] in "{["
    assert redaction.redact(once) == once
    assert redaction.restore(once) == text


@given(VALUES, st.booleans())
@settings(max_examples=200, deadline=None)
def test_json_stays_json_of_the_same_form(value: object, ascii_only: bool) -> None:  # noqa: FBT001 - hypothesis hands it
    text = json.dumps(value, ensure_ascii=ascii_only)
    redaction = Redaction([text])
    once = redaction.redact(text)
    assert form(json.loads(once)) == form(value)
    assert redaction.restore(once) == text


def form(value: object) -> object:
    if isinstance(value, dict):
        return [form(each) for each in value.values()]
    return [form(each) for each in value] if isinstance(value, list) else None


@pytest.mark.parametrize("made", MADE[:40])
def test_inside_json_nothing_personal_stays(made: str) -> None:
    once = masked(json.dumps({"text": made, "numbers": [4111111111111111, 630427373398]}))
    inside = msgspec.json.decode(once)
    assert inside["numbers"] == ["[CARD_1]", "[CARD_2]"] or "[CARD" in inside["text"]
    assert find_personal(inside["text"]) == []


def test_lines_of_json_stay_lines_of_json() -> None:
    text = '{"card": 4111111111111111}\n{"mail": "ada@example.org"}\n'
    assert masked(text) == '{"card": "[CARD_1]"}\n{"mail": "[EMAIL_1]"}\n'


@given(TEXTS, st.lists(st.integers(1, 30), min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_a_stream_cut_anywhere_restores_as_the_whole_does(text: str, sizes: list[int]) -> None:
    redaction = Redaction([text])
    once = redaction.redact(text)
    stream, shown, at = RestoringStream(redaction), "", 0
    for size in sizes * (len(once) // len(sizes) + 1):
        shown += stream.pass_on(once[at : at + size])
        at += size
    assert shown + stream.rest() == redaction.restore(once) == text


def test_a_stream_holds_back_no_more_than_a_placeholder() -> None:
    redaction = Redaction(["ada@example.org"])
    redaction.redact("ada@example.org")
    stream = RestoringStream(redaction)
    assert stream.pass_on("Write to [EMA") == "Write to "
    assert stream.pass_on("IL_") == ""
    assert stream.pass_on("1], [see") == "ada@example.org, "
    assert stream.pass_on(" below] [not this") == "[see below] [not this"
    assert stream.rest() == ""
