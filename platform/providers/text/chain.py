"""Engines one behind the other: where the first cannot answer, the next does, and the answer says who it was."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext, suppress
from typing import Any, Final, Protocol, TypeVar

import msgspec
import structlog
from msgspec import Struct

from domain.chat.conversation import ChatMessage
from domain.errors import HeadraceError
from domain.text.breaker import EngineStanding
from domain.text.budget import BudgetExhausted
from domain.text.classify import Classification, Classify
from domain.text.generate import Generate, Generated
from domain.text.moderate import Moderate, Moderation
from domain.text.parts import LongInput
from domain.text.summarize import Summarize, Summary
from providers.text.guard import Guard
from providers.text.in_parts import LongTexts
from providers.text.parts_asking import Notes, Unnoted
from providers.text.provider import (
    Answer,
    Costly,
    ProviderAnswerMalformed,
    ProviderBlocked,
    ProviderDown,
    ProviderRefused,
    ProviderThrottled,
    ReplyPart,
    TextProvider,
    Usage,
    spent_by,
)

ResultT = TypeVar("ResultT")

log: Final = structlog.get_logger()

REASONS: Final[dict[str, type[HeadraceError]]] = {
    "down": ProviderDown,
    "throttled": ProviderThrottled,
    "budget": BudgetExhausted,
    "malformed": ProviderAnswerMalformed,
    "refused": ProviderRefused,
    "blocked": ProviderBlocked,
}
"""What may make the next engine answer, by the names that settings have for it."""


class PartsMeter(Protocol):
    """Who pays. Asked before each question to an engine that costs, and told after it."""

    async def reserve(self, kind: str, model: str, given_bytes: int) -> None:
        """Set aside what the question will probably cost.

        Raises:
            BudgetExhausted: there is not so much left.
            ProviderThrottled: the platform has asked as much as it may in a minute.
        """
        ...

    async def settle(self, kind: str, usage: Usage | None) -> None:
        """Book what it did cost, as far as is known, and let go of what was set aside; tell whoever operates if not."""
        ...


class Meter(PartsMeter, Protocol):
    """Who pays for one question, or for many about one text."""

    def together(self, kind: str, model: str, sizes: Sequence[int]) -> AbstractAsyncContextManager[PartsMeter]:
        """Set aside what questions of so many bytes each will probably cost; who pays for each of them then.

        Raises:
            BudgetExhausted: there is not so much left.
        """
        ...


class Unmetered:
    """Nobody pays."""

    def together(
        self,
        kind: str,  # noqa: ARG002 - nobody pays, for whatever
        model: str,  # noqa: ARG002
        sizes: Sequence[int],  # noqa: ARG002
    ) -> AbstractAsyncContextManager[PartsMeter]:
        """Go on."""
        return nullcontext(self)

    async def reserve(self, kind: str, model: str, given_bytes: int) -> None:
        """Go on."""

    async def settle(self, kind: str, usage: Usage | None) -> None:
        """Forget it."""


class Engine(Struct, frozen=True, kw_only=True):
    """A form of provider in a chain. With `model_of` it costs; `guard` leaves it alone where it fails.

    What is too long for its models is asked in parts by `long`.
    """

    name: str
    provider: TextProvider
    model_of: Callable[[str], str] | None = None
    guard: Guard | None = None
    long: LongTexts | None = None


class TextChain:
    """A provider made of engines in order. `kinds` may go on to the next, for `reasons`; others end with the first."""

    def __init__(
        self,
        engines: Sequence[Engine],
        *,
        kinds: frozenset[str],
        reasons: frozenset[str],
        meter: Meter | None = None,
        notes: Notes | None = None,
    ) -> None:
        self.engines: Final = tuple(engines)
        self._kinds = kinds
        self._reasons = tuple(REASONS[name] for name in sorted(reasons))
        self._reason_names = reasons
        self._meter: Meter = meter or Unmetered()
        self._notes: Notes = notes or Unnoted()

    def metered(self, meter: Meter, notes: Notes | None = None) -> "TextChain":
        """The same engines, with their state, somebody who pays, and somebody who remembers the parts of a text."""
        return TextChain(self.engines, kinds=self._kinds, reasons=self._reason_names, meter=meter, notes=notes)

    async def summarize(self, asked: Summarize) -> Answer[Summary]:
        """Say the text in at most `asked.max_chars` characters."""
        return await self._ask("text.summarize", asked, lambda text: text.summarize(asked))

    async def moderate(self, asked: Moderate) -> Answer[Moderation]:
        """Judge whether the text is toxic."""
        return await self._ask("text.moderate", asked, lambda text: text.moderate(asked))

    async def classify(self, asked: Classify) -> Answer[Classification]:
        """Find the text's topic, sentiment and language."""
        return await self._ask("text.classify", asked, lambda text: text.classify(asked))

    async def generate(self, asked: Generate) -> Answer[Generated]:
        """Write a text from a brief."""
        return await self._ask("text.generate", asked, lambda text: text.generate(asked))

    async def reply(self, conversation: Sequence[ChatMessage], earlier: str = "") -> AsyncGenerator[ReplyPart]:
        """Answer the last message piece by piece; the next engine takes over only where nothing was told yet."""
        kind = "chat.reply"
        engines = self._for(kind)
        for engine in engines:
            is_told = False
            try:
                async with aclosing(self._stream(engine, kind, conversation, earlier)) as parts:
                    async for part in parts:
                        is_told = is_told or bool(part.text)
                        yield part
            except HeadraceError as failure:
                if is_told or engine is engines[-1] or not self._passes_on(kind, engine, failure):
                    raise
            else:
                return

    @property
    def standings(self) -> tuple[EngineStanding, ...]:
        """How the engines are that are left alone where they fail."""
        return tuple(engine.guard.standing for engine in self.engines if engine.guard is not None)

    async def aclose(self) -> None:
        """Close every engine."""
        for engine in self.engines:
            await engine.provider.aclose()

    def _for(self, kind: str) -> tuple[Engine, ...]:
        return self.engines if kind in self._kinds else self.engines[:1]

    def _passes_on(self, kind: str, engine: Engine, failure: HeadraceError) -> bool:
        passes = isinstance(failure, self._reasons) and not (isinstance(failure, Costly) and failure.is_begun)
        if passes:
            log.warning("text.fell_back", kind=kind, engine=engine.name, code=failure.code)
            if engine.guard is not None:
                engine.guard.fell_back()
        return passes

    async def _ask(
        self, kind: str, asked: LongInput, ask: Callable[[TextProvider], Awaitable[Answer[ResultT]]]
    ) -> Answer[ResultT]:
        *first, last = self._for(kind)
        for engine in first:
            try:
                return await self._ask_one(engine, kind, asked, ask)
            except HeadraceError as failure:
                if not self._passes_on(kind, engine, failure):
                    raise
        return await self._ask_one(last, kind, asked, ask)

    async def _ask_one(
        self, engine: Engine, kind: str, asked: LongInput, ask: Callable[[TextProvider], Awaitable[Answer[ResultT]]]
    ) -> Answer[ResultT]:
        if engine.guard is None or engine.model_of is None:
            return await ask(engine.provider)
        model = engine.model_of(kind)
        if engine.long is not None and engine.long.is_long(kind, asked):
            return await ask(engine.long.asked_by(_Till(engine.guard, model, self._meter, kind), self._notes))
        paying = _Paying(engine.guard, model, self._meter, kind)
        return await paying.paid(_size(asked), lambda: ask(engine.provider))

    async def _stream(
        self, engine: Engine, kind: str, conversation: Sequence[ChatMessage], earlier: str
    ) -> AsyncGenerator[ReplyPart]:
        if engine.guard is None or engine.model_of is None:
            async for part in engine.provider.reply(conversation, earlier):
                yield part
            return
        if engine.long is not None:
            conversation = engine.long.context(conversation, earlier)
        usage: Usage | None = None  # as it was told last
        try:
            with engine.guard.asking():
                await self._meter.reserve(kind, engine.model_of(kind), _size((conversation, earlier)))
                # the provider's stream ends with the reader's, not with the garbage
                async with aclosing(engine.provider.reply(conversation, earlier)) as parts:
                    async for part in parts:
                        usage = part.usage or usage
                        yield part
        except HeadraceError as failure:
            await self._meter.settle(kind, spent_by(failure) or usage)
            raise
        except BaseException:  # stopped, given up by its reader, or a bug: what was told by then is billed
            await _settle_cut_short(self._meter, kind, usage)
            raise
        await self._meter.settle(kind, usage)


class _Paying:
    """Asks questions to one engine, each let through by its guard and paid."""

    def __init__(self, guard: Guard, model: str, meter: PartsMeter, kind: str) -> None:
        self._guard = guard
        self._model = model
        self._meter = meter
        self._kind = kind

    async def paid(self, size: int, ask: Callable[[], Awaitable[Answer[ResultT]]]) -> Answer[ResultT]:
        """The answer to a question of so many bytes, booked whatever became of it."""
        try:
            with self._guard.asking():
                await self._meter.reserve(self._kind, self._model, size)
                answer = await ask()
        except HeadraceError as failure:
            await self._meter.settle(self._kind, spent_by(failure))
            raise
        except asyncio.CancelledError as stop:
            await _settle_cut_short(self._meter, self._kind, spent_by(stop))
            raise
        await self._meter.settle(self._kind, answer.usage)
        return answer


class _Till:
    """Where many questions to one engine are paid together."""

    def __init__(self, guard: Guard, model: str, meter: Meter, kind: str) -> None:
        self._guard = guard
        self._model = model
        self._meter = meter
        self._kind = kind

    @asynccontextmanager
    async def together(self, sizes: Sequence[int]) -> AsyncGenerator[_Paying]:
        """Who asks them, when there is a budget for all."""
        async with self._meter.together(self._kind, self._model, sizes) as meter:
            yield _Paying(self._guard, self._model, meter, self._kind)


def _size(asked: Any) -> int:  # noqa: ANN401 - any input
    return len(msgspec.json.encode(asked))


async def _settle_cut_short(meter: PartsMeter, kind: str, usage: Usage | None) -> None:
    """Book what is known of the cost. Whoever stops us hears of no failure, which the meter has told of."""
    with suppress(HeadraceError):
        await meter.settle(kind, usage)
