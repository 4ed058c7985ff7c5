import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from domain.chat.conversation import ChatMessage
from domain.text.classify import Classify
from domain.text.generate import Generate
from domain.text.moderate import Moderate
from domain.text.summarize import Summarize
from providers.text.local.about import read_passages
from providers.text.local.engine import LocalTextProvider
from providers.text.provider import TextProvider

ROOT: Final = Path(__file__).parents[2]
SNAPSHOT: Final = ROOT / "tests" / "contracts" / "openapi.json"

SECONDS_FOR_500_KB = 6.0
"""Of the processor's time, so that a busy machine does not fail the test; a quadratic step takes minutes."""

PROSE = "The committee met on Tuesday, went through the agenda and approved 14 of its 20 points. " * 6_000


@pytest_asyncio.fixture(loop_scope="function")
async def provider() -> AsyncIterator[TextProvider]:
    local = LocalTextProvider()
    yield local
    await local.aclose()


async def reply_of(provider: TextProvider, *said: str) -> str:
    conversation = [ChatMessage("user" if at % 2 == 0 else "assistant", text) for at, text in enumerate(said)]
    return "".join([part.text async for part in provider.reply(conversation)])


async def test_each_kind_is_answered_and_marked_with_its_engine(provider: TextProvider) -> None:
    summary = await provider.summarize(Summarize(text="Short."))
    moderation = await provider.moderate(Moderate(text="A lovely day."))
    classification = await provider.classify(Classify(text="The team won the match.", labels=("sports", "cooking")))
    generated = await provider.generate(Generate(format="email", brief="Tell Ada that tea is ready."))
    assert (summary.value.summary, summary.value.engine) == ("Short.", "local")
    assert (moderation.value.flagged, moderation.value.engine) == (False, "local")
    assert (classification.value.category, classification.value.language) == ("sports", "en")
    assert generated.value.engine == "local-template"
    assert generated.usage is not None
    assert generated.usage.output_tokens == 0


async def test_many_at_once_get_their_own_answers(provider: TextProvider) -> None:
    texts = [f"Answer number {at}." for at in range(50)]
    answers = await asyncio.gather(*(provider.summarize(Summarize(text=text)) for text in texts))
    assert [answer.value.summary for answer in answers] == texts


async def test_the_event_loop_goes_on_while_a_long_text_is_read(provider: TextProvider) -> None:
    await provider.moderate(Moderate(text="warm up"))
    reading = asyncio.create_task(provider.moderate(Moderate(text=PROSE[:500_000])))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0.005)
        turns += 1
    assert turns > 5


@pytest.mark.parametrize(
    "text",
    [
        PROSE[:500_000],
        "a," * 250_000,
        "\U0001f600" * 500_000,
        "这是一个测试句子。" * 55_000,
        "a: b\n" * 100_000,
        "x" * 500_000,
    ],
    ids=["prose", "commas", "emoji", "chinese", "turns", "one word"],
)
async def test_half_a_megabyte_takes_seconds_not_minutes(provider: TextProvider, text: str) -> None:
    started = time.process_time()
    await provider.summarize(Summarize(text=text))
    await provider.moderate(Moderate(text=text))
    await provider.classify(Classify(text=text))
    assert time.process_time() - started < SECONDS_FOR_500_KB


async def test_a_reply_comes_in_parts_and_the_last_carries_the_usage(provider: TextProvider) -> None:
    parts = [part async for part in provider.reply([ChatMessage("user", "Hello")])]
    assert len(parts) > 3
    assert [part.usage is not None for part in parts] == [False] * (len(parts) - 1) + [True]


async def test_a_reply_quotes_the_conversation(provider: TextProvider) -> None:
    said = ("My dog is called Rex and he likes cheese.", "Noted.", "What is my dog called?")
    assert "Rex" in await reply_of(provider, *said)


async def test_a_reply_quotes_the_summary_of_what_was_said_before_and_calls_it_that(provider: TextProvider) -> None:
    asked = [ChatMessage("user", "What is my dog called?")]
    earlier = "User: My dog is called Rex and he likes cheese.\nAssistant: Noted."
    reply = "".join([part.text async for part in provider.reply(asked, earlier)])
    assert reply == "From the summary of what was said before: “My dog is called Rex and he likes cheese.”"


async def test_a_reply_quotes_the_documentation(provider: TextProvider) -> None:
    assert "/cancel" in await reply_of(provider, "How can I cancel a job?")


async def test_every_question_that_the_documentation_answers_is_answered_by_it(provider: TextProvider) -> None:
    for passage in read_passages():
        for question in passage.asks:
            assert passage.says in await reply_of(provider, question), question


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("How do I pause a queue?", "headrace queues pause NAME"),
        ("How do I verify a webhook signature?", "HMAC-SHA256"),
        ("how do I export jobs to csv", "/v1/jobs/export"),
        ("What roles are there?", "admin, operator, moderator, user and viewer"),
        ("How long are results kept?", "HEADRACE_RETENTION_DAYS"),
        ("Which kinds exist?", "orders.place"),
        ("How do I turn off the cache?", "Cache-Control: no-cache"),
        ("is my data sent to Google?", "placeholders"),
    ],
)
async def test_a_question_is_answered_by_the_page_that_is_about_it(
    provider: TextProvider, question: str, told: str
) -> None:
    assert told in await reply_of(provider, question)


def test_the_documentation_names_pages_and_routes_that_there_are() -> None:
    routes = {re.sub(r"\{\w+\}", "{}", route) for route in json.loads(SNAPSHOT.read_bytes())["paths"]}
    for passage in read_passages():
        assert (ROOT / passage.page).is_file(), passage.page
        for route in re.findall(r"(?:GET|POST|PUT|PATCH|DELETE) (/v1/[a-z/{}_-]+)", passage.says):
            assert re.sub(r"\{\w+\}", "{}", route) in routes, route


async def test_what_was_said_before_does_not_stand_in_the_way_of_the_documentation(provider: TextProvider) -> None:
    said = ("My job failed last night and I want it done.", "Noted.", "How do I retry a failed job?")
    assert "/v1/jobs/{id}/retry" in await reply_of(provider, *said)


async def test_what_somebody_said_of_themselves_is_found_by_its_word(provider: TextProvider) -> None:
    said = ("My name is Talia and I work at the mill in Borrowdale.", "Noted.", "What is my name?")
    assert "Talia" in await reply_of(provider, *said)


async def test_a_reply_summarizes_what_it_is_given(provider: TextProvider) -> None:
    text = "The harbour bridge reopened on Monday after eleven months of repairs. Engineers replaced 214 cables."
    reply = await reply_of(provider, f"Summarize: {text}")
    assert "bridge" in reply
    assert len(reply) < len(text)


async def test_a_reply_admits_that_no_model_is_configured(provider: TextProvider) -> None:
    for question in (
        "Who won the world cup in 1954?",
        "How do I cancel my Netflix subscription?",
        "How do I kill a Python process?",
        "How can I find a job in Berlin?",
        "What time is it in Sydney?",
        "How do I water my plants?",
    ):
        assert "No language model" in await reply_of(provider, question), question


async def test_a_text_may_be_named_after_what_is_wanted_of_it(provider: TextProvider) -> None:
    assert "positive" in await reply_of(provider, "sentiment of: I love this wonderful day")


@pytest.mark.parametrize("text", [" ", "\u200b", "\U0001f600", "?", "summarize", "summarize:", "你好"])
async def test_any_message_gets_a_reply(provider: TextProvider, text: str) -> None:
    assert await reply_of(provider, text)


async def test_closing_twice_is_fine() -> None:
    local = LocalTextProvider()
    await local.aclose()
    await local.aclose()
