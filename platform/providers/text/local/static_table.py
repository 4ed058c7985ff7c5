"""Vectors of texts from a table of word pieces: the sum of a text's rows, made of length one.

The table was distilled from all-MiniLM-L6-v2 (Apache-2.0) by `tools/text/distil_table.py`; docs/text.md says how.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from providers.text.local.words import visible

MOST_REMEMBERED: Final = 50_000
LONGEST_WORD: Final = 60
AT_ONCE: Final = 64
"""So many texts are looked up together: more would only take memory."""

_ACCENT: Final = "Mn"
_WORD: Final = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af]|[^\\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af]+|[^\\s\\w]|_"
)

Vector = NDArray[np.float32]


class StaticTable:
    """Turns texts into unit vectors whose dot product tells how near they are. Safe to use by many threads."""

    def __init__(self, pieces: Sequence[str], rows: NDArray[np.int8], scales: Vector, rarities: Vector) -> None:
        self._index = {piece: at for at, piece in enumerate(pieces) if piece}
        self._rows = rows
        self._scales = scales
        self._rarities = rarities
        self._words: dict[str, tuple[int, ...]] = {}
        self._rare: dict[str, float] = {}

    @property
    def width(self) -> int:
        """How many numbers a vector has."""
        return int(self._rows.shape[1])

    def vector(self, text: str) -> Vector:
        """The text's vector; all zeros where the table knows none of its pieces."""
        return np.asarray(self.vectors([text])[0])

    def vectors(self, texts: Sequence[str]) -> Vector:
        """The vectors of several texts, one a row."""
        made = np.zeros((len(texts), self.width), np.float32)
        for start in range(0, len(texts), AT_ONCE):
            found = [self.pieces(text) for text in texts[start : start + AT_ONCE]]
            owners = np.repeat(np.arange(start, start + len(found)), [len(pieces) for pieces in found])
            at = np.fromiter(chain.from_iterable(found), np.int64, len(owners))
            keys, times = np.unique(owners * len(self._rows) + at, return_counts=True)
            if len(keys):
                owners, at = np.divmod(keys, len(self._rows))
                rows = self._rows[at] * (times * self._scales[at]).astype(np.float32)[:, None]
                begun = np.flatnonzero(np.diff(owners, prepend=-1))
                made[owners[begun]] = np.add.reduceat(rows, begun, axis=0)
        lengths = np.sqrt(np.einsum("ij,ij->i", made, made))
        return np.asarray(made / np.where(lengths > 0, lengths, 1)[:, None], np.float32)

    def rarity(self, word: str) -> float:
        """How rare the word is, from 0 (the commonest) to 1 (never met)."""
        known = self._rare.get(word)
        if known is None:
            known = max((float(self._rarities[piece]) for piece in self.pieces(word)), default=1.0)
            if len(self._rare) >= MOST_REMEMBERED:
                self._rare.clear()
            self._rare[word] = known
        return known

    def pieces(self, text: str) -> list[int]:
        """The rows that stand for the text's words, in its order; pieces the table does not know are left out."""
        bare = visible(text).lower()
        if not bare.isascii():
            apart = unicodedata.normalize("NFD", bare)
            bare = "".join(char for char in apart if unicodedata.category(char) != _ACCENT)
            bare = unicodedata.normalize("NFC", bare)
        found: list[int] = []
        for word in _WORD.findall(bare):
            known = self._words.get(word)
            if known is None:
                known = self._split(word)
                if len(self._words) >= MOST_REMEMBERED:
                    self._words.clear()
                self._words[word] = known
            found += known
        return found

    def _split(self, word: str) -> tuple[int, ...]:
        """The longest known pieces from the left; a word that cannot be split wholly has none."""
        if len(word) > LONGEST_WORD:
            return ()
        found: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                at = self._index.get(("##" if start else "") + word[start:end])
                if at is not None:
                    found.append(at)
                    start = end
                    break
            else:
                return ()
        return tuple(found)


def unit(vector: Vector) -> Vector:
    """The vector made of length one; zeros stay zeros."""
    length = float(np.sqrt(vector @ vector))
    return vector / np.float32(length) if length > 0 else vector


@cache
def open_static_table(path: Path) -> StaticTable:
    """Read a table file, in some tens of milliseconds; once a process, for it is never written to."""
    with np.load(path, allow_pickle=False) as file:
        return StaticTable(
            file["pieces"].tobytes().decode().split("\n"),
            file["rows"],
            file["scales"].astype(np.float32),
            file["rarities"].astype(np.float32) / 255,
        )
