"""How a text sounds: an n-gram model over its words, its vector and what VADER's lexicon finds."""

from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from domain.text.classify import Sentiment
from providers.text.local.ngrams import NgramModel, open_ngrams
from providers.text.local.static_table import StaticTable, Vector
from providers.text.local.turned import is_even, turned
from providers.text.local.words import visible, windows_of

LONGEST_WINDOW: Final = 1_500
MOST_WINDOWS: Final = 40
"""A longer text is judged by so many windows, evenly spread."""

LAST_LETTER: Final = 0x2000
"""Past this code point symbols and emoji begin, which can carry a mood by themselves."""

MOST_SYMBOLS: Final = 30

NEUTRAL_WITHIN: Final = 0.05
"""Scores nearer to zero than this are neutral; tuned on the development set."""

UNSAID_WITHIN: Final = 0.2
"""The same for a text without any word that VADER's lexicon weighs: it leans by what plain words weigh elsewhere."""

SILENT_BELOW: Final = 0.05
"""VADER's `compound` nearer to zero than this says nothing."""

# emoji that VADER spells out in words that its lexicon does not weigh
_FACES: Final = {
    "\U0001f44d": "good", "\U0001f44e": "bad", "\U0001f44f": "great", "\U0001f4af": "perfect", "\U0001f929": "amazing",
    "\U0001f621": "furious", "\U0001f92c": "furious", "\U0001f624": "annoyed", "\U0001f644": "annoyed",
    "\U0001f612": "unhappy", "\U0001f611": "annoyed", "\U0001f926": "disappointing", "\U0001f92e": "disgusting",
    "\U0001f922": "disgusting", "\U0001f4a9": "crap", "\U0001f494": "heartbroken",
}  # fmt: skip

TURNED_AT_LEAST: Final = 0.3
"""How much a short sentence such as `not bad` counts at least: less than one that says a thing outright."""

STEEPNESS: Final = 2.0
"""How soon a leaning counts in full."""


class Mood(Struct, frozen=True):
    """How a text sounds: the score from -1 (negative) to 1 (positive), and its name."""

    score: float
    name: Sentiment


class Tone:
    """What the model sees beside n-grams: the static vector and VADER's four numbers."""

    def __init__(self, table: StaticTable) -> None:
        self._table = table
        self._vader = SentimentIntensityAnalyzer()
        self._vader.emojis |= _FACES

    def turned(self, text: str) -> int:
        """Which way a short sentence points that turns one word round; 0: it is no such sentence."""
        return turned(text, self._vader.lexicon)

    def is_even(self, text: str) -> bool:
        """Whether a short text says outright that it says neither."""
        return is_even(text, self._vader.lexicon)

    def vector(self, text: str) -> Vector:
        """The static vector with `neg`, `neu`, `pos` and `compound` after it."""
        found = self._vader.polarity_scores(_few_symbols(visible(text)))
        lexicon = np.array([found["neg"], found["neu"], found["pos"], found["compound"]], np.float32)
        return np.concatenate([self._table.vector(text), lexicon])


class SentimentModel:
    """Judges how texts sound."""

    def __init__(self, model: NgramModel, tone: Tone) -> None:
        self._model = model
        self._tone = tone

    def mood(self, text: str) -> Mood:
        """The mood of the text; over many windows, their mean weighted by length."""
        windows = [
            window
            for window in windows_of(text, LONGEST_WINDOW)
            if any(char.isalnum() or ord(char) > LAST_LETTER for char in window)
        ]
        if not windows or (len(windows) == 1 and self._tone.is_even(text)):
            return Mood(0.0, "neutral")
        step = -(-len(windows) // MOST_WINDOWS)
        scores = [self._score(window) for window in windows[::step]]
        score = float(np.average([score for score, _ in scores], weights=[len(each) for each in windows[::step]]))
        return Mood(score, name_of(score, is_said=any(is_said for _, is_said in scores)))

    def turned(self, text: str) -> int:
        """Which way a short sentence points that turns one word round; 0: it is no such sentence."""
        return self._tone.turned(text)

    def _score(self, window: str) -> tuple[float, bool]:
        """Which way the window leans, by how likely it leans at all; and whether any word of it says so."""
        vector = self._tone.vector(window)
        leaning, sided = self._model.log_odds(window, vector)
        score = float(np.tanh(STEEPNESS * leaning) / (1 + np.exp(-sided)))
        way = self.turned(window)
        is_said = bool(way) or abs(float(vector[-1])) >= SILENT_BELOW
        return (way * max(TURNED_AT_LEAST, score * way) if way else score), is_said


def name_of(score: float, *, is_said: bool) -> Sentiment:
    """The name of a score; `is_said` tells whether any word of the text praises or blames by itself."""
    if abs(score) < (NEUTRAL_WITHIN if is_said else UNSAID_WITHIN):
        return "neutral"
    return "positive" if score > 0 else "negative"


def _few_symbols(text: str) -> str:
    """The text with its first 30 symbols and emoji: VADER spells each out, in time that grows with their square."""
    if text.isascii():
        return text
    seen = 0
    kept: list[str] = []
    for char in text:
        if ord(char) > LAST_LETTER and not char.isalpha():
            seen += 1
            if seen > MOST_SYMBOLS:
                continue
        kept.append(char)
    return "".join(kept)


def open_sentiment(models: Path, table: StaticTable) -> SentimentModel:
    """Read the model and VADER's lexicon."""
    return SentimentModel(open_ngrams(models / "sentiment.npz"), Tone(table))
