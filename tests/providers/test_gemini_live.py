"""The real Gemini, for who has a key: skipped unless TEST_GEMINI_API_KEY is set."""

import os
from collections.abc import AsyncIterator
from typing import Final

import pytest
from pytest_socket import socket_allow_hosts

from domain.chat.conversation import ChatMessage
from domain.text.classify import Classify
from domain.text.moderate import Moderate
from domain.text.summarize import Summarize
from providers.text.gemini import GeminiTextProvider
from runtime.settings import Settings
from tests.support.gemini_meeting import BRIDGE

_KEY: Final = os.environ.get("TEST_GEMINI_API_KEY", "")

pytestmark = [
    pytest.mark.skipif(not _KEY, reason="asks the real Gemini, which takes TEST_GEMINI_API_KEY"),
    pytest.mark.filterwarnings("ignore:Inheritance class Aiohttp:DeprecationWarning"),
]


@pytest.fixture
async def gemini() -> AsyncIterator[GeminiTextProvider]:
    socket_allow_hosts(["generativelanguage.googleapis.com", "127.0.0.1", "::1"], allow_unix_socket=True)
    provider = GeminiTextProvider(_KEY, model=Settings().gemini_model)
    yield provider
    await provider.aclose()


async def test_the_real_one_answers_and_counts_its_tokens(gemini: GeminiTextProvider) -> None:
    summary = await gemini.summarize(Summarize(text=BRIDGE.text, max_chars=80))
    assert 0 < len(summary.value.summary) <= 80
    assert summary.usage is not None
    assert summary.usage.prompt_tokens > 0
    assert (await gemini.moderate(Moderate(text="I will find you and hurt you."))).value.flagged
    chosen = await gemini.classify(Classify(text="They won the final after extra time.", labels=("food", "sports")))
    assert chosen.value.category == "sports"
    parts = [part async for part in gemini.reply([ChatMessage(role="user", text="Say hello in one word.")])]
    assert "".join(part.text for part in parts).strip()
    assert parts[-1].usage is not None
