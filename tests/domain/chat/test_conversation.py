import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.chat.conversation import LONGEST_TITLE, title_from


@pytest.mark.parametrize(
    ("first", "title"),
    [
        ("Where is my order?", "Where is my order?"),
        ("\n  \n Hello \t there \nsecond line", "Hello there"),
        ("I would like to know whether the parcel that I sent last week arrived", None),
        ("x" * 500, "x" * (LONGEST_TITLE - 1) + "…"),
        (" ", "Untitled"),
    ],
)
def test_a_conversation_is_titled_by_its_first_message(first: str, title: str | None) -> None:
    made = title_from(first)
    if title is None:
        assert made.endswith("…")
        assert first.startswith(made[:-1])
        assert first[len(made) - 1] == " "
    else:
        assert made == title


@given(st.text(max_size=300))
def test_a_title_is_one_short_line(first: str) -> None:
    made = title_from(first)
    assert 0 < len(made) <= LONGEST_TITLE
    assert len(made.splitlines()) == 1
