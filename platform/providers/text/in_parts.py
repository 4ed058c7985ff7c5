"""Texts too long for a model's window, asked about in parts: each is a question of its own, and paid as one.

Summaries of the parts become the text of another question; judgements are combined by the rules of `domain.text.parts`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec import Struct

from domain.chat.conversation import ChatMessage
from domain.errors import HeadraceError
from domain.jobs.kind import Input
from domain.text.classify import Classification, Classify
from domain.text.generate import Generate, Generated
from domain.text.moderate import Moderate, Moderation
from domain.text.parts import (
    InputTooLong,
    LongInput,
    classification_in_all,
    context_in,
    merging_sizes,
    moderation_in_all,
    needs_of,
    part_chars,
    parted,
    room_in,
    tokens_at_most,
)
from domain.text.summarize import Summarize, Summary
from providers.text.provider import (
    Answer,
    ProviderDown,
    ProviderThrottled,
    ReplyPart,
    TextProvider,
    Usage,
    sum_of,
)

AT_ONCE: Final = 4
"""How many parts of a text are asked about at once."""

PATIENCE_SECONDS: Final = 15.0
"""How long a part waits in all for a provider that throttles, once others of its text are answered or under way."""

_SHORTEST_WAIT: Final = 0.05
_TOLD_FROM: Final = 0.02  # progress is told where it is at least this much more

AskedT = TypeVar("AskedT", bound=Input)
ResultT = TypeVar("ResultT")


class PartsProvider(TextProvider, Protocol):
    """A provider that can also make one summary of many."""

    async def merge(self, asked: Summarize) -> Answer[Summary]:
        """Say what a whole text says, of whose parts the summaries are the text given."""
        ...


class Paying(Protocol):
    """Who asks the questions about one text, each let through, held back and booked as any other is."""

    async def paid(self, size: int, ask: Callable[[], Awaitable[Answer[ResultT]]]) -> Answer[ResultT]:
        """The answer to one question of so many bytes."""
        ...


class Till(Protocol):
    """Where the questions about a text are paid."""

    def together(self, sizes: Sequence[int]) -> AbstractAsyncContextManager[Paying]:
        """Set aside what questions of so many bytes each will probably cost, all of them before the first is asked."""
        ...


class Notes(Protocol):
    """What a job knows of the parts of its text from attempts before, and whom it tells how far it is."""

    @property
    def may_come_back(self) -> bool:
        """Whether an attempt that fails is followed by another, which goes on where this one ended."""
        ...

    async def find(self, kind: str, step: str, asked: Input) -> Any:  # noqa: ANN401 - the kind's result
        """The answer to a question asked before; None: it is not known."""
        ...

    async def keep(self, kind: str, step: str, asked: Input, answer: Any) -> None:  # noqa: ANN401 - the kind's result
        """Remember an answer."""
        ...

    async def progress(self, fraction: float) -> None:
        """Tell how far it is, 0 to 1."""
        ...


class Unnoted:
    """Nobody remembers or is told anything."""

    may_come_back = False

    async def find(self, kind: str, step: str, asked: Input) -> None:
        """Know nothing."""

    async def keep(self, kind: str, step: str, asked: Input, answer: object) -> None:
        """Forget it."""

    async def progress(self, fraction: float) -> None:
        """Tell nobody."""


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

    def context(self, conversation: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
        """The last messages of a conversation, as many as the window has room for.

        Raises:
            InputTooLong: the last alone is too long.
        """
        return context_in(self._window_of("chat.reply"), conversation)


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
        asking = _Asking(kind, self._notes, len(parts) + len(merging))
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

    async def reply(self, conversation: Sequence[ChatMessage]) -> AsyncGenerator[ReplyPart]:
        """Answer the last message, as far as the window lets more of the conversation be shown."""
        async for part in self._inner.reply(context_in(self._window_of("chat.reply"), conversation)):
            yield part

    async def aclose(self) -> None:
        """Close the provider asked."""
        await self._inner.aclose()

    async def _each(
        self, kind: str, parts: Sequence[AskedT], ask: Callable[[AskedT], Awaitable[Answer[ResultT]]]
    ) -> list[Answer[ResultT]]:
        asking = _Asking(kind, self._notes, len(parts))
        known = await asking.known("part", parts)
        async with self._till.together(_sizes(parts, known)) as paying:
            return await asking.all(paying, "part", parts, known, ask)


class _Known(Struct, frozen=True):
    """What is known of an answer; None: nothing."""

    answer: Any


class _Asking:
    """The questions about one text, some at once. After a failure none is begun; those under way are let end."""

    def __init__(self, kind: str, notes: Notes, questions: int) -> None:
        self._kind = kind
        self._notes = notes
        self._questions = questions
        self._answered = 0
        self._under_way = 0
        self._told = 0.0
        self._failure: HeadraceError | None = None

    async def known(self, step: str, parts: Sequence[Input]) -> list[_Known]:
        """What is known of each."""
        return [_Known(found) for found in await asyncio.gather(*(self._find(step, part) for part in parts))]

    async def all(
        self,
        paying: Paying,
        step: str,
        parts: Sequence[AskedT],
        known: Sequence[_Known],
        ask: Callable[[AskedT], Awaitable[Answer[ResultT]]],
    ) -> list[Answer[ResultT]]:
        """The answers, in order."""
        answers: dict[int, Answer[ResultT]] = {
            place: Answer(one.answer) for place, one in enumerate(known) if one.answer is not None
        }
        self._answered += len(answers)
        left = iter([(place, part) for place, part in enumerate(parts) if place not in answers])

        async def take(left: Iterator[tuple[int, AskedT]]) -> None:
            for place, part in left:
                if self._failure is not None:
                    return
                try:
                    answers[place] = await self._ask(paying, part, ask)
                except HeadraceError as failure:
                    self._failure = self._failure or failure
                    return
                self._answered += 1
                await self._notes.keep(self._kind, step, part, answers[place].value)
                await self._tell()

        try:
            async with asyncio.TaskGroup() as takers:
                for _ in range(min(AT_ONCE, len(parts) - len(answers))):
                    takers.create_task(take(left))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        if self._failure is not None:
            raise self._begun(self._failure)
        return [answers[place] for place in range(len(parts))]

    async def _ask(
        self, paying: Paying, part: AskedT, ask: Callable[[AskedT], Awaitable[Answer[ResultT]]]
    ) -> Answer[ResultT]:
        left = PATIENCE_SECONDS
        while True:
            self._under_way += 1
            try:
                return await paying.paid(_size(part), lambda: ask(part))
            except ProviderThrottled as throttled:
                wait = max(_SHORTEST_WAIT, throttled.retry_after_seconds or 1.0)
                is_alone = not self._answered and self._under_way == 1
                if is_alone or wait > left or self._failure is not None:
                    raise
            finally:
                self._under_way -= 1
            left -= wait
            await asyncio.sleep(wait)

    async def _find(self, step: str, part: Input) -> Any:  # noqa: ANN401 - the kind's result
        return await self._notes.find(self._kind, step, part)

    async def _tell(self) -> None:
        fraction = min(1.0, self._answered / self._questions)
        if fraction >= self._told + _TOLD_FROM:
            self._told = fraction
            await self._notes.progress(fraction)

    def _begun(self, failure: HeadraceError) -> HeadraceError:
        """The failure, marked where the next attempt had better go on with what is answered."""
        if isinstance(failure, ProviderThrottled | ProviderDown) and self._answered and self._notes.may_come_back:
            failure.is_begun = True
        return failure


async def _parted(text: str, most_tokens: int) -> list[str]:
    return await asyncio.to_thread(parted, text, most_tokens)


def _part(asked: Summarize, text: str, max_chars: int) -> Summarize:
    return Summarize(text=text, max_chars=max_chars, language=asked.language)


def _sizes(parts: Sequence[Input], known: Sequence[_Known]) -> list[int]:
    return [_size(part) for part, one in zip(parts, known, strict=True) if one.answer is None]


def _size(asked: Input) -> int:
    return len(msgspec.json.encode(asked))


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
