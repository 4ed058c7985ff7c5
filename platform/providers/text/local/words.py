"""How the engine sees the words of a text: cleaned, lower-cased, cut apart."""

import re
import unicodedata
from typing import Final

_UNSEEN: Final = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]"
)
_LINK: Final = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_MENTION: Final = re.compile(r"(?<!\w)@\w+")
_REPEATED: Final = re.compile(r"(\S)\1{2,}")
_WORD: Final = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")
_SPACE: Final = re.compile(r"\s+")


def visible(text: str) -> str:
    """The text without what nobody sees: zero-width, direction and control characters, variation selectors."""
    return _UNSEEN.sub("", text)


def one_line(text: str) -> str:
    """The visible text with each run of white space made one space."""
    return _SPACE.sub(" ", visible(text)).strip()


def plain(text: str) -> str:
    """The text as the n-gram models are trained on it: folded, links and names masked, long repeats squeezed to two."""
    text = unicodedata.normalize("NFKC", visible(text)).replace("\u2019", "'")
    text = _MENTION.sub("@user", _LINK.sub("link", text))
    return _REPEATED.sub(r"\1\1", text.lower())


def words_of(text: str) -> list[str]:
    """Its words, and each punctuation mark or symbol as a word of its own."""
    return _WORD.findall(text)


def windows_of(text: str, longest: int) -> list[str]:
    """The text in pieces of at most `longest` characters, cut at white space where there is some."""
    pieces: list[str] = []
    start = 0
    while start < len(text):
        end = start + longest
        if end < len(text):
            space = max(text.rfind(" ", start + longest // 2, end), text.rfind("\n", start + longest // 2, end))
            end = space if space > start else end
        pieces.append(text[start:end])
        start = end
    return pieces
