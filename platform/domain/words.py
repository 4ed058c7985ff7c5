"""What somebody searches for: words."""

import re
from typing import Final

MOST_WORDS: Final = 10
"""More are looked for as they stand, as one: each costs a look at every text."""

_TERM: Final = re.compile(r'"([^"]+)"(?!\S)|(\S+)')


def words_of(sought: str) -> tuple[str, ...]:
    """The words, each of which must be found, wherever it stands; what is quoted is one, spaces and all."""
    words = tuple(dict.fromkeys(quoted or bare for quoted, bare in _TERM.findall(sought)))
    return words if 0 < len(words) <= MOST_WORDS else (sought,)
