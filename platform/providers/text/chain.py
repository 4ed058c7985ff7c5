"""Engines one behind the other: where the first cannot answer, the next does, and the answer says who it was."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
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
from domain.text.summarize import Summarize, Summary
from providers.text.guard import Guard
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


class Meter(Protocol):
    """Who pays. Asked before each question to an engine that costs, and told after it."""

    async def reserve(self, kind: str, model: str, given_bytes: int) -> None:
        """Set aside what the question will probably cost.

        Raises:
            BudgetExhausted: there is not so much left.
            ProviderThrottled: the platform has asked as much as it may in a minute.
        """
        ...

    async def settle(self, kind: str, usage: Usage | None) -> None:
        """Book what it did cost, as far as is known, and let go of what was set aside."""
        ...


class Unmetered:
    """Nobody pays."""

    async def reserve(self, kind: str, model: str, given_bytes: int) -> None:
        """Go on."""

    async def settle(self, kind: str, usage: Usage | None) -> None:
        """Forget it."""


class Engine(Struct, frozen=True, kw_only=True):
    """A form of provider in a chain. With `model_of` it costs; `guard` leaves it alone where it fails."""

    name: str
    provider: TextProvider
    model_of: Callable[[str], str] | None = None
    guard: Guard | None = None


class TextChain:
    """A provider made of engines in order. `kinds` may go on to the next, for `reasons`; others end with the first."""

    def __init__(
        self, engines: Sequence[Engine], *, kinds: frozenset[str], reasons: frozenset[str], meter: Meter | None = None
    ) -> None:
        self.engines: Final = tuple(engines)
        self._kinds = kinds
        self._reasons = tuple(REASONS[name] for name in sorted(reasons))
        self._reason_names = reasons
        self._meter: Meter = meter or Unmetered()

    def metered(self, meter: Meter) -> "TextChain":
        """The same engines, with their state, and somebody who pays."""
        return TextChain(self.engines, kinds=self._kinds, reasons=self._reason_names, meter=meter)

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

    async def reply(self, conversation: Sequence[ChatMessage]) -> AsyncGenerator[ReplyPart]:
        """Answer the last message piece by piece; the next engine takes over only where nothing was told yet."""
        kind = "chat.reply"
        engines = self._for(kind)
        for engine in engines:
            is_told = False
            try:
                async with aclosing(self._stream(engine, kind, conversation)) as parts:
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
        passes = isinstance(failure, self._reasons)
        if passes:
            log.warning("text.fell_back", kind=kind, engine=engine.name, code=failure.code)
            if engine.guard is not None:
                engine.guard.fell_back()
        return passes

    async def _ask(
        self, kind: str, asked: object, ask: Callable[[TextProvider], Awaitable[Answer[ResultT]]]
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
        self, engine: Engine, kind: str, asked: object, ask: Callable[[TextProvider], Awaitable[Answer[ResultT]]]
    ) -> Answer[ResultT]:
        if engine.guard is None or engine.model_of is None:
            return await ask(engine.provider)
        try:
            with engine.guard.asking():
                await self._meter.reserve(kind, engine.model_of(kind), _size(asked))
                answer = await ask(engine.provider)
        except HeadraceError as failure:
            await self._meter.settle(kind, _spent(failure))
            raise
        await self._meter.settle(kind, answer.usage)
        return answer

    async def _stream(
        self, engine: Engine, kind: str, conversation: Sequence[ChatMessage]
    ) -> AsyncGenerator[ReplyPart]:
        if engine.guard is None or engine.model_of is None:
            async for part in engine.provider.reply(conversation):
                yield part
            return
        usage: Usage | None = None
        parts: AsyncIterator[ReplyPart] | None = None
        try:
            with engine.guard.asking():
                await self._meter.reserve(kind, engine.model_of(kind), _size(conversation))
                parts = engine.provider.reply(conversation)
                async for part in parts:
                    usage = part.usage or usage
                    yield part
        except HeadraceError as failure:
            await self._meter.settle(kind, _spent(failure))
            raise
        finally:
            if isinstance(parts, AsyncGenerator):
                await parts.aclose()  # the provider's stream ends with the reader's, not with the garbage
        await self._meter.settle(kind, usage)


def _size(asked: Any) -> int:  # noqa: ANN401 - any input
    return len(msgspec.json.encode(asked))


def _spent(failure: HeadraceError) -> Usage | None:
    return failure.spent if isinstance(failure, Costly) else None
