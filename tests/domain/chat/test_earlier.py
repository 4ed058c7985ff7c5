from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.chat.conversation import ChatMessage, ChatWindow, tokens_of
from domain.chat.earlier import EXCERPT_CHARS, MOST_EXCERPTS, ChatSummary, SaidMessage, due, recall, transcript

WINDOW = ChatWindow(messages=8, tokens=10_000)
SUMMARY = ChatSummary(
    covers=5, text="They greet.", engine="local", messages=6, created_at=datetime(2026, 1, 1, tzinfo=UTC)
)


def turns(*numbers: int, text: str = "") -> list[SaidMessage]:
    """Of each turn, which has an odd number, what the user said and the answer."""
    return [
        SaidMessage(id=f"msg_{turn}{role}", turn=turn, role=role, text=text or f"{role} {turn}")
        for turn in numbers
        for role in ("user", "assistant")
    ]


def test_what_fits_is_not_summarized() -> None:
    assert due(WINDOW, turns(1, 3, 5)) == ()
    assert due(WINDOW, ()) == ()
    assert recall(WINDOW, turns(1, 3, 5), None, is_all=True).earlier == ""


def test_when_the_window_fills_the_oldest_turns_are_due_and_half_of_it_is_left() -> None:
    assert due(WINDOW, turns(1, 3, 5, 7)) == turns(1, 3)


def test_long_messages_fill_the_window_too() -> None:
    narrow = ChatWindow(messages=100, tokens=1_000)
    assert due(narrow, turns(1, 3, text="x" * 1_600)) == turns(1, text="x" * 1_600)


def test_what_fell_out_is_told_by_the_summary_and_what_it_does_not_cover_by_its_first_words() -> None:
    said = [*turns(1, 3, 5), *turns(7, text="long " * 100), *turns(9, 11, 13, 15)]
    seen = recall(WINDOW, said, SUMMARY, is_all=True)
    assert seen.messages == [ChatMessage(one.role, one.text) for one in said[-8:]]
    [summary, user, assistant] = seen.earlier.splitlines()
    assert summary == "They greet."
    assert user.startswith("User: long long")
    assert assistant.endswith("long…")
    assert len(user) <= len("User: …") + EXCERPT_CHARS


def test_a_window_without_summaries_tells_of_nothing_else() -> None:
    silent = ChatWindow(messages=2, summary_chars=0)
    assert recall(silent, turns(1, 3, 5), SUMMARY, is_all=False).earlier == ""
    assert due(silent, turns(1, 3, 5)) == ()


def test_a_summary_is_made_of_the_one_before_and_what_was_said_since() -> None:
    assert transcript(SUMMARY, turns(7)) == "They greet.\n\nUser: user 7\n\nAssistant: assistant 7"


@given(
    st.integers(1, 30),
    st.integers(100, 500),
    st.lists(st.tuples(st.integers(0, 900), st.booleans()), min_size=1, max_size=40),
)
def test_whole_turns_are_due_the_oldest_and_never_the_last(
    messages: int, tokens: int, sizes: list[tuple[int, bool]]
) -> None:
    window = ChatWindow(messages=messages, tokens=tokens)
    said = [
        SaidMessage(id=f"{turn}{role}", turn=turn, role=role, text="x" * size)
        for turn, (size, is_answered) in enumerate(sizes, start=1)
        for role in (("user", "assistant") if is_answered else ("user",))
    ]
    taken = due(window, said)
    assert list(taken) == said[: len(taken)]
    left = said[len(taken) :]
    assert left
    assert not taken or taken[-1].turn < left[0].turn
    if taken and len({one.turn for one in left}) > 1:
        assert len(left) <= messages / 2
        assert sum(tokens_of(one.text) for one in left) <= tokens / 2


@pytest.mark.parametrize("is_all", [True, False])
def test_no_more_than_a_few_excerpts_are_told(is_all: bool) -> None:  # noqa: FBT001 - a parameter
    seen = recall(ChatWindow(messages=2), turns(*range(1, 40, 2)), None, is_all=is_all)
    assert len(seen.earlier.splitlines()) == MOST_EXCERPTS
