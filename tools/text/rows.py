"""The development sets, row by row, and which of them may train what we ship."""

import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

SHARE_ALIKE: Final = frozenset({"wiki", "forum", "sib200"})
"""Sources whose texts are under a ShareAlike licence: they measure, they never train."""

ONE_IN: Final = 5
"""One row in so many is held out of training to measure on."""

_GROUPS: Final = re.compile(
    r"\b(?:women|woman|trans(?: people| person| women)?|gay(?: people| person| men)?s?|black(?: people| person)?s?"
    r"|disabled(?: people| person)?|muslims?|immigrants?|jews?|a|an)\b",
    re.IGNORECASE,
)


class Row(Struct, frozen=True, kw_only=True):
    """One labelled text."""

    text: str
    label: str
    source: str
    categories: frozenset[str] = frozenset()
    rating: float = 0.0
    """Of sentiment: the mean of twenty people's, from -4 to 4."""
    held_out: bool = False


def rows_of(folder: Path, name: str, file: str = "dev.jsonl") -> Iterator[Row]:
    """The rows of `folder/name/file`. Near copies (one template with other names in it) fall on the same side."""
    with (folder / name / file).open(encoding="utf-8") as lines:
        for line in lines:
            row: dict[str, Any] = json.loads(line)
            yield Row(
                text=row["text"],
                label=str(row.get("label", "")),
                source=row["source"],
                categories=frozenset(row.get("categories") or ()),
                rating=float(row.get("rating", 0.0)),
                held_out=is_held_out(row["text"]),
            )


def moderation_rows(folder: Path) -> list[Row]:
    """All three moderation sets."""
    return [
        *rows_of(folder, "moderate", "dev_mixed.jsonl"),
        *rows_of(folder, "moderate_tweets", "dev_tweets.jsonl"),
        *rows_of(folder, "moderate_forum", "dev_forum.jsonl"),
    ]


def is_held_out(text: str) -> bool:
    """Whether a row is kept for measuring, by its words alone: the same on every machine and in every run."""
    shape = re.sub(r"\W+", " ", _GROUPS.sub("", text.lower())).strip()
    return zlib.crc32(shape.encode()) % ONE_IN == 0
