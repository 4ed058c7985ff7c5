"""Texts asked about by way of Gemini's batches: the same questions, seen before they are asked, read when answered.

The provider that would ask is let run up to its question, and later is given the answer: so prompts, placeholders and
what answers are held against are exactly those of an ordinary call.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

from domain.text.cost import Parameters
from domain.text.parts import LongInput, needs_of
from domain.text.prompts import Marks
from providers.text.batch_answers import Batches
from providers.text.gemini import GeminiTextProvider, new_marks
from providers.text.gemini_schema import Question, Said
from providers.text.provider import Answer, ProviderAnswerMalformed, TextProvider

Shown = Callable[[TextProvider], TextProvider]
Ask = Callable[[TextProvider], Awaitable[Answer[Any]]]


class Economy:
    """What asks by batches, and how it asks. `shown` stands before the provider as it does in an ordinary call."""

    def __init__(
        self,
        batches: Batches,
        *,
        model: str,
        parameters: Mapping[str, Parameters],
        window_of: Callable[[str], int],
        shown: Shown,
    ) -> None:
        self.batches = batches
        self._model = model
        self._parameters = parameters
        self._window_of = window_of
        self._shown = shown

    def new_marks(self) -> Marks:
        """Marks for the prompts of one batch."""
        return new_marks()

    def model_of(self, kind: str) -> str:
        """The model asked for a kind."""
        return self._parameters.get(kind, Parameters()).model or self._model

    def takes(self, kind: str, asked: LongInput) -> bool:
        """Whether the input fits one question."""
        return needs_of(asked).whole <= self._window_of(self.model_of(kind))

    async def question(self, marks: Marks, ask: Ask) -> Question:
        """The question that `ask` would ask."""
        overhearing = _Overhearing()
        try:
            await ask(self._provider(marks, overhearing))
        except _Overheard as heard:
            return heard.question
        raise AssertionError("nothing was asked")

    def answering(self, marks: Marks, text: str) -> TextProvider:
        """A provider that was answered this to its one question; it is asked no second."""
        return self._provider(marks, _Answered(text))

    async def aclose(self) -> None:
        """Close every connection."""
        await self.batches.aclose()

    def _provider(self, marks: Marks, client: "_Overhearing | _Answered") -> TextProvider:
        return self._shown(
            GeminiTextProvider("", model=self._model, parameters=self._parameters, marks=marks, client=client)
        )


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
