"""What the platform can say about itself: passages of its documentation, and which of them answers a question.

`passages.txt` has one after another, parted by empty lines: its questions, what there is to say, and the page that says
more. A question is near to a passage by its vector, and by how much of its words, the rare ones above all, the passage
has; what asks for something by a name that no passage knows (`my Netflix subscription`) is not answered.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct

from providers.text.local.static_table import StaticTable, Vector

PASSAGES_FILE: Final = Path(__file__).parent / "passages.txt"
NEAR_ENOUGH: Final = 0.55
PASSAGE_WEIGHS: Final = 0.3
QUESTION_WEIGHS: Final = 0.3
WORDS_WEIGH: Final = 0.4

_WORD: Final = re.compile(r"[a-z0-9]+")
_NAME: Final = re.compile(r"(?<=[a-z0-9,] )[A-Z][A-Za-z]+\b")
_ENDINGS: Final = ("ing", "ies", "ed", "es", "s", "e")
_SHORTEST: Final = 3
_SMALL: Final = frozenset(
    """
    a an the is are do does did how what which who where when why can could may i my me you your it its of in on at to
    for with and or be been have has if as that this there by from one am we our us not any all get so will would
    should please tell about
    """.split()  # noqa: SIM905 - words read best as words
)


class Passage(Struct, frozen=True):
    """Questions somebody may have, what there is to say, and where more stands."""

    asks: tuple[str, ...]
    says: str
    page: str


class Documentation:
    """The passages, ready to be asked."""

    def __init__(self, table: StaticTable, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._vectors: Vector = table.vectors([f"{' '.join(passage.asks)} {passage.says}" for passage in passages])
        # each question by itself: together they are near to none of them
        self._questions: Vector = table.vectors([question for passage in passages for question in passage.asks])
        self._first_questions = [sum(len(before.asks) for before in passages[:at]) for at in range(len(passages))]
        self._asked = [frozenset(_stems(" ".join(passage.asks))) for passage in passages]
        self._words = [
            asked | frozenset(_stems(passage.says)) for asked, passage in zip(self._asked, passages, strict=True)
        ]
        self._times = Counter(word for words in self._words for word in words)

    def nearest(self, question: str, wanted: Vector) -> Passage | None:
        """The passage that answers the question, whose vector is `wanted`, if one is near enough."""
        if any(stem not in self._times for name in _NAME.findall(question) for stem in _stems(name)):
            return None
        near = PASSAGE_WEIGHS * (self._vectors @ wanted)
        near += QUESTION_WEIGHS * np.maximum.reduceat(self._questions @ wanted, self._first_questions)
        near += WORDS_WEIGH * self._shared(frozenset(_stems(question)))
        best = int(near.argmax())
        return self._passages[best] if float(near[best]) >= NEAR_ENOUGH else None

    def _shared(self, words: frozenset[str]) -> Vector:
        """How much of the weight of the words each passage has: those of its questions count twice."""
        total = sum(map(self._weight, words)) or 1.0
        shares = [
            (sum(map(self._weight, words & asked)) + sum(map(self._weight, words & said))) / 2 / total
            for asked, said in zip(self._asked, self._words, strict=True)
        ]
        return np.array(shares, np.float32)

    def _weight(self, word: str) -> float:
        return math.log(1 + len(self._passages) / (1 + self._times[word]))


def read_passages(file: Path = PASSAGES_FILE) -> tuple[Passage, ...]:
    """Every passage of the file."""
    return tuple(_passage(block) for block in file.read_text(encoding="utf-8").strip().split("\n\n"))


def _passage(block: str) -> Passage:
    asks, says, page = block.split("\n")
    return Passage(tuple(f"{ask.strip(' ?')}?" for ask in asks.split("? ") if ask.strip(" ?")), says, page[2:])


def _stems(text: str) -> list[str]:
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in _SMALL]


def _stem(word: str) -> str:
    """The word without its ending, roughly: enough that `retries` meets `retry`."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST:
            return word[: -len(ending)].rstrip("y")
    return word.rstrip("y")
