"""The rows that teach and measure what is screened before a text job: injections and unsafe requests."""

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from domain.text.unveil import unveiled
from tools.text.rows import ONE_IN, SHARE_ALIKE, Row, moderation_rows, rows_of

RUN: Final = 8
LARGEST_APART: Final = 40
"""A larger cluster teaches: kept apart it would be most of what is measured."""

MOST_OF_A_SOURCE: Final = 900
_WORD: Final = re.compile(r"\w+")


def screened_rows(folder: Path) -> tuple[list[Row], list[Row]]:
    """Injections and what is none; unsafe requests and what is none.

    Whoever shares a run of eight words with another, in either set, stands on the same side.
    """
    injections = list(rows_of(folder, "injection"))
    both = list(_apart([*injections, *rows_of(folder, "unsafe")]))
    return both[: len(injections)], both[len(injections) :]


def ordinary_rows(folder: Path) -> list[Row]:
    """Texts of the other kinds, none an injection and none a request for harm; toxic ones are `toxic`, label 1."""
    found: list[Row] = []
    for name in ("topics", "sentiment", "summarize", "generate"):
        found += _some(_plain_rows(folder, name))
    for row in moderation_rows(folder):
        found.append(msgspec.structs.replace(row, source=f"moderate {row.source}"))
    return [row for source in sorted({row.source for row in found}) for row in _some(_of(found, source))]


def may_train(row: Row) -> bool:
    """Whether a row's licence and its fold let it teach."""
    return not row.held_out and row.source.removeprefix("moderate ") not in SHARE_ALIKE


def _plain_rows(folder: Path, name: str) -> list[Row]:
    if name == "generate":
        lines = (folder / name / "dev.jsonl").read_text(encoding="utf-8").splitlines()
        briefs = [msgspec.json.decode(line)["brief"]["prompt"] for line in lines]
        return [Row(text=brief, label="0", source="briefs", held_out=_is_apart(brief)) for brief in briefs]
    return [msgspec.structs.replace(row, label="0") for row in rows_of(folder, name)]


def _of(rows: Sequence[Row], source: str) -> list[Row]:
    return [row for row in rows if row.source == source]


def _some(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: zlib.crc32(row.text.encode()))[:MOST_OF_A_SOURCE] if len(rows) else []


def _apart(rows: list[Row]) -> Iterator[Row]:
    """The rows with whole clusters kept apart: chosen by the crc of a cluster's first text."""
    leader = list(range(len(rows)))

    def led(at: int) -> int:
        while leader[at] != at:
            leader[at] = leader[leader[at]]
            at = leader[at]
        return at

    first: dict[tuple[str, ...], int] = {}
    for at, row in enumerate(rows):
        words = _WORD.findall(unveiled(row.text))
        for run in zip(*(words[start:] for start in range(RUN)), strict=False):
            other = first.setdefault(run, at)
            one, two = led(at), led(other)
            leader[max(one, two)] = min(one, two)
    sizes = Counter(led(at) for at in range(len(rows)))
    for at, row in enumerate(rows):
        is_small = sizes[led(at)] <= LARGEST_APART
        yield msgspec.structs.replace(row, held_out=is_small and _is_apart(rows[led(at)].text))


def _is_apart(text: str) -> bool:
    return zlib.crc32(text.encode()) % ONE_IN == 0
