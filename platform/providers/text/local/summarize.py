"""Summaries made of the text's own words: its best sentences, shortened until they fit."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final

import numpy as np
from msgspec import Struct

from providers.text.local import likely, telling
from providers.text.local.dialogue import said_in, told
from providers.text.local.sentences import Turn, listed, sentences_of, turns_of
from providers.text.local.shorten import Shortening, cut_between_words, shortenings_of
from providers.text.local.static_table import StaticTable, Vector
from providers.text.local.words import one_line

ONE_SENTENCE_UP_TO: Final = 160
"""Limits above this are filled with several sentences."""

LIKENESS_COSTS: Final = 0.6
"""How much a further sentence loses by being like those taken, beside what it is worth."""

ENGLISH_FROM: Final = 0.06
"""The share of small English words in a text that is taken for English."""

MOST_SENTENCES: Final = 2_000
FEWEST_TO_TELL: Final = 12
MOST_SHORTENED: Final = 40
MOST_WORDS_WEIGHED: Final = 60

_WORD: Final = re.compile(r"[^\W_]+")
_CUE: Final = re.compile(
    r"\b(?:we (?:propose|present|introduce|develop|show|demonstrate|study|describe|investigate|prove|design"
    r"|provide|explore|find|use|apply|derive|extend)"
    r"|(?:this|the) (?:paper|study|work|article|report|post) (?:proposes|presents|introduces|shows|describes"
    r"|studies|explains|finds)|is (?:proposed|presented|introduced)"
    r"|announced|announces|unveiled|launched|approved|agreed|decided|won|killed|died|will|plans? to|expected to"
    r"|must|in (?:conclusion|summary)|as a result|overall)\b",
    re.IGNORECASE,
)
_ENGLISH: Final = frozenset(
    "the of and to in a is that for it with as was on are be by this have from not or at i you we my your".split()  # noqa: SIM905 - as above
)
_OPENS_WITH_PRONOUN: Final = re.compile(
    r"^(?:it|he|she|they|them|his|her|their|its|this|that|these|those|such|there|here|both|one|another|others|and"
    r"|but|so|or|also|then|which)\b",
    re.IGNORECASE,
)
# Fitted on SciTLDR's development part by `tools/text/fit_summaries.py`, which also says what each number is for.
FEATURES: Final = (
    "coverage",
    "nearness",
    "length",
    "first",
    "place",
    "cue",
    "cut_mark",
    "cut_clause",
    "cut_phrase",
    "starts_late",
    "lost_insert",
    "pronoun",
    "question",
    "density",
    "likely",
    *telling.FEATURES,
)
WEIGHTS: Final = np.array(
    [
        0.25,
        0.76,
        0.11,
        0.24,
        -0.59,
        0.22,
        -0.14,
        -0.38,
        -0.14,
        0.12,
        -0.36,
        -0.07,
        -0.25,
        0.29,
        0.3,
        0.58,
        0.17,
        -0.58,
        -0.18,
        -0.26,
        0.1,
        -0.07,
        -0.27,
        0.09,
        -0.2,
        0.25,
    ],
    np.float32,
)


class Candidate(Struct, frozen=True):
    """A possible summary, and what is known of it in the order of `FEATURES`."""

    text: str
    sentence: int
    features: tuple[float, ...]


class Outline(Struct, frozen=True, kw_only=True):
    """What a text is about, as far as counting tells: its sentences, the weight of each word, its vector."""

    sentences: list[str]
    weights: dict[str, float]
    total: float
    vector: Vector
    marks: Vector
    """What `likely` knows of each word, a row each, in the order of `weights`."""
    chances: dict[str, float]
    """How likely each word is to stand in a summary."""
    is_english: bool
    purpose: int
    """Which sentence first says what the text is for; -1 when none does."""


class Summarizer:
    """Summarizes by selecting and shortening; what comes out is always words of the text in their order."""

    def __init__(self, table: StaticTable) -> None:
        self._table = table

    def summarize(self, text: str, max_chars: int) -> str:
        """At most `max_chars` characters; a text within the limit comes back as it is."""
        if len(text) <= max_chars:
            return text
        line = one_line(text)
        if len(line) <= max_chars:
            return line
        turns = turns_of(text)
        if turns:
            return self._of_dialogue(turns, max_chars)
        return listed(text, max_chars) or self._of_prose(sentences_of(text) or [line], max_chars)

    def _of_prose(self, sentences: Sequence[str], max_chars: int) -> str:
        outline = self.outline(sentences)
        best = self._best(outline, max_chars)
        if best is None:
            return cut_between_words(self._plainest(outline), max_chars)
        if max_chars <= ONE_SENTENCE_UP_TO:
            return best.text
        return self._filled(outline, best, max_chars)

    def outline(self, sentences: Sequence[str]) -> Outline:
        """Weigh the words of the sentences; beyond 2,000 sentences every n-th one is looked at."""
        step = -(-len(sentences) // MOST_SENTENCES)
        kept = list(sentences[::step])
        said = [content_of(sentence) for sentence in kept]
        counts = Counter(chain.from_iterable(said))
        rarities = [self._table.rarity(word) for word in counts]
        weights = {word: math.log1p(counts[word]) * rare for word, rare in zip(counts, rarities, strict=True)}
        purpose = telling.purpose_of(kept)
        marks = likely.marks_of(counts, _first(said), rarities, frozenset(said[purpose] if purpose >= 0 else ()))
        heaviest = sorted(weights, key=lambda word: -weights[word])[:MOST_WORDS_WEIGHED]
        return Outline(
            sentences=kept,
            weights=weights,
            total=sum(weights[word] for word in heaviest) or 1.0,
            vector=self._table.vector(" ".join(kept)),
            marks=marks,
            chances=dict(zip(counts, map(float, likely.chances_of(marks)), strict=True)),
            is_english=_is_english(counts),
            purpose=purpose,
        )

    def candidates(self, outline: Outline, longest: int) -> list[Candidate]:
        """Every shortening of the more telling sentences that fits, with its features."""
        telling = sorted(range(len(outline.sentences)), key=lambda at: -self._promise(outline, at))[:MOST_SHORTENED]
        found = [
            (at, form)
            for at in telling
            for form in shortenings_of(outline.sentences[at], longest, is_english=outline.is_english)
        ]
        if not outline.is_english and any(form.cut == "none" for _, form in found):
            found = [(at, form) for at, form in found if form.cut == "none"]
        near = self._table.vectors([form.text for _, form in found]) @ outline.vector
        return [
            self._candidate(outline, at, form, longest, float(nearness))
            for (at, form), nearness in zip(found, near, strict=True)
        ]

    def _best(self, outline: Outline, longest: int) -> Candidate | None:
        candidates = self.candidates(outline, longest)
        if not candidates:
            return None
        scores = np.array([each.features for each in candidates], np.float32) @ WEIGHTS
        return candidates[int(scores.argmax())]

    def _promise(self, outline: Outline, at: int) -> float:
        """How much a sentence may be worth, before it is shortened."""
        sentence = outline.sentences[at]
        cue = 0.3 if _CUE.search(sentence) else 0.0
        return _share_of(outline, at) + cue + 0.4 / (1 + at) - (0.3 if sentence.endswith("?") else 0.0)

    def _candidate(self, outline: Outline, at: int, form: Shortening, longest: int, nearness: float) -> Candidate:
        words = content_of(form.text)
        said = set(words)
        weight = sum(outline.weights.get(word, 0.0) for word in said)
        count = len(outline.sentences)
        room = min(longest, ONE_SENTENCE_UP_TO)
        return Candidate(
            form.text,
            at,
            (
                weight / outline.total,
                nearness,
                min(1.0, len(form.text) / room),
                1 / (1 + at),
                at / count,
                1.0 if _CUE.search(form.text) else 0.0,
                float(form.cut == "mark"),
                float(form.cut == "clause"),
                float(form.cut == "phrase"),
                float(form.starts_late),
                float(form.lost_insert),
                float(_OPENS_WITH_PRONOUN.match(form.text) is not None),
                float(form.text.endswith("?")),
                weight / outline.total / (1 + len(said)) * 10,
                likely.worth_of(words, outline.chances),
                *telling.marks_of(form.text, outline.sentences, at, purpose=outline.purpose, longest=room),
            ),
        )

    def _filled(self, outline: Outline, first: Candidate, longest: int) -> str:
        """More sentences beside the first, each near the text and unlike those taken, in the text's order."""
        whole = [
            candidate
            for candidate in self.candidates(outline, longest)
            if candidate.features[FEATURES.index("cut_phrase")] == 0
            and candidate.features[FEATURES.index("pronoun")] == 0
        ]
        chosen = [first]
        if not whole:
            return first.text
        vectors = self._table.vectors([each.text for each in whole])
        worth = np.array([each.features for each in whole], np.float32) @ WEIGHTS
        likeness = vectors @ self._table.vector(first.text)
        room = longest - len(first.text) - 1
        taken = {first.sentence}
        while True:
            open_to_choice = [
                at for at, each in enumerate(whole) if each.sentence not in taken and len(each.text) <= room
            ]
            if not open_to_choice:
                break
            best = max(open_to_choice, key=lambda at: float(worth[at] - LIKENESS_COSTS * likeness[at]))
            chosen.append(whole[best])
            taken.add(whole[best].sentence)
            room -= len(whole[best].text) + 1
            likeness = np.maximum(likeness, vectors @ vectors[best])
        return " ".join(each.text for each in sorted(chosen, key=lambda each: each.sentence))

    def _of_dialogue(self, turns: Sequence[Turn], longest: int) -> str:
        """What is said first and what answers it, each under its speaker's name, in order."""
        said = said_in(turns)
        said = said[:: -(-len(said) // MOST_SENTENCES)]
        outline = self.outline([each.sentence for each in said])
        return told(said, [_share_of(outline, at) for at in range(len(said))], longest)

    def _plainest(self, outline: Outline) -> str:
        """The sentence to cut when none can be shortened well."""
        return outline.sentences[max(range(len(outline.sentences)), key=lambda at: self._promise(outline, at))]


def _is_english(counts: Mapping[str, int]) -> bool:
    """Whether the text that has these words so many times reads as English; short ones are given the doubt."""
    total = sum(counts.values())
    english = sum(counts[word] for word in _ENGLISH if word in counts)
    return total < FEWEST_TO_TELL or english >= ENGLISH_FROM * total


def _share_of(outline: Outline, at: int) -> float:
    """How much of the weight of the text's words the sentence holds."""
    return sum(outline.weights.get(word, 0.0) for word in set(content_of(outline.sentences[at]))) / outline.total


def _first(said: Sequence[Sequence[str]]) -> dict[str, int]:
    """In which sentence each word is said first."""
    return {word: at for at in range(len(said) - 1, -1, -1) for word in said[at]}


def content_of(text: str) -> list[str]:
    """The words of a text that count."""
    return _WORD.findall(text.lower())
