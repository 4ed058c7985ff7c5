"""API keys: what is misspelt is refused without asking anybody."""

from hypothesis import given
from hypothesis import strategies as st

from domain.accounts.api_key import make_key, parse_key

KEY = make_key(bytes(range(40)))


@given(st.binary(min_size=40, max_size=40))
def test_a_key_is_read_back_as_it_was_made(randomness: bytes) -> None:
    key = make_key(randomness)
    assert parse_key(str(key)) == key
    assert key.matches(key.secret_sha256)


@given(st.integers(0, len(str(KEY)) - 1), st.sampled_from("aZ09_-é"))
def test_a_key_with_a_changed_character_is_refused(place: int, character: str) -> None:
    text = str(KEY)
    changed = text[:place] + character + text[place + 1 :]
    assert changed == text or parse_key(changed) is None


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    assert parse_key(text) is None


def test_a_key_does_not_show_its_secret_by_accident() -> None:
    assert KEY.secret not in repr(KEY)
