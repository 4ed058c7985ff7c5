"""Many questions about one text: who pays for them, what is known of them from before, and some of them at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec import Struct

from domain.errors import HeadraceError
from domain.jobs.kind import Input
from providers.text.provider import Answer, ProviderDown, ProviderThrottled

AT_ONCE: Final = 4
"""How many parts of a text are asked about at once."""

PATIENCE_SECONDS: Final = 15.0
"""How long a part waits in all for a provider that throttles, once others of its text are answered or under way."""

_SHORTEST_WAIT: Final = 0.05
_TOLD_FROM: Final = 0.02  # progress is told where it is at least this much more

AskedT = TypeVar("AskedT", bound=Input)
ResultT = TypeVar("ResultT")


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


class Known(Struct, frozen=True):
    """What is known of an answer; None: nothing."""

    answer: Any


class Asking:
    """The questions about one text, some at once. After a failure none is begun; those under way are let end."""

    def __init__(self, kind: str, notes: Notes, questions: int) -> None:
        self._kind = kind
        self._notes = notes
        self._questions = questions
        self._answered = 0
        self._under_way = 0
        self._told = 0.0
        self._failure: HeadraceError | None = None

    async def known(self, step: str, parts: Sequence[Input]) -> list[Known]:
        """What is known of each."""
        return [Known(found) for found in await asyncio.gather(*(self._find(step, part) for part in parts))]

    async def all(
        self,
        paying: Paying,
        step: str,
        parts: Sequence[AskedT],
        known: Sequence[Known],
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
                    self._answered += 1
                    await self._notes.keep(self._kind, step, part, answers[place].value)
                    await self._tell()
                except HeadraceError as failure:
                    self._failure = self._failure or failure
                    return

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
                return await paying.paid(size_of(part), lambda: ask(part))
            except ProviderThrottled as failure:
                throttled = failure
                wait = max(_SHORTEST_WAIT, throttled.retry_after_seconds or 1.0)
                is_alone = not self._answered and self._under_way == 1
                if is_alone or wait > left or self._failure is not None:
                    raise
            finally:
                self._under_way -= 1
            left -= wait
            await asyncio.sleep(wait)
            if self._failure is not None:  # meanwhile, of another part: this one is not begun again
                raise throttled

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


def size_of(asked: Input) -> int:
    """The bytes of a question, as they are counted beforehand."""
    return len(msgspec.json.encode(asked))
