"""How a text sounds: an n-gram model over its words, its vector and what VADER's lexicon finds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from domain.text.classify import Sentiment
from providers.text.local.ngrams import NgramModel, open_ngrams
from providers.text.local.static_table import StaticTable, Vector
from providers.text.local.turned import turned
from providers.text.local.words import visible, windows_of

LONGEST_WINDOW: Final = 1_500
MOST_WINDOWS: Final = 40
"""A longer text is judged by so many windows, evenly spread."""

LAST_LETTER: Final = 0x2000
"""Past this code point symbols and emoji begin, which can carry a mood by themselves."""

MOST_SYMBOLS: Final = 30

NEUTRAL_WITHIN: Final = 0.1
"""Scores nearer to zero than this are neutral; tuned on the development set."""

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

    def turned(self, text: str) -> int:
        """Which way a short sentence points that turns one word round; 0: it is no such sentence."""
        return turned(text, self._vader.lexicon)

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
        if not windows:
            return Mood(0.0, "neutral")
        step = -(-len(windows) // MOST_WINDOWS)
        score = self._mean(windows[::step])
        return Mood(score, name_of(score))

    def turned(self, text: str) -> int:
        """Which way a short sentence points that turns one word round; 0: it is no such sentence."""
        return self._tone.turned(text)

    def _mean(self, windows: Sequence[str]) -> float:
        scores = [self._score(window) for window in windows]
        return float(np.average(scores, weights=[len(window) for window in windows]))

    def _score(self, window: str) -> float:
        """Which way the window leans, by how likely it leans at all."""
        leaning, sided = self._model.log_odds(window, self._tone.vector(window))
        score = float(np.tanh(STEEPNESS * leaning) / (1 + np.exp(-sided)))
        way = self.turned(window)
        return way * max(TURNED_AT_LEAST, score * way) if way else score


def name_of(score: float) -> Sentiment:
    """The name of a score."""
    if abs(score) < NEUTRAL_WITHIN:
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
