import asyncio
import pickle
import traceback

import pytest
from google.genai import _api_client as sdk

from domain.jobs.verdict import outcome_of
from providers.text.gemini import GeminiTextProvider
from providers.text.provider import (
    ProviderDown,
    ProviderRefused,
    ProviderThrottled,
)
from tests.support.gemini_meeting import BRIDGE, KEY, meeting, raised_by
from tests.support.gemini_script import (
    Answers,
    Blocks,
    Hangs,
    Refuses,
    Resets,
    Sends,
    Step,
    Truncates,
)
from tests.support.gemini_server import gemini_server

# The SDK makes its own kind of aiohttp session, which aiohttp discourages; theirs to settle.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Inheritance class Aiohttp:DeprecationWarning"),
    pytest.mark.usefixtures("each_transport"),
]


@pytest.fixture(params=["aiohttp", "httpx2"])
def each_transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run over each of the SDK's two transports."""
    monkeypatch.setattr(sdk, "has_aiohttp", request.param == "aiohttp")


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (Refuses(code=429), None),
        (Refuses(code=429, retry_delay="7s"), 7.0),
        (Refuses(code=429, retry_delay="0.5s"), 0.5),
        (Refuses(code=429, retry_after="11"), 11.0),
        (Refuses(code=429, retry_after="3", retry_delay="20.25s"), 20.25),
        (Refuses(code=429, retry_after="99999999"), 86_400.0),
        (Refuses(code=429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"), None),
        (Refuses(code=429, retry_after="Wed, 21 Oct 2995 07:28:00 GMT"), 86_400.0),
        (Refuses(code=429, retry_after="Wed, 21 Oct 99999999999 07:28:00 GMT"), None),
        (Refuses(code=429, retry_after="Fri, 31 Dec 9999 23:59:59 -2359"), 86_400.0),
        (Refuses(code=429, retry_after="soon", retry_delay="later"), None),
        (Refuses(code=429, retry_after="nan", retry_delay="-4s"), None),
        (Sends(code=429, body=b"slow down", content_type="text/plain"), None),
        (Sends(code=429, body=b'{"error": {"code": 429, "details": "x"}}'), None),
    ],
    ids=repr,
)
async def test_throttling_says_when_to_come_back(step: Step, seconds: float | None) -> None:
    raised = await raised_by(step)
    assert isinstance(raised, ProviderThrottled)
    assert raised.retry_after_seconds == seconds
    outcome = outcome_of(raised)
    assert outcome.error.retryable
    assert outcome.at_least.total_seconds() == (seconds or 0)


@pytest.mark.parametrize("code", [408, 500, 502, 503, 504, 599, 204])
async def test_a_passing_fault_is_down(code: int) -> None:
    step = Sends(code=204, body=b"") if code == 204 else Refuses(code=code)
    raised = await raised_by(step)
    assert isinstance(raised, ProviderDown)
    assert raised.retryable


async def test_a_fault_with_a_retry_after_keeps_it() -> None:
    raised = await raised_by(Refuses(code=503, retry_after="30"))
    assert isinstance(raised, ProviderDown)
    assert raised.retry_after_seconds == 30


@pytest.mark.parametrize("code", [400, 401, 403, 404, 413])
async def test_a_refusal_says_geminis_reason_and_is_not_tried_again(code: int) -> None:
    raised = await raised_by(Refuses(code=code, message=f"No, not with {KEY}\nand ada@example.org never"))
    assert isinstance(raised, ProviderRefused)
    assert not raised.retryable
    assert raised.detail == f"Gemini answered {code}: No, not with *** and [EMAIL_1] never"


@pytest.mark.parametrize("step", [Hangs(), Answers(delay_seconds=30)], ids=["silence", "slowness"])
async def test_silence_ends_at_the_timeout(step: Step) -> None:
    raised = await raised_by(step, timeout_seconds=0.4)
    assert isinstance(raised, ProviderDown)


@pytest.mark.parametrize("step", [Resets(), Truncates()], ids=["reset", "cut"])
async def test_a_broken_connection_is_down(step: Step) -> None:
    assert isinstance(await raised_by(step), ProviderDown)


async def test_nobody_listening_is_down_at_once() -> None:
    async with gemini_server() as server:
        url = server.url
    gemini = GeminiTextProvider(KEY, base_url=url, model="gemini-test")
    try:
        async with asyncio.timeout(0.9):  # the SDK's own retry would sleep for a second or more
            with pytest.raises(ProviderDown):
                await gemini.summarize(BRIDGE)
    finally:
        await gemini.aclose()


@pytest.mark.parametrize(
    "step",
    [Refuses(code=429, retry_delay="7s"), Refuses(code=500), Refuses(code=400), Resets(), Blocks(), Sends(body=b"{")],
    ids=repr,
)
async def test_an_error_survives_pickling_and_never_holds_the_key(step: Step) -> None:
    raised = await raised_by(step)
    again = pickle.loads(pickle.dumps(raised))  # noqa: S301 - our own bytes
    assert (type(again), again.detail, vars(again)) == (type(raised), raised.detail, vars(raised))
    assert raised.__context__ is None
    assert raised.__cause__ is None
    assert KEY not in "".join(traceback.format_exception(raised)) + repr(vars(raised))


async def test_a_cancelled_call_stops_asking() -> None:
    async with meeting(Hangs(), Answers()) as (gemini, server):
        asking = asyncio.create_task(gemini.summarize(BRIDGE))
        await asyncio.wait_for(server.asked.wait(), 5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(server.left_by_client.wait(), 5)
        assert (await gemini.summarize(BRIDGE)).value.summary


async def test_many_calls_at_once_are_answered_and_closing_twice_is_fine() -> None:
    async with meeting() as (gemini, server):
        answers = await asyncio.gather(*(gemini.summarize(BRIDGE) for _ in range(20)))
        assert len({answer.value.summary for answer in answers}) == 1
        assert len(server.requests) == 20
        await gemini.aclose()


async def test_the_environment_cannot_send_the_key_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v9")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GEMINI_API_KEY", "another")
    async with meeting() as (gemini, server):
        await gemini.summarize(BRIDGE)
    assert server.requests[0].path == "/v1/models/gemini-test:generateContent"
    assert server.requests[0].headers["x-goog-api-key"] == KEY
