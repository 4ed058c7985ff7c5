"""What screening takes of a text job's time, and of a long text's, beside a stand-in for Gemini and the local engine.

Starts a platform of its own twice: with a stand-in for Gemini that answers after `delay` seconds, and with the local
engine alone. One client submits jobs one after the other, each with a text of its own, and times them from POST to
result. Screening is timed in this process, on the processor, over the same texts. Prints a list of JSON. Run by
`headrace bench safety`.
"""

# ruff: noqa: INP001 - run by its path, never imported

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable

import httpx
import msgspec
from msgspec import Struct

from domain.text.injection import rules_in
from domain.text.personal import find_personal
from domain.text.unveil import layers_of, unveiled
from providers.text.local.guard import Guard
from tests.support.gemini_script import Answers
from tests.support.gemini_server import gemini_server
from tests.support.own_platform import Ready, asking, own_platform

PATIENCE_SECONDS = 60
LONG = 100_000
TIMES = 5
SENTENCES = (
    "The old bridge over the harbour was closed again on Monday, and nobody was told why.",
    "Drivers waited for more than an hour while two engineers looked at a cable.",
    "I would like to know when my order arrives, since the message I got on 12 May said tomorrow.",
    "Please write to the office, or call before noon; they answer every question.",
    "The council will decide next week whether to repair it or to build a new one beside it.",
    "It has carried trains, carts and floods since 1894, and the people here are fond of it.",
    "“We shall do what is right,” said the mayor, “and we shall say what it costs.”",
)


class Figure(Struct, frozen=True, kw_only=True):
    """A figure: the share of a kind's jobs, with what it is made of, or the time of a part for 100 KB."""

    figure: str
    engine: str = ""
    chars: int
    value: float
    unit: str
    job_ms: float | None = None
    screening_ms: float | None = None


async def measure(*, jobs: int, delay_seconds: float) -> list[Figure]:
    """Jobs of each kind beside each engine, then the parts of screening over one long text."""
    guard = Guard()
    guard.flags("read the model")
    found: list[Figure] = []
    slow = [Answers(delay_seconds=delay_seconds) for _ in range(12 * jobs + 100)]
    async with gemini_server(*slow) as gemini, own_platform(asking(gemini.url)) as ready, _client(ready) as client:
        found += await _shares(client, guard, "gemini", jobs)
    async with own_platform({"HEADRACE_LOG_LEVEL": "warning"}) as ready, _client(ready) as client:
        found += await _shares(client, guard, "local", jobs)
    return found + _parts(guard)


async def _shares(client: httpx.AsyncClient, guard: Guard, engine: str, jobs: int) -> list[Figure]:
    found: list[Figure] = []
    for kind, path in (
        *((kind, f"/v1/text/{kind}") for kind in ("summarize", "moderate", "classify", "generate")),
        ("chat", await _conversation(client)),
    ):
        for chars in (300, 2_000):
            texts = [text_of(chars, number) for number in range(jobs + 1)]
            took = [await _time(client, path, _input(kind, text)) for text in texts][1:]  # the first one warms up
            job = statistics.median(took)
            screening = statistics.median(_ms(lambda text=text: guard.flags(text)) for text in texts)  # type: ignore[misc]
            found.append(
                Figure(
                    figure=f"share of {kind}",
                    engine=engine,
                    chars=chars,
                    value=round(100 * screening / job, 2),
                    unit="%",
                    job_ms=round(job, 1),
                    screening_ms=round(screening, 2),
                )
            )
    return found


def _input(kind: str, text: str) -> dict[str, str]:
    return {"format": "email", "brief": text} if kind == "generate" else {"text": text}


def _parts(guard: Guard) -> list[Figure]:
    text = text_of(LONG, 0)
    shown = unveiled(text)
    parts: tuple[tuple[str, Callable[[], object]], ...] = (
        ("disguises taken off", lambda: [unveiled(each) for each in (text, *layers_of(text))]),
        ("rules", lambda: rules_in([shown])),
        ("detector", lambda: guard.scores(text)),
        ("screening", lambda: guard.flags(text)),
        ("personal data", lambda: find_personal(text)),
    )
    return [Figure(figure=name, chars=len(text), value=round(_ms(work), 1), unit="ms") for name, work in parts]


def text_of(chars: int, number: int) -> str:
    """A text of sentences in turn, like no other that is made for another number."""
    parts = [f"Letter {number}."]
    while sum(map(len, parts)) + len(parts) < chars:
        parts.append(SENTENCES[(number + len(parts)) % len(SENTENCES)])
    return " ".join(parts)[:chars]


def _ms(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(TIMES):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best * 1000


async def _conversation(client: httpx.AsyncClient) -> str:
    begun = (await client.post("/v1/conversations", json={"title": "About the bridge"})).json()
    return f"/v1/conversations/{begun['id']}/messages"


async def _time(client: httpx.AsyncClient, path: str, body: dict[str, str]) -> float:
    began = time.perf_counter()
    answer = await client.post(path, json=body)
    if answer.status_code != httpx.codes.OK or answer.json()["state"] != "succeeded":
        raise SystemExit(f"headrace: a job did not succeed; there is nothing to measure. {answer.text[:500]}")
    return (time.perf_counter() - began) * 1000


def _client(ready: Ready) -> httpx.AsyncClient:
    headers = {
        "Authorization": f"Bearer {ready.api_key}",
        "Prefer": f"wait={PATIENCE_SECONDS}",
        "Cache-Control": "no-cache",
    }
    return httpx.AsyncClient(base_url=ready.api, headers=headers, timeout=PATIENCE_SECONDS + 5)


def main() -> None:
    """Measure as the arguments say."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--jobs", type=int, default=30)
    arguments.add_argument("--delay", type=float, default=0.0)
    given = arguments.parse_args()
    figures = asyncio.run(measure(jobs=given.jobs, delay_seconds=given.delay))
    print(msgspec.json.encode(figures).decode())  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main()
