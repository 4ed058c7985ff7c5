"""The local text engine as the platform sees it: each kind answered off the event loop, nothing sent anywhere."""

import asyncio
import re
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct

from domain.chat.conversation import ChatMessage
from domain.text.classify import Classification, Classify, labels_of
from domain.text.generate import Generate, Generated
from domain.text.moderate import Moderate, Moderation
from domain.text.summarize import Summarize, Summary
from providers.text.local.chat import Talker
from providers.text.local.classify import Classifier
from providers.text.local.generate import write
from providers.text.local.language import language_of
from providers.text.local.moderate import Moderator, open_moderator
from providers.text.local.sentiment import SentimentModel, open_sentiment
from providers.text.local.static_table import open_static_table
from providers.text.local.summarize import Summarizer
from providers.text.provider import Answer, ReplyPart, Usage

ENGINE: Final = "local"
TEMPLATE_ENGINE: Final = "local-template"
MODELS: Final = Path(__file__).parent / "models"
SCORE_DIGITS: Final = 4
MOST_THREADS: Final = 2
"""More would only take turns: scoring holds the interpreter."""

_PIECE: Final = re.compile(r"\S+\s*|\s+")

T = TypeVar("T")


class Parts(Struct, frozen=True, kw_only=True):
    """Everything that is read from model files."""

    summarizer: Summarizer
    moderator: Moderator
    classifier: Classifier
    sentiment: SentimentModel
    talker: Talker


class LocalTextProvider:
    """The `TextProvider` that needs no key and no network. Models are read at the first question, in some 0.1 s."""

    def __init__(self, models: Path = MODELS) -> None:
        self._models = models
        self._parts: Parts | None = None
        self._reading = threading.Lock()
        self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="local-text")

    async def summarize(self, asked: Summarize) -> Answer[Summary]:
        """Say the text in at most `asked.max_chars` characters, in its own words."""
        summary = await self._off_loop(lambda: self._opened().summarizer.summarize(asked.text, asked.max_chars))
        return Answer(Summary(summary=summary, engine=ENGINE), _used("extract"))

    async def moderate(self, asked: Moderate) -> Answer[Moderation]:
        """Judge whether the text is toxic."""
        judged = await self._off_loop(lambda: self._opened().moderator.judge(asked.text))
        moderation = Moderation(
            flagged=judged.is_flagged,
            toxicity=judged.toxicity,
            categories=judged.categories,
            issues=judged.issues,
            engine=ENGINE,
        )
        return Answer(moderation, _used("toxicity"))

    async def classify(self, asked: Classify) -> Answer[Classification]:
        """Find the text's topic, sentiment and language."""
        return Answer(await self._off_loop(lambda: self._classified(asked)), _used("static-table"))

    async def generate(self, asked: Generate) -> Answer[Generated]:
        """Write the text by frames; its engine says so."""
        text = await self._off_loop(lambda: write(asked))
        return Answer(Generated(text=text, engine=TEMPLATE_ENGINE), Usage(engine=TEMPLATE_ENGINE, model="frames"))

    async def reply(self, conversation: Sequence[ChatMessage], earlier: str = "") -> AsyncGenerator[ReplyPart]:
        """Answer from the conversation and the platform's own documentation, or say that no model is configured."""
        text = await self._off_loop(lambda: self._opened().talker.reply(conversation, earlier))
        for piece in _PIECE.findall(text):
            yield ReplyPart(piece)
            await asyncio.sleep(0)
        yield ReplyPart("", _used("retrieval"))

    async def aclose(self) -> None:
        """Let the threads end; what they are at is finished first."""
        await asyncio.to_thread(self._threads.shutdown)

    def _classified(self, asked: Classify) -> Classification:
        parts = self._opened()
        category, scores = parts.classifier.choose(asked.text, labels_of(asked), may_be_other=asked.labels is None)
        mood = parts.sentiment.mood(asked.text)
        return Classification(
            category=category,
            scores=scores,
            sentiment=mood.name,
            sentiment_score=round(mood.score, SCORE_DIGITS),
            language=language_of(asked.text),
            engine=ENGINE,
        )

    def _opened(self) -> Parts:
        with self._reading:
            if self._parts is None:
                self._parts = open_parts(self._models)
            return self._parts

    async def _off_loop(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def open_parts(models: Path = MODELS) -> Parts:
    """Read every model file."""
    table = open_static_table(models / "static_table.npz")
    summarizer = Summarizer(table)
    moderator = open_moderator(models, table)
    classifier = Classifier(table)
    sentiment = open_sentiment(models, table)
    return Parts(
        summarizer=summarizer,
        moderator=moderator,
        classifier=classifier,
        sentiment=sentiment,
        talker=Talker(table, summarizer, moderator, sentiment),
    )


def _used(model: str) -> Usage:
    return Usage(engine=ENGINE, model=model)
