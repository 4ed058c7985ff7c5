import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import pytest

from domain.chat.conversation import ChatMessage
from domain.text.classify import Classify, Label
from domain.text.generate import Generate
from domain.text.moderate import Moderate
from domain.text.personal import SORTS
from domain.text.summarize import Summarize
from providers.text.provider import Usage
from providers.text.redacted import RedactingTextProvider
from runtime.resources import open_text
from runtime.settings import SettingInvalid, read_settings
from tests.support.gemini_meeting import meeting
from tests.support.gemini_script import Says, Step
from tests.support.gemini_server import GeminiServer
from tools.text.personal_texts import made_texts

# The SDK makes its own kind of aiohttp session, which aiohttp discourages; theirs to settle.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class Aiohttp:DeprecationWarning")

MAIL, PHONE = "ada.byron@example.org", "+44 20 7946 0018"


@asynccontextmanager
async def redacting(*script: Step) -> AsyncGenerator[tuple[RedactingTextProvider, GeminiServer]]:
    async with meeting(*script) as (gemini, server):
        yield RedactingTextProvider(gemini, SORTS), server


def asked_of(server: GeminiServer) -> str:
    return "\n".join(
        asked.user + asked.system + json.dumps(asked.schema, ensure_ascii=False) for asked in server.requests
    )


def says(**fields: object) -> Says:
    return Says(text=json.dumps(fields))


async def test_no_personal_value_of_a_corpus_is_in_any_request() -> None:
    corpus = [made for made in made_texts(60, seed=11) if made.spans]
    async with redacting() as (text, server):
        for made in corpus:
            await text.summarize(Summarize(text=made.text))
            await text.moderate(Moderate(text=made.text))
            await text.generate(Generate(format="email", brief=made.text, tone=f"as in {made.text[:60]}"))
            labels = ("other things", Label(name="x", description=made.text, examples=(made.text,)))
            await text.classify(Classify(text=made.text, labels=labels))
            conversation = [
                ChatMessage("user", made.text),
                ChatMessage("assistant", made.text),
                ChatMessage("user", "?"),
            ]
            assert [part async for part in text.reply(conversation)]
        sent = asked_of(server)
    assert len(server.requests) == 5 * len(corpus)
    values = [made.text[span.start : span.end] for made in corpus for span in made.spans]
    assert [value for value in values if value in sent] == []


async def test_a_summary_carries_the_values_again() -> None:
    said = says(summary="Ask [EMAIL_1] or [PHONE_1], not [EMAIL_9].")
    async with redacting(said) as (text, server):
        answer = await text.summarize(Summarize(text=f"You can ask {MAIL} or call {PHONE} about it."))
    assert answer.value.summary == f"Ask {MAIL} or {PHONE}, not [EMAIL_9]."
    assert "You can ask [EMAIL_1] or call [PHONE_1] about it." in server.requests[0].user
    assert "[EMAIL_1]" in server.requests[0].system
    assert answer.usage is not None


@pytest.mark.parametrize("most", range(20, 80, 3))
async def test_a_restored_summary_keeps_to_its_limit_and_no_value_is_cut(most: int) -> None:
    said = says(summary="Ask [EMAIL_1] now or [PHONE_1] later.")
    async with redacting(said) as (text, server):
        answer = await text.summarize(Summarize(text=f"{MAIL} {PHONE}", max_chars=most))
    summary = answer.value.summary
    assert 0 < len(summary) <= most
    assert f"Ask {MAIL} now or {PHONE} later.".startswith(summary)
    assert summary.count("+") == summary.count(PHONE)
    assert summary.count("@") == summary.count(MAIL)
    assert (
        f"at most {max(20, most - min(most // 4, len(MAIL) - len('[EMAIL_1]')))} characters"
        in server.requests[0].system
    )


async def test_a_value_longer_than_the_limit_stays_a_placeholder() -> None:
    async with redacting(says(summary="[KEY_1]")) as (text, _):
        answer = await text.summarize(Summarize(text="sk-" + "aB3" * 20, max_chars=20))
    assert answer.value.summary == "[KEY_1]"


async def test_facts_of_a_brief_come_back_exactly_and_within_the_words_asked_for() -> None:
    said = says(text="Dear Ada, write to [EMAIL_1]. Or call [PHONE_1] on Friday, any time that suits you.")
    brief = f"Tell Ada to write to {MAIL} or call {PHONE}."
    async with redacting(said, said) as (text, server):
        whole = await text.generate(Generate(format="email", brief=brief))
        short = await text.generate(Generate(format="email", brief=brief, max_words=10))
    assert whole.value.text == f"Dear Ada, write to {MAIL}. Or call {PHONE} on Friday, any time that suits you."
    assert len(short.value.text.split()) <= 10
    assert short.value.text.startswith(f"Dear Ada, write to {MAIL}.")
    assert MAIL not in asked_of(server)


async def test_labels_come_back_under_their_own_names() -> None:
    said = says(
        category="[EMAIL_1]",
        scores=[{"label": "[EMAIL_1]", "score": 0.75}, {"label": "post", "score": 0.25}],
        sentiment="neutral",
        sentiment_score=0,
        language="en",
    )
    async with redacting(said) as (text, server):
        answer = await text.classify(Classify(text=f"For {MAIL}.", labels=(Label(name=MAIL), "post")))
    assert answer.value.category == MAIL
    assert answer.value.scores == {MAIL: 0.75, "post": 0.25}
    assert MAIL not in asked_of(server)


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 8, 1000])
async def test_a_streamed_reply_carries_the_values_however_it_is_cut(chunk: int) -> None:
    said = Says(text="Write to [EMAIL_1], ring [PHONE_1] [now] or [EMAIL_7]", chunk=chunk)
    async with redacting(said) as (text, server):
        parts = [part async for part in text.reply([ChatMessage("user", f"I am {MAIL}, {PHONE}")])]
    assert "".join(part.text for part in parts) == f"Write to {MAIL}, ring {PHONE} [now] or [EMAIL_7]"
    assert isinstance(parts[-1].usage, Usage)
    assert MAIL not in asked_of(server)


async def test_a_repair_is_asked_for_without_personal_values_too() -> None:
    async with redacting(Says(text="no json"), says(summary="[EMAIL_1] it is")) as (text, server):
        answer = await text.summarize(Summarize(text=f"Who? {MAIL}"))
    assert answer.value.summary == f"{MAIL} it is"
    assert len(server.requests) == 2
    assert all(MAIL not in msgspec.json.encode(asked.wanted).decode() for asked in server.requests)


async def test_what_holds_nothing_personal_is_asked_as_it_is() -> None:
    async with redacting() as (text, server):
        await text.summarize(Summarize(text="The bridge reopened on Monday."))
    assert "The bridge reopened on Monday." in server.requests[0].user
    assert "[EMAIL_1]" not in server.requests[0].system


async def test_settings_say_whether_and_what_is_redacted() -> None:
    key = {"HEADRACE_GEMINI_API_KEY": "any", "HEADRACE_GEMINI_BASE_URL": "http://127.0.0.1:9"}
    on = open_text(read_settings(key))
    off = open_text(read_settings({**key, "HEADRACE_REDACT_PII": "off"}))
    assert isinstance(on.engines[0].provider, RedactingTextProvider)
    assert not isinstance(off.engines[0].provider, RedactingTextProvider)
    assert read_settings({"HEADRACE_REDACT_SORTS": "email, card"}).redacted_sorts == {"email", "card"}
    with pytest.raises(SettingInvalid, match="REDACT_SORTS: mail is none of card, email"):
        read_settings({"HEADRACE_REDACT_SORTS": "mail"})
    await on.aclose()
    await off.aclose()
