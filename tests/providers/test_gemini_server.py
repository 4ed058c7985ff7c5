import asyncio
import sys
from pathlib import Path

import httpx
import pytest

from domain.text.classify import Classify
from domain.text.generate import Generate
from domain.text.moderate import Moderate
from domain.text.summarize import Summarize
from providers.text.gemini import GeminiTextProvider
from tests.support.gemini_script import JsonObject
from tests.support.gemini_server import gemini_server

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class Aiohttp:DeprecationWarning")

KEY = {"x-goog-api-key": "any"}
HELLO: JsonObject = {"contents": [{"role": "user", "parts": [{"text": "Hello there, who are you?"}]}]}
MODEL = "models/gemini-test"


def with_schema(schema: JsonObject) -> JsonObject:
    return HELLO | {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema}}


async def test_it_answers_plausibly_for_every_kind() -> None:
    async with gemini_server() as server:
        gemini = GeminiTextProvider("any", base_url=server.url, model="gemini-test")
        try:
            summary = await gemini.summarize(Summarize(text="The bridge reopened on Monday. Ferries stop."))
            rude = await gemini.moderate(Moderate(text="You stupid idiot, I hate you."))
            kind = await gemini.moderate(Moderate(text="What a lovely lamp."))
            news = await gemini.classify(Classify(text="A great day for sports: they won.", labels=("food", "sports")))
            email = await gemini.generate(Generate(format="email", brief="Order 1843 ships on Friday.", max_words=30))
        finally:
            await gemini.aclose()
    assert summary.value.summary == "The bridge reopened on Monday."
    assert (rude.value.flagged, kind.value.flagged) == (True, False)
    assert (news.value.category, news.value.sentiment, news.value.language) == ("sports", "positive", "en")
    assert "1843" in email.value.text
    assert all(answer.usage is not None for answer in (summary, rude, kind, news, email))


@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_gemini_is_asked_by_the_proxy_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    async with gemini_server() as server:
        monkeypatch.setenv("http_proxy", scheme + server.url.removeprefix("http://"))
        gemini = GeminiTextProvider("any", base_url="http://gemini.invalid/", model="gemini-test")
        try:
            await gemini.moderate(Moderate(text="What a lovely lamp."))
        finally:
            await gemini.aclose()
    assert server.requests[0].headers["host"] == "gemini.invalid"


async def test_gemini_is_asked_itself_where_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gemini_server() as server:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        gemini = GeminiTextProvider("any", base_url=server.url, model="gemini-test")
        try:
            await gemini.moderate(Moderate(text="What a lovely lamp."))
        finally:
            await gemini.aclose()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "assistant"),
        (HELLO | {"prompt": "x"}, "prompt"),
        (with_schema({"type": "string", "minLength": 1}), "minLength"),
        (with_schema({"type": "array", "items": {"type": "string", "pattern": "x"}}), "pattern"),
        (with_schema({"type": "object", "properties": {"a": {"type": "string", "examples": []}}}), "examples"),
        (HELLO | {"generationConfig": {"responseJsonSchema": {"type": "string"}}}, "responseMimeType"),
    ],
)
async def test_it_refuses_what_gemini_refuses(body: JsonObject, says: str) -> None:
    async with gemini_server() as server, httpx.AsyncClient(base_url=server.url, headers=KEY) as http:
        answer = await http.post(f"/v1/{MODEL}:generateContent", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert says in answer.json()["error"]["message"]


async def test_it_wants_a_key_and_knows_its_paths() -> None:
    async with gemini_server() as server, httpx.AsyncClient(base_url=server.url) as http:
        assert (await http.post(f"/v1/{MODEL}:generateContent", json=HELLO)).status_code == 403
        assert (await http.post(f"/v1/{MODEL}:sing", json=HELLO, headers=KEY)).status_code == 404
        assert (await http.get(f"/v1/{MODEL}:generateContent", headers=KEY)).status_code == 404
        assert (await http.post(f"/v1beta/{MODEL}:generateContent", json=HELLO, headers=KEY)).status_code == 200
        counted = await http.post(f"/v1beta/{MODEL}:countTokens", json=HELLO, headers=KEY)
        streamed = await http.post(f"/v1/{MODEL}:streamGenerateContent?alt=sse", json=HELLO, headers=KEY)
    assert counted.json() == {"totalTokens": 7}
    assert streamed.headers["content-type"] == "text/event-stream"
    assert streamed.text.count("data: ") > 2
    assert streamed.text.count('"finishReason": "STOP"') == 1
    assert streamed.text.count("usageMetadata") == streamed.text.count("data: "), "each counts from the beginning"


async def test_it_runs_by_itself() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.gemini_server",
        "--port",
        "0",
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        url = line.rstrip().rpartition("HEADRACE_GEMINI_BASE_URL=")[2]
        async with httpx.AsyncClient(base_url=url, headers=KEY) as http:
            answer = await http.post(f"/v1/{MODEL}:generateContent", json=HELLO)
        assert answer.json()["candidates"][0]["finishReason"] == "STOP"
    finally:
        process.terminate()
        await process.wait()
