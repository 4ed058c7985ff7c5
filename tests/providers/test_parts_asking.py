"""Questions about the parts of a text, some at once: what becomes of the others where one fails."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from domain.errors import Unavailable
from domain.text.moderate import Moderate
from providers.text.parts_asking import Asking, Known, Unnoted
from providers.text.provider import Answer, ProviderDown, ProviderThrottled

ResultT = TypeVar("ResultT")
PARTS = [Moderate(text="first"), Moderate(text="second")]


class Free:
    """Nothing is paid, and everything let through."""

    async def paid(self, size: int, ask: Callable[[], Awaitable[Answer[ResultT]]]) -> Answer[ResultT]:
        del size
        return await ask()


async def test_a_part_that_waits_while_another_fails_is_not_begun_again() -> None:
    asked: list[str] = []
    is_throttled = asyncio.Event()

    async def ask(part: Moderate) -> Answer[str]:
        asked.append(part.text)
        if part.text == "first":
            await is_throttled.wait()
            raise ProviderDown("It went away.")
        is_throttled.set()
        raise ProviderThrottled("Come again.", retry_after_seconds=0.05)

    with pytest.raises(ProviderDown):
        await Asking("text.moderate", Unnoted(), 2).all(Free(), "part", PARTS, [Known(None)] * 2, ask)
    assert sorted(asked) == ["first", "second"]


class Forgetful(Unnoted):
    """Where how far it is cannot be told."""

    def __init__(self) -> None:
        self.is_told = asyncio.Event()

    async def progress(self, fraction: float) -> None:
        if not self.is_told.is_set():
            self.is_told.set()
            raise Unavailable(f"Nobody hears of {fraction}.")


async def test_questions_under_way_are_let_end_where_an_answer_cannot_be_noted() -> None:
    notes = Forgetful()
    is_under_way = asyncio.Event()
    ended: list[str] = []

    async def ask(part: Moderate) -> Answer[Any]:
        if part.text == "first":
            await is_under_way.wait()
        else:
            is_under_way.set()
            await notes.is_told.wait()
            await asyncio.sleep(0.01)
        ended.append(part.text)
        return Answer("fine")

    with pytest.raises(Unavailable):
        await Asking("text.moderate", notes, 2).all(Free(), "part", PARTS, [Known(None)] * 2, ask)
    assert ended == ["first", "second"]
