import asyncio
import gc
from contextlib import aclosing
from typing import Self

import msgspec
import pytest
from google.genai import _api_client as sdk
from google.genai import types as sdk_types
from google.genai.types import GenerateContentResponse

from domain.chat.conversation import ChatMessage
from domain.errors import HeadraceError
from providers.text.gemini import GeminiTextProvider
from providers.text.provider import (
    ProviderAnswerMalformed,
    ProviderBlocked,
    ProviderDown,
    ProviderRefused,
    ProviderThrottled,
    ReplyPart,
    Usage,
)
from tests.support.gemini_meeting import MARKS, meeting
from tests.support.gemini_script import (
    Blocks,
    Breaks,
    Echoes,
    Hangs,
    NoCandidates,
    NoParts,
    Refuses,
    Resets,
    Says,
    Sends,
    Step,
    Truncates,
)

# The SDK makes its own kind of aiohttp session, which aiohttp discourages; theirs to settle.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class Aiohttp:DeprecationWarning")

HELLO = [ChatMessage("user", "Hello, who are you?")]


@pytest.fixture(params=["aiohttp", "httpx2"])
def each_transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run over each of the SDK's two transports."""
    monkeypatch.setattr(sdk, "has_aiohttp", request.param == "aiohttp")


async def parts_of(gemini: GeminiTextProvider, conversation: list[ChatMessage] | None = None) -> list[ReplyPart]:
    return [part async for part in gemini.reply(conversation or HELLO)]


async def broken_reply(step: Step, *, timeout_seconds: float = 10.0) -> tuple[str, HeadraceError]:
    shown = ""
    async with meeting(step, timeout_seconds=timeout_seconds) as (gemini, server):
        with pytest.raises(HeadraceError) as caught:  # noqa: PT012 - what was shown before it raised is the point
            async for part in gemini.reply(HELLO):
                shown += part.text
        assert len(server.requests) == 1, "the SDK asked again by itself"
    assert caught.value.__context__ is None
    return shown, caught.value


@pytest.mark.usefixtures("each_transport")
async def test_a_reply_comes_in_pieces_each_with_what_was_used_by_then() -> None:
    text = "I am a stand-in, café and 日本 included.\u2028Ask me anything."
    said = Says(text=text, chunk=7, thoughts="Who am I?", prompt_tokens=9, answer_tokens=11, thought_tokens=4)
    async with meeting(said) as (gemini, server):
        parts = await parts_of(gemini)
    assert "".join(part.text for part in parts) == text
    assert len(parts) > 5
    used = [(part.usage.prompt_tokens, part.usage.output_tokens) for part in parts if part.usage is not None]
    assert len(used) == len(parts)
    assert used[0] == (9, 4), "of thoughts too, before a word is said"
    assert used == sorted(used)
    assert parts[-1].usage == Usage(
        engine="gemini", model="gemini-test", prompt_tokens=9, output_tokens=15, prompt_version="reply-1"
    )
    assert (server.requests[0].path, server.requests[0].query) == (
        "/v1/models/gemini-test:streamGenerateContent",
        "alt=sse",
    )


async def test_the_context_begins_with_a_users_turn() -> None:
    long = [ChatMessage("user" if turn % 2 == 0 else "assistant", f"turn {turn}") for turn in range(41)]
    async with meeting() as (gemini, server):
        await parts_of(gemini, long[-20:])
    asked = server.requests[0]
    assert asked.roles == ("user", "model") * 9 + ("user",)
    assert asked.user == "turn 40"
    assert "turn" not in asked.system.replace("user's turn", "")


async def test_a_conversation_without_a_users_turn_is_refused_unasked() -> None:
    async with meeting() as (gemini, server):
        with pytest.raises(ProviderRefused):
            await parts_of(gemini, [ChatMessage("assistant", "Anybody there?")])
    assert server.requests == []


async def test_a_stream_without_usage_still_ends_with_one() -> None:
    async with meeting(Says(text="Hi.", counts_tokens=False)) as (gemini, _):
        parts = await parts_of(gemini)
    assert parts[-1].usage == Usage(engine="gemini", model="gemini-test", prompt_version="reply-1")


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize(
    ("then", "error"),
    [
        (Refuses(code=503), ProviderDown),
        (Refuses(code=500), ProviderDown),
        (Refuses(code=429, retry_delay="4s"), ProviderThrottled),
        (Refuses(code=400), ProviderRefused),
        (Resets(), ProviderDown),
        (Truncates(), (ProviderDown, ProviderAnswerMalformed)),
        (Blocks(), ProviderBlocked),
        (NoParts(finish="SAFETY"), ProviderBlocked),
        (NoParts(finish="MAX_TOKENS"), ProviderAnswerMalformed),
        (NoParts(finish="OTHER"), ProviderAnswerMalformed),
        (Sends(body=b""), ProviderAnswerMalformed),
        (Sends(body=b"data: {oops}\r\n\r\n"), ProviderAnswerMalformed),
        (Sends(body=b'data: {"error": {"message": "no code"}}\r\n\r\n'), ProviderAnswerMalformed),
        (Sends(body=b'data: {"error": "down"}\r\n\r\n'), ProviderAnswerMalformed),
    ],
    ids=repr,
)
async def test_an_error_in_the_middle_ends_the_reply_with_its_meaning(then: Step, error: type[HeadraceError]) -> None:
    shown, raised = await broken_reply(Breaks(words=("Well, ", "I think "), then=then))
    assert "Well, I think ".startswith(shown)
    assert isinstance(raised, error)
    if isinstance(raised, ProviderThrottled):
        assert raised.retry_after_seconds == 4


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (Refuses(code=429, retry_after="5"), ProviderThrottled),
        (Refuses(code=503), ProviderDown),
        (Refuses(code=401), ProviderRefused),
        (Resets(), ProviderDown),
        (Blocks(reason="JAILBREAK"), ProviderBlocked),
        (NoCandidates(), ProviderAnswerMalformed),
        (NoParts(), ProviderAnswerMalformed),
        (Says(text=""), ProviderAnswerMalformed),
        (Says(text="Cut off", finish=None), ProviderAnswerMalformed),
        (Says(text="word " * 5000, chunk=999), ProviderAnswerMalformed),
        (Says(text="x" * 1_000_000, chunk=1_000_000), ProviderAnswerMalformed),
    ],
    ids=lambda step: repr(step)[:80],
)
async def test_a_reply_that_fails_has_one_meaning(step: Step, error: type[HeadraceError]) -> None:
    _, raised = await broken_reply(step)
    assert isinstance(raised, error)


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize("step", [Hangs(), Breaks(words=("Well, ",), then=Hangs())], ids=["at once", "in the middle"])
async def test_silence_in_a_stream_ends_at_the_timeout(step: Step) -> None:
    _, raised = await broken_reply(step, timeout_seconds=0.4)
    assert isinstance(raised, ProviderDown)


@pytest.mark.parametrize("chunk", [1, 3, 7, 1000])
@pytest.mark.parametrize("between", ["", " ", "*", "\u200b"])
async def test_the_canary_never_gets_out_however_it_is_cut(chunk: int, between: str) -> None:
    said = Says(text=f"My reference is {between.join(MARKS.canary)}, as told.", chunk=chunk)
    shown, raised = await broken_reply(said)
    assert isinstance(raised, ProviderBlocked)
    assert "My reference is ".startswith(shown)


async def test_an_echo_of_the_system_text_is_stopped() -> None:
    shown, raised = await broken_reply(Echoes(system=True))
    assert isinstance(raised, ProviderBlocked)
    assert MARKS.canary[:4] not in shown


async def test_words_that_only_begin_like_the_canary_are_shown_whole() -> None:
    text = "zqx, said the parrot: zqx01234 zqx0123456789abcde z"
    async with meeting(Says(text=text, chunk=2)) as (gemini, _):
        assert "".join(part.text for part in await parts_of(gemini)) == text


@pytest.mark.usefixtures("each_transport")
async def test_a_reader_who_leaves_frees_the_connection() -> None:
    async with meeting(Breaks(words=("One ", "two "), then=Hangs()), Says(text="Again.")) as (gemini, server):
        async with aclosing(gemini.reply(HELLO)) as reply:
            # the last letters may be held back, for they may begin what must not be said
            assert "One ".startswith((await anext(reply)).text or "nothing")
        await asyncio.wait_for(server.left_by_client.wait(), 5)
        assert "".join(part.text for part in await parts_of(gemini)) == "Again."


@pytest.mark.usefixtures("each_transport")
async def test_a_reader_who_leaves_in_the_middle_of_a_burst_frees_the_connection_too() -> None:
    burst = Says(text="One and all. " * 2_000, chunk=13)
    async with meeting(burst, Says(text="Again.")) as (gemini, server):
        async with aclosing(gemini.reply(HELLO)) as reply:
            while not (await anext(reply)).text:
                pass
        gc.collect()
        assert "".join(part.text for part in await parts_of(gemini)) == "Again."
        assert server.connections <= 2
    gc.collect()


@pytest.mark.usefixtures("each_transport")
async def test_the_first_word_does_not_wait_for_what_comes_right_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0

    class Counted(GenerateContentResponse):
        @classmethod
        def _from_response(cls, *, response: dict[str, object], kwargs: dict[str, object]) -> Self:
            nonlocal read
            read += 1
            return super()._from_response(response=response, kwargs=kwargs)

    monkeypatch.setattr(sdk_types, "GenerateContentResponse", Counted)
    candidate = {"content": {"role": "model", "parts": [{"text": "One and all. "}]}, "finishReason": "STOP"}
    event = b"data: " + msgspec.json.encode({"candidates": [candidate]}) + b"\r\n\r\n"
    said = Sends(body=event * 200, content_type="text/event-stream")
    async with meeting(said) as (gemini, _), aclosing(gemini.reply(HELLO)) as reply:
        while not (await anext(reply)).text:
            pass
        assert 0 < read < 5
        async for _part in reply:
            pass
    assert read == 200
