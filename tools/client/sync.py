"""The sync half of the client, made of the async half: the same text without its waiting."""

import re
from typing import Final

_WORDS: Final = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\bfrom asyncio import sleep\b", "from time import sleep"),
    (r"\bfrom asyncio import Lock\b", "from threading import Lock"),
    (r"\bAbstractAsync(?=[A-Z])", "Abstract"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"__a(enter|exit|iter|next)__", r"__\1__"),
    (r"\ba(close|iter_bytes|read|closing)\b", r"\1"),
    (r"\b_aio\b", "_sync"),
)


def make_sync(text: str) -> str:
    """The sync text of an async module."""
    docstring, rest = text.split("\n", 1)
    for pattern, word in _WORDS:
        rest = re.sub(pattern, word, rest)
        docstring = re.sub(pattern, word, docstring)
    return (
        f"{docstring}\n\n# Made by `python -m tools.client` of the module of this name in `_aio`: do not edit.\n{rest}"
    )
