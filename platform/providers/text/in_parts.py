"""Texts too long for a model's window, asked about in parts: each is a question of its own, and paid as one.

Summaries of the parts become the text of another question; judgements are combined by the rules of `domain.text.parts`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec

from domain.chat.conversation import ChatMessage
from domain.jobs.kind import Input
from domain.text.classify import Classification, Classify
from domain.text.generate import Generate, Generated
from domain.text.moderate import Moderate, Moderation
from domain.text.parts import (
    BESIDE_A_REPLY,
    InputTooLong,
    LongInput,
    classification_in_all,
    merging_sizes,
    moderation_in_all,
    needs_of,
    part_chars,
    parted,
    room_in,
    tokens_at_most,
)
from domain.text.summarize import Summarize, Summary
from providers.text.parts_asking import Asking, Known, Notes, Till, size_of
from providers.text.provider import Answer, ReplyPart, TextProvider, Usage, sum_of

_A_TURN: Final = 4  # tokens

AskedT = TypeVar("AskedT", bound=Input)
ResultT = TypeVar("ResultT")


class PartsProvider(TextProvider, Protocol):
    """A provider that can also make one summary of many."""

    async def merge(self, asked: Summarize) -> Answer[Summary]:
        """Say what a whole text says, of whose parts the summaries are the text given."""
        ...


class LongTexts:
    """What is too long for the models of `inner`, by the window of each kind's in tokens, and who is asked of it.

    `shown` stands between a whole text and its parting: what it changes in a text is the same in all parts.
    """

    def __init__(
        self, inner: PartsProvider, window_of: Callable[[str], int], shown: Callable[[TextProvider], TextProvider]
    ) -> None:
        self._inner = inner
        self._window_of = window_of
        self._shown = shown

    def is_long(self, kind: str, asked: LongInput) -> bool:
        """Whether the question may outgrow the window."""
        return needs_of(asked).whole > self._window_of(kind)

    def asked_by(self, till: Till, notes: Notes) -> TextProvider:
        """A provider that asks in parts, for one job."""
        return self._shown(InParts(self._inner, self._window_of, till, notes))

    def context(self, conversation: Sequence[ChatMessage], earlier: str = "") -> Sequence[ChatMessage]:
        """The last messages of a conversation, as many as the window has room for beside the summary of `earlier` ones.

        Raises:
            InputTooLong: the last alone is too long.
        """
        return context_in(self._window_of("chat.reply"), conversation, earlier)


class InParts:
    """Asks `inner` about a text part by part; see `TextProvider` for the rest."""

    def __init__(self, inner: PartsProvider, window_of: Callable[[str], int], till: Till, notes: Notes) -> None:
        self._inner = inner
        self._window_of = window_of
        self._till = till
        self._notes = notes

    async def summarize(self, asked: Summarize) -> Answer[Summary]:
        """A summary of the summaries of the parts, in as many rounds as it takes until one question has room."""
        kind = "text.summarize"
        room = room_in(self._window_of(kind), asked)
        texts = await _parted(asked.text, room)
        chars = part_chars(asked.max_chars, room)
        parts = [_part(asked, text, chars) for text in texts] if len(texts) > 1 else [asked]
        merging = merging_sizes(len(parts), chars, room) if len(parts) > 1 else []
        asking = Asking(kind, self._notes, len(parts) + len(merging))
        known = await asking.known("part", parts)
        async with self._till.together([*_sizes(parts, known), *merging]) as paying:
            answers = await asking.all(paying, "part", parts, known, self._inner.summarize)
            spent = _sum(answers)
            while len(answers) > 1:
                texts = await _parted("\n\n".join(answer.value.summary for answer in answers), room)
                parts = [_part(asked, text, chars if len(texts) > 1 else asked.max_chars) for text in texts]
                known = await asking.known("merge", parts)
                answers = await asking.all(paying, "merge", parts, known, self._inner.merge)
                spent = _joined(spent, _sum(answers))
        return Answer(answers[0].value, spent)

    async def moderate(self, asked: Moderate) -> Answer[Moderation]:
        """The worst of the parts, in each respect."""
        texts = await _parted(asked.text, room_in(self._window_of("text.moderate"), asked))
        answers = await self._each("text.moderate", [Moderate(text=text) for text in texts], self._inner.moderate)
        return Answer(moderation_in_all([answer.value for answer in answers]), _sum(answers))

    async def classify(self, asked: Classify) -> Answer[Classification]:
        """What most of the text is, the surer parts counting more."""
        texts = await _parted(asked.text, room_in(self._window_of("text.classify"), asked))
        parts = [Classify(text=text, labels=asked.labels) for text in texts]
        answers = await self._each("text.classify", parts, self._inner.classify)
        weighed = [(answer.value, float(tokens_at_most(text))) for answer, text in zip(answers, texts, strict=True)]
        return Answer(classification_in_all(weighed), _sum(answers))

    async def generate(self, asked: Generate) -> Answer[Generated]:
        """Refuse: half a brief would make a text that leaves out the other half.

        Raises:
            InputTooLong: always.
        """
        raise InputTooLong(
            f"The brief may have up to {tokens_at_most(asked.brief)} tokens, which the model does not take."
        )

    async def reply(self, conversation: Sequence[ChatMessage], earlier: str = "") -> AsyncGenerator[ReplyPart]:
        """Answer the last message, as far as the window lets more of the conversation be shown."""
        shown = context_in(self._window_of("chat.reply"), conversation, earlier)
        async for part in self._inner.reply(shown, earlier):
            yield part

    async def aclose(self) -> None:
        """Close the provider asked."""
        await self._inner.aclose()

    async def _each(
        self, kind: str, parts: Sequence[AskedT], ask: Callable[[AskedT], Awaitable[Answer[ResultT]]]
    ) -> list[Answer[ResultT]]:
        asking = Asking(kind, self._notes, len(parts))
        known = await asking.known("part", parts)
        async with self._till.together(_sizes(parts, known)) as paying:
            return await asking.all(paying, "part", parts, known, ask)


def context_in(window: int, conversation: Sequence[ChatMessage], earlier: str = "") -> Sequence[ChatMessage]:
    """The last turns of a conversation, as many as the window has room for beside the summary of `earlier` ones.

    Raises:
        InputTooLong: the last alone is too long.
    """
    left = window - BESIDE_A_REPLY - tokens_at_most(earlier)
    for count, turn in enumerate(reversed(conversation)):
        left -= tokens_at_most(turn.text) + _A_TURN
        if left < 0:
            if not count:
                raise InputTooLong(f"What was said is too long: the model takes some {window} tokens.")
            return conversation[-count:]
    return conversation


async def _parted(text: str, most_tokens: int) -> list[str]:
    return await asyncio.to_thread(parted, text, most_tokens)


def _part(asked: Summarize, text: str, max_chars: int) -> Summarize:
    return Summarize(text=text, max_chars=max_chars, language=asked.language)


def _sizes(parts: Sequence[Input], known: Sequence[Known]) -> list[int]:
    return [size_of(part) for part, one in zip(parts, known, strict=True) if one.answer is None]


def _sum(answers: Sequence[Answer[Any]]) -> Usage | None:
    spent: Usage | None = None
    for answer in answers:
        spent = sum_of(spent, answer.usage)
    return spent


def _joined(first: Usage | None, second: Usage | None) -> Usage | None:
    """The sum, under the names of both wordings."""
    spent = sum_of(first, second)
    if first is None or second is None or spent is None or second.prompt_version in first.prompt_version.split("+"):
        return spent
    return msgspec.structs.replace(spent, prompt_version=f"{first.prompt_version}+{second.prompt_version}")
