"""What a process tells of the engines it asks."""

import asyncio
from contextlib import suppress

import pytest

from domain.text.breaker import BreakerRule, EngineStanding
from domain.text.summarize import Summarize, Summary
from providers.text.chain import Engine, TextChain
from providers.text.guard import Guard
from providers.text.local.engine import LocalTextProvider
from providers.text.provider import Answer, ProviderBlocked, ProviderDown, ProviderRationed, ProviderThrottled
from storage.database import DatabaseDown
from tests.support.scripted_text import ScriptedText

ASKED = Summarize(text="It rained.")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def guard_with(clock: Clock) -> Guard:
    return Guard("gemini", BreakerRule(failures=2, rest_seconds=30), clock)


def fail(guard: Guard, error: Exception) -> None:
    with pytest.raises(type(error)), guard.asking():
        raise error


def test_a_breaker_that_opens_tells_since_when_and_what_it_refused() -> None:
    guard = guard_with(clock := Clock())
    for _ in range(2):
        fail(guard, ProviderDown("Nobody there."))
        clock.now += 1
    with pytest.raises(ProviderDown), guard.asking():
        pass
    told = guard.standing
    assert (told.state, told.wait_seconds, told.open_seconds) == ("open", 29.0, 1.0)
    assert (told.calls, told.failures, told.refused, told.opened) == (2, 2, 1, 1)
    clock.now += 30
    assert guard.standing.state == "probing"
    with guard.asking():
        pass
    assert (guard.standing.state, guard.standing.open_seconds, guard.standing.calls) == ("closed", None, 3)


def test_a_word_to_wait_is_held_and_what_was_rationed_is_no_call() -> None:
    guard = guard_with(Clock())
    fail(guard, ProviderRationed("Enough."))
    assert guard.standing == EngineStanding(name="gemini")
    fail(guard, ProviderThrottled("Enough.", retry_after_seconds=7))
    assert (guard.standing.state, guard.standing.wait_seconds, guard.standing.throttled) == ("held", 7.0, 1)


def test_questions_that_were_put_are_told_with_their_ends_and_how_long_they_took() -> None:
    told: list[tuple[str, str, float]] = []
    clock = Clock()
    guard = Guard("gemini", BreakerRule(failures=9), clock, lambda *one: told.append(one))

    def end(error: BaseException | None) -> None:
        with suppress(BaseException), guard.asking():
            clock.now += 2
            if error is not None:
                raise error

    end(None)
    end(ProviderDown("Nobody there."))
    end(ProviderBlocked("Not that."))
    end(asyncio.CancelledError())
    end(ProviderRationed("Enough."))
    end(DatabaseDown("No budget could be asked for."))
    end(ProviderThrottled("Enough.", retry_after_seconds=7))
    end(None)  # held: it is not put to the engine
    assert told == [("gemini", outcome, 2.0) for outcome in ("answered", "failed", "unfit", "cut_short", "throttled")]


async def test_an_answer_by_the_next_engine_is_a_fallback() -> None:
    gemini = Engine(name="gemini", provider=Down(), model_of=lambda _: "m", guard=guard_with(Clock()))
    chain = TextChain(
        [gemini, Engine(name="local", provider=LocalTextProvider())],
        kinds=frozenset({"text.summarize"}),
        reasons=frozenset({"down"}),
    )
    for _ in range(3):
        await chain.summarize(ASKED)
    await chain.aclose()
    [told] = chain.standings
    assert (told.calls, told.failures, told.refused, told.fallbacks, told.state) == (2, 2, 1, 3, "open")


class Down(ScriptedText):
    async def summarize(self, asked: Summarize) -> Answer[Summary]:
        self.asked.append(asked)
        raise ProviderDown("Nobody there.")
