"""What a password must be: 12 to 128 characters, and nothing that everybody tries first. No rules of composition.

A list of known passwords would have few of 12 characters and more; what people make of too short a word when they must
is known better: it is repeated, put beside another, beside digits, or spelled with figures for letters. So a password
is refused when, with its digits and signs at either end set aside and figures read as letters, nothing is left but
words that everybody tries, keys in their order, or the words the account is known by.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from domain.accounts.common_words import COMMON_WORDS
from domain.errors import Invalid

SHORTEST: Final = 12
LONGEST: Final = 128

_FEWEST_DIFFERENT: Final = 5
_MOST_PIECES: Final = 2  # three words together are a password, even of such words
_SHORTEST_RUN: Final = 4
_SHORTEST_OWN_WORD: Final = 4
_FIGURES: Final = str.maketrans("013457@$!|", "oleastasil")
_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
)
_COLUMNS: Final = ("1qaz2wsx3edc4rfv5tgb6yhn7ujm", "qazwsxedcrfvtgbyhnujm", "zaq1xsw2cde3vfr4")
_RUNS: Final = _ROWS + tuple(row[::-1] for row in _ROWS) + _COLUMNS
_LONGEST_WORD: Final = 16


class PasswordWeak(Invalid):
    """The password is too short, too long, or among those that everybody tries first."""

    code = "password_weak"
    title = "The password cannot be used"


def check_password(password: str, *, pointer: str, own_words: Iterable[str] = ()) -> str:
    """The password as it is hashed: in the one spelling Unicode has for what looks alike (NFKC).

    `own_words` are those the account is known by: its address, its name, the platform's tenant.

    Raises:
        PasswordWeak: it cannot be used.
    """
    spelled = spell_password(password)
    if not SHORTEST <= len(spelled) <= LONGEST:
        raise PasswordWeak(f"A password has {SHORTEST} to {LONGEST} characters.", pointer=pointer)
    if is_common(spelled, own_words):
        raise PasswordWeak(
            "This is among the passwords that are tried first. Four or more words nobody would expect together are "
            "easy to remember and hard to guess.",
            pointer=pointer,
        )
    return spelled


def spell_password(password: str) -> str:
    """The password in the one spelling Unicode has for what looks alike."""
    return unicodedata.normalize("NFKC", password)


def is_common(password: str, own_words: Iterable[str] = ()) -> bool:
    """Whether a password is among those that everybody tries first; `own_words` count as such words."""
    plain = password.casefold()
    if len(set(plain)) < _FEWEST_DIFFERENT:
        return True
    own = frozenset(word for each in own_words for word in _words_of(each) if len(word) >= _SHORTEST_OWN_WORD)
    bare = re.sub(r"[\W_]+", "", plain)
    forms = {bare, bare.strip("0123456789"), bare.translate(_FIGURES)}
    forms.add(re.sub(r"[\W_]+", "", plain.translate(_FIGURES)))
    forms.add(re.sub(r"[\W_]+", "", plain.strip("0123456789!?.,;:@#$%&*+-_=").translate(_FIGURES)))
    return any(_is_made_of_words(_unrepeated(form), own) for form in forms)


def _words_of(known_by: str) -> Iterable[str]:
    """An address's or a name's words, each alone and those before the @ together."""
    plain = known_by.casefold()
    yield from re.split(r"[\W_]+", plain)
    yield re.sub(r"[\W_]+", "", plain.partition("@")[0])


def _unrepeated(text: str) -> str:
    """What `text` repeats, if it is the same again and again."""
    length = (text + text).find(text, 1)
    return text[:length] if text else text


@lru_cache(maxsize=256)
def _is_made_of_words(text: str, own: frozenset[str]) -> bool:
    """Whether nothing stands in `text` but such words, digits in order or repeated, and keys in their order."""
    fewest = [0] + [len(text) + 1] * len(text)  # of pieces, up to each place
    for start in range(len(text)):
        for end in range(start + 1, min(len(text), start + _LONGEST_WORD) + 1):
            if fewest[start] + 1 < fewest[end] and _is_tried(text[start:end], own):
                fewest[end] = fewest[start] + 1
    return fewest[len(text)] <= _MOST_PIECES


def _is_tried(piece: str, own: frozenset[str]) -> bool:
    if piece.isdigit() or piece in COMMON_WORDS or piece in own or len(set(piece)) == 1:
        return True
    return len(piece) >= _SHORTEST_RUN and any(piece in run for run in _RUNS)
