"""A text provider that is not shown personal data: placeholders go out, and the answers carry the values again."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from typing import Final, TypeVar, cast

from msgspec import structs

from domain.chat.conversation import ChatMessage
from domain.text.classify import Classification, Classify, Label
from domain.text.generate import Generate, Generated
from domain.text.moderate import Moderate, Moderation
from domain.text.personal import Sort
from domain.text.redaction import Redaction, RestoringStream
from domain.text.summarize import Summarize, Summary
from providers.text.gemini_answers import shortened, within_words
from providers.text.provider import Answer, ReplyPart, TextProvider

T = TypeVar("T")

FEWEST_CHARS: Final = 20
"""The lowest limit a summary can be asked for with."""

# Texts from here on are looked through in a thread: the event loop does not stand still for them.
_LONG: Final = 8_000


class RedactingTextProvider:
    """Asks `inner` with placeholders such as `[EMAIL_1]` in place of values of `sorts`, and restores its answers.

    A placeholder means the same within one call; one that `inner` made up stays as it is. The limits of a question
    hold for the restored answer. `told` is called with what each placeholder stands for, before `inner` is asked. See
    `TextProvider` for the rest.
    """

    def __init__(
        self,
        inner: TextProvider,
        sorts: Collection[Sort],
        *,
        told: Callable[[Mapping[str, str]], None] | None = None,
    ) -> None:
        self._inner = inner
        self._sorts = sorts
        self._told = told

    async def summarize(self, asked: Summarize) -> Answer[Summary]:
        """Say the text in at most `asked.max_chars` characters, counted after restoring; no value is cut."""
        redaction, (text,) = await self._redacted([asked.text])
        most = _room_for(redaction, asked.max_chars)
        answer = await self._inner.summarize(structs.replace(asked, text=text, max_chars=most))
        summary = _fitted(answer.value.summary, redaction, asked.max_chars, shortened, len)
        return Answer(structs.replace(answer.value, summary=summary), answer.usage)

    async def moderate(self, asked: Moderate) -> Answer[Moderation]:
        """Judge whether the text is toxic."""
        _, (text,) = await self._redacted([asked.text])
        return await self._inner.moderate(Moderate(text=text))

    async def classify(self, asked: Classify) -> Answer[Classification]:
        """Find the text's topic, sentiment and language; labels may carry personal values in every part."""
        given = [asked.text, *(said for label in asked.labels or () for said in _said(label))]
        redaction, redacted = await self._redacted(given)
        seen = dict(zip(given, redacted, strict=True))
        labels = None if asked.labels is None else tuple(_shown(label, seen) for label in asked.labels)
        answer = await self._inner.classify(Classify(text=seen[asked.text], labels=labels))
        named = {_name(shown): _name(label) for shown, label in zip(labels or (), asked.labels or (), strict=True)}
        found = answer.value
        restored = structs.replace(
            found,
            category=named.get(found.category, found.category),
            scores={named.get(name, name): score for name, score in found.scores.items()},
        )
        return Answer(restored if redaction.values else found, answer.usage)

    async def generate(self, asked: Generate) -> Answer[Generated]:
        """Write a text from a brief, with its values exactly as they stand there."""
        given = [asked.brief, *([asked.tone] if asked.tone else ())]
        redaction, redacted = await self._redacted(given)
        tone = redacted[1] if asked.tone else None
        answer = await self._inner.generate(structs.replace(asked, brief=redacted[0], tone=tone))
        text = redaction.restore(answer.value.text)
        if asked.max_words is not None:
            text = _fitted(answer.value.text, redaction, asked.max_words, within_words, _count_words)
        return Answer(structs.replace(answer.value, text=text), answer.usage)

    async def reply(self, conversation: Sequence[ChatMessage], earlier: str = "") -> AsyncGenerator[ReplyPart]:
        """Answer the last message, piece by piece; a placeholder is held back until it is whole."""
        redaction, (before, *redacted) = await self._redacted([earlier, *(message.text for message in conversation)])
        shown = [ChatMessage(message.role, text) for message, text in zip(conversation, redacted, strict=True)]
        restoring = RestoringStream(redaction)
        usage = None  # heard last
        async with aclosing(_closable(self._inner.reply(shown, before))) as parts:
            async for part in parts:
                usage = part.usage or usage
                text = restoring.pass_on(part.text)
                if text or part.usage is not None:
                    yield ReplyPart(text, part.usage)
        yield ReplyPart(restoring.rest(), usage)

    async def aclose(self) -> None:
        """Close the provider asked."""
        await self._inner.aclose()

    async def _redacted(self, texts: Sequence[str]) -> tuple[Redaction, list[str]]:
        is_long = sum(map(len, texts)) >= _LONG
        redacted = await asyncio.to_thread(self._redact, texts) if is_long else self._redact(texts)
        if self._told is not None:
            self._told(redacted[0].values)
        return redacted

    def _redact(self, texts: Sequence[str]) -> tuple[Redaction, list[str]]:
        redaction = Redaction(texts, self._sorts)
        return redaction, [redaction.redact(text) for text in texts]


def _room_for(redaction: Redaction, most: int) -> int:
    """The limit to ask for so that the longest value will likely have room, a quarter of the limit at most."""
    growth = max((len(value) - len(placeholder) for placeholder, value in redaction.values.items()), default=0)
    return max(FEWEST_CHARS, most - max(0, min(growth, most // 4)))


def _fitted(
    text: str, redaction: Redaction, most: int, shorten: Callable[[str, int], str], measure: Callable[[str], int]
) -> str:
    """The text restored and within the limit: shortened while its values are still placeholders, so that none is cut.

    Where not even the first of its values has room, its placeholder stays.
    """
    limit, kept = most, text
    while True:
        restored = redaction.restore(kept)
        if measure(restored) <= most:
            return restored if restored.strip() else shorten(text, most)
        limit = min(limit, measure(kept)) - 1
        kept = shorten(text, limit) if limit > 0 else ""


def _count_words(text: str) -> int:
    return len(text.split())


def _said(label: str | Label) -> tuple[str, ...]:
    if isinstance(label, str):
        return (label,)
    return (label.name, *label.examples, *([label.description] if label.description else ()))


def _shown(label: str | Label, seen: dict[str, str]) -> str | Label:
    if isinstance(label, str):
        return seen[label]
    return Label(
        name=seen[label.name],
        description=seen[label.description] if label.description else label.description,
        examples=tuple(seen[example] for example in label.examples),
    )


def _name(label: str | Label) -> str:
    return label if isinstance(label, str) else label.name


def _closable(parts: AsyncIterator[T]) -> AsyncGenerator[T]:
    # every form of `TextProvider.reply` is an async generator, whose stream ends when it is closed
    return cast("AsyncGenerator[T]", parts)
