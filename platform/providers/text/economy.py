"""Texts asked about by way of Gemini's batches: the same questions, seen before they are asked, read when answered.

The provider that would ask is let run up to its question, and later is given the answer: so prompts, placeholders and
what answers are held against are exactly those of an ordinary call.
"""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from domain.text.cost import Parameters
from domain.text.parts import LongInput, needs_of
from domain.text.personal import SORTS, Sort
from domain.text.prompts import Marks
from providers.text.batch_answers import Batches
from providers.text.gemini import GeminiTextProvider, new_marks
from providers.text.gemini_schema import Question, Said
from providers.text.provider import Answer, ProviderAnswerMalformed, TextProvider
from providers.text.redacted import RedactingTextProvider

Ask = Callable[[TextProvider], Awaitable[Answer[Any]]]

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


class Manner(Struct, frozen=True, kw_only=True):
    """How the questions of a batch are written, and so how their answers are to be read.

    `marks` stand in their prompts; personal values of `sorts` stand there as placeholders.
    """

    marks: Marks
    sorts: frozenset[Sort]


class Overheard(Struct, frozen=True, kw_only=True):
    """A question that would be asked; `placeholders` tells what stands for what in it, in a digest."""

    question: Question
    placeholders: str


class Economy:
    """What asks by batches, and how it asks: personal values of `sorts` are not shown from now on."""

    def __init__(
        self,
        batches: Batches,
        *,
        model: str,
        parameters: Mapping[str, Parameters],
        window_of: Callable[[str], int],
        sorts: Collection[Sort],
    ) -> None:
        self.batches = batches
        self._model = model
        self._parameters = parameters
        self._window_of = window_of
        self._sorts = frozenset(sorts)

    def new_manner(self) -> Manner:
        """How one batch is asked, if it is made now."""
        return Manner(marks=new_marks(), sorts=self._sorts)

    def manner(self, marks: Marks, sorts: str | None) -> Manner:
        """How a batch was asked, by what was kept of it; None, as it was kept by an earlier release: as now."""
        named = None if sorts is None else sorts.split(",")
        return Manner(
            marks=marks, sorts=self._sorts if named is None else frozenset(sort for sort in SORTS if sort in named)
        )

    def model_of(self, kind: str) -> str:
        """The model asked for a kind."""
        return self._parameters.get(kind, Parameters()).model or self._model

    def takes(self, kind: str, asked: LongInput) -> bool:
        """Whether the input fits one question."""
        return needs_of(asked).whole <= self._window_of(self.model_of(kind))

    async def question(self, manner: Manner, ask: Ask) -> Overheard:
        """The question that `ask` would ask."""
        values: dict[str, str] = {}
        try:
            await ask(self._provider(manner, _Overhearing(), values.update))
        except _Overheard as heard:
            return Overheard(question=heard.question, placeholders=_digest(manner, values))
        raise AssertionError("nothing was asked")

    def answering(self, manner: Manner, text: str, *, placeholders: str | None) -> TextProvider:
        """A provider that was answered this to its one question; it is asked no second.

        Where `placeholders` would stand for other values than when it was asked, it finds its answer malformed.
        """

        def compare(values: Mapping[str, str]) -> None:
            if placeholders is not None and placeholders != _digest(manner, values):
                raise ProviderAnswerMalformed("The answer out of a batch has placeholders for other values.")

        return self._provider(manner, _Answered(text), compare)

    async def aclose(self) -> None:
        """Close every connection."""
        await self.batches.aclose()

    def _provider(
        self, manner: Manner, client: "_Overhearing | _Answered", told: Callable[[Mapping[str, str]], None]
    ) -> TextProvider:
        gemini = GeminiTextProvider(
            "", model=self._model, parameters=self._parameters, marks=manner.marks, client=client
        )
        return RedactingTextProvider(gemini, manner.sorts, told=told) if manner.sorts else gemini


def _digest(manner: Manner, values: Mapping[str, str]) -> str:
    # the canary is nobody's to know: without it, short values could be found by trying
    return hashlib.sha256(_ENCODER.encode((manner.marks.canary, values))).hexdigest()


class _Overheard(Exception):
    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question


class _Overhearing:
    async def ask(self, question: Question) -> Said:
        raise _Overheard(question)

    async def stream(self, question: Question) -> AsyncGenerator[Said]:
        raise _Overheard(question)
        yield

    async def aclose(self) -> None:
        pass


class _Answered:
    def __init__(self, text: str) -> None:
        self._left = [text]

    async def ask(self, question: Question) -> Said:  # noqa: ARG002 - it was asked before
        if not self._left:
            raise ProviderAnswerMalformed("The answer out of a batch did not fit.")
        return Said(self._left.pop())

    async def stream(self, question: Question) -> AsyncGenerator[Said]:
        yield await self.ask(question)

    async def aclose(self) -> None:
        pass
