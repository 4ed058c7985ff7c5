"""A chain of engines: who answers, what opens the breaker, and where a stream may change hands."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from domain.chat.conversation import ChatMessage
from domain.errors import HeadraceError
from domain.text.breaker import BreakerRule
from domain.text.parts import InputTooLong
from domain.text.summarize import Summarize, Summary
from providers.text.chain import Engine, TextChain, Unmetered
from providers.text.guard import Guard
from providers.text.in_parts import context_in
from providers.text.provider import (
    Answer,
    ProviderBlocked,
    ProviderDown,
    ProviderRefused,
    ProviderThrottled,
    ReplyPart,
    TextProvider,
    Usage,
)
from tests.support.gemini_meeting import meeting
from tests.support.gemini_script import Hangs, Says
from tests.support.scripted_text import USAGE, ScriptedText

GIVEN = Summarize(text="It rained.")


class Failing(ScriptedText):
    """Raises what it is told to, after so many words of a reply; then answers."""

    def __init__(self, *failures: HeadraceError, words: int = 0) -> None:
        super().__init__("from the first")
        self.failures = list(failures)
        self.words = words
        self.calls = 0
        self.closed = 0

    async def summarize(self, asked: Summarize) -> Answer[Summary]:
        self.calls += 1
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        return await super().summarize(asked)

    async def reply(self, conversation: Sequence[ChatMessage], earlier: str = "") -> AsyncGenerator[ReplyPart]:
        self.calls += 1
        try:
            for _ in range(self.words):
                yield ReplyPart("word ")
            if self.failures:
                raise self.failures.pop(0)
            async for part in super().reply(conversation, earlier):
                yield part
        finally:
            self.closed += 1


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def chain_of(first: TextProvider, clock: Clock, *, falls_back: bool = True) -> TextChain:
    guard = Guard("first", BreakerRule(failures=3, rest_seconds=30), clock)
    return TextChain(
        [
            Engine(name="first", provider=first, model_of=lambda _: "m", guard=guard),
            Engine(name="second", provider=ScriptedText("from the second")),
        ],
        kinds=frozenset({"text.summarize", "chat.reply"} if falls_back else ()),
        reasons=frozenset({"down", "throttled", "budget"}),
    )


async def said(chain: TextChain) -> str:
    return (await chain.summarize(GIVEN)).value.summary


async def test_an_open_breaker_asks_nobody_then_one_then_everybody() -> None:
    first, clock = Failing(*(ProviderDown() for _ in range(3))), Clock()
    chain = chain_of(first, clock)
    with capture_logs() as logs:
        assert {await said(chain) for _ in range(5)} == {"from the second"}
        assert first.calls == 3
        clock.now += 30
        assert set(await asyncio.gather(*(said(chain) for _ in range(9)))) == {"from the first", "from the second"}
        assert first.calls == 4
        assert await said(chain) == "from the first"
    events = [entry["event"] for entry in logs if entry["event"].startswith("text.breaker")]
    assert events == ["text.breaker_opened", "text.breaker_closed"]


async def test_a_provider_that_says_when_is_not_asked_before() -> None:
    first, clock = Failing(ProviderThrottled(retry_after_seconds=7)), Clock()
    chain = chain_of(first, clock, falls_back=False)
    for late in (0, 3):
        clock.now += late
        with pytest.raises(ProviderThrottled) as caught:
            await said(chain)
    assert caught.value.retry_after_seconds == 4
    assert first.calls == 1
    clock.now += 4
    assert await said(chain) == "from the first"


@pytest.mark.parametrize("failure", [ProviderBlocked, ProviderRefused])
async def test_what_is_ours_neither_opens_the_breaker_nor_falls_back(failure: type[HeadraceError]) -> None:
    first = Failing(*(failure() for _ in range(9)))
    chain = chain_of(first, Clock())
    for _ in range(9):
        with pytest.raises(failure):
            await said(chain)
    assert await said(chain) == "from the first"


async def test_a_probe_that_is_cut_short_is_followed_by_another() -> None:
    first, clock = Failing(*(ProviderDown() for _ in range(3))), Clock()
    chain = chain_of(first, clock)
    for _ in range(3):
        await said(chain)
    clock.now += 30
    probe = asyncio.create_task(said(chain))
    await asyncio.sleep(0)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert await said(chain) == "from the first"


async def test_a_reply_changes_hands_only_before_its_first_word() -> None:
    clock = Clock()
    early = chain_of(Failing(ProviderDown()), clock)
    assert "".join([part.text async for part in early.reply([])]).strip() == "from the second"
    late = chain_of(Failing(ProviderDown(), words=1), clock)
    told: list[str] = []

    async def listen() -> None:
        async for part in late.reply([]):
            told.append(part.text)  # noqa: PERF401 - what came before it broke off counts

    with pytest.raises(ProviderDown):
        await listen()
    assert told == ["word "]


async def test_a_reply_nobody_reads_on_ends_the_providers_stream() -> None:
    first = Failing(words=3)
    async with aclosing(chain_of(first, Clock()).reply([])) as parts:
        await anext(parts)
    assert first.closed == 1


class Books(Unmetered):
    """Who pays, and keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[Usage | None] = []

    async def settle(self, kind: str, usage: Usage | None) -> None:  # noqa: ARG002 - one kind is asked
        self.told.append(usage)


async def test_a_reply_given_up_half_way_costs_what_was_told_last() -> None:
    class Counting(ScriptedText):
        async def reply(self, conversation: Sequence[ChatMessage], earlier: str = "") -> AsyncGenerator[ReplyPart]:  # noqa: ARG002 - the signature of a provider
            for tokens in (1, 2, 3):
                yield ReplyPart("word ", replace(USAGE, output_tokens=tokens))

    books = Books()
    chain = chain_of(Counting(), Clock()).metered(books)
    async with aclosing(chain.reply([])) as parts:
        await anext(parts)
        await anext(parts)
    assert books.told == [replace(USAGE, output_tokens=2)]


@pytest.mark.filterwarnings("ignore:Inheritance class Aiohttp:DeprecationWarning")
async def test_who_is_stopped_while_an_answer_is_repaired_pays_for_the_first() -> None:
    books = Books()
    async with meeting(Says(text="Certainly!", prompt_tokens=50, answer_tokens=9), Hangs()) as (gemini, server):
        asking = asyncio.create_task(chain_of(gemini, Clock()).metered(books).summarize(GIVEN))
        for _ in range(2):
            await asyncio.wait_for(server.asked.wait(), 10)
            server.asked.clear()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    [spent] = books.told
    assert spent is not None
    assert (spent.prompt_tokens, spent.output_tokens) == (50, 9)


def test_of_a_conversation_the_last_messages_are_shown_and_a_last_one_too_long_is_refused() -> None:
    turn = ChatMessage("user", "It rained all night. " * 50)
    assert 1 < len(context_in(4_500, [turn] * 20)) < 20
    assert len(context_in(100_000, [turn] * 20)) == 20
    with pytest.raises(InputTooLong):
        context_in(4_000, [turn, ChatMessage("user", turn.text * 10)])
