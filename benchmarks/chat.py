"""How soon the first word of a reply is there: from a message to the first of its text, beside asking Gemini directly.

Starts a platform of its own whose Gemini is the stand-in of the tests, which takes `delay` seconds to its first word.
By turns one client asks the stand-in itself, and sends a message and follows the reply, each over a connection that is
kept. Prints one line of JSON with a verdict. Run by `headrace bench chat`.

What the machine does beside moves these figures more than most changes do. With `--beside` a platform of another
checkout, in this one's environment, is asked by turns with this one's, so that both have the same of it.
"""

# ruff: noqa: INP001 - run by its path, never imported

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import msgspec
from msgspec import Struct

from tests.support.gemini_script import Says
from tests.support.gemini_server import gemini_server
from tests.support.own_platform import Ready, asking, own_platform

PATIENCE_SECONDS = 30
WARM_UPS = 5
MOST_MORE_MS = 20.0
QUESTION = "Will the wheel turn when more water comes?"
MODEL = "gemini-3.8-flash"


class Times(Struct, frozen=True):
    """Milliseconds."""

    p50: float
    p95: float


class Walk(Struct, frozen=True, kw_only=True):
    """Milliseconds."""

    again: float
    rested: float


class Beside(Struct, frozen=True, kw_only=True):
    """By how much the first word comes later from the other checkout's platform, in the mean over turns."""

    more_p50_ms: float
    later_ms: float
    standard_error_ms: float


class Figures(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was measured. `more_*`: by how much the first word is later than from the stand-in itself.

    `machine_ms`: what a million turns of a loop take this Python on this machine now. Nearly all of `more` is processor
    time of four processes after one another, so figures of two days are to be read beside it. Each of them rested
    before: `walk` is what a walk over 5,000 small objects takes, done again and again, and after a rest of 50 ms.
    Where the second is many times the first, as on shared machines it may be, the code of a reply is so late as well.
    """

    delay_ms: float
    replies: int
    direct: Times
    streamed: Times
    accepted: Times
    more_p50_ms: float
    more_p95_ms: float
    whole: int
    machine_ms: float
    walk: Walk
    holds: bool
    beside: Beside | None = None


class Reply(Struct, frozen=True):
    """Milliseconds to the answer's head, and to the first of its text; and whether all of the text came."""

    accepted: float
    first: float
    is_whole: bool


async def measure(*, replies: int, delay_seconds: float, beside: Path | None = None) -> Figures:
    """Ask directly and by way of the platform, by turns; and by way of that of another checkout."""
    said = Says(text="It will turn, and the mill with it, as long as the water comes.", delay_seconds=delay_seconds)
    script = [said] * (3 * (replies + WARM_UPS))
    async with gemini_server(*script) as gemini, AsyncExitStack() as opened:
        settings = asking(gemini.url) | {"HEADRACE_GEMINI_MODEL": MODEL}
        here = await opened.enter_async_context(own_platform(settings))
        ready = [here] if beside is None else [here, await opened.enter_async_context(own_platform(settings, beside))]
        clients = [await opened.enter_async_context(_client(one)) for one in ready]
        direct = await opened.enter_async_context(_direct_client(gemini.url))
        turns = [
            (await _ask_directly(direct), await _replies(clients, said.text, turn))
            for turn in range(WARM_UPS + replies)
        ][WARM_UPS:]
    alone = _times([directly for directly, _ in turns])
    streamed, *others = zip(*(replied for _, replied in turns), strict=True)
    first = _times([one.first for one in streamed])
    return Figures(
        delay_ms=delay_seconds * 1000,
        replies=replies,
        direct=alone,
        streamed=first,
        accepted=_times([one.accepted for one in streamed]),
        more_p50_ms=round(first.p50 - alone.p50, 2),
        more_p95_ms=round(first.p95 - alone.p95, 2),
        whole=sum(one.is_whole for one in streamed),
        machine_ms=_pace_of_machine(),
        walk=_walk(),
        holds=first.p50 - alone.p50 <= MOST_MORE_MS and all(one.is_whole for one in streamed),
        beside=_beside(alone, streamed, others[0]) if others else None,
    )


def _beside(alone: Times, here: Sequence[Reply], there: Sequence[Reply]) -> Beside:
    later = [other.first - one.first for one, other in zip(here, there, strict=True)]
    return Beside(
        more_p50_ms=round(_times([one.first for one in there]).p50 - alone.p50, 2),
        later_ms=round(statistics.fmean(later), 2),
        standard_error_ms=round(statistics.stdev(later) / len(later) ** 0.5, 2) if len(later) > 1 else 0.0,
    )


async def _ask_directly(client: httpx.AsyncClient) -> float:
    body = {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]}
    path = f"/v1beta/models/{MODEL}:streamGenerateContent"
    began = time.perf_counter()
    first = None
    async with client.stream("POST", path, params={"alt": "sse"}, json=body) as answer:
        async for line in answer.aiter_lines():
            if first is None and line.startswith("data: "):
                first = time.perf_counter()
    if first is None:
        raise SystemExit("headrace: the stand-in said nothing; there is nothing to measure.")
    return (first - began) * 1000


async def _replies(clients: Sequence[httpx.AsyncClient], wanted: str, turn: int) -> list[Reply]:
    """One of each client, in their order; each turn another is asked first, so that none profits from its place."""
    first = turn % len(clients)
    asked = [await _reply(client, wanted) for client in (*clients[first:], *clients[:first])]
    return asked[-first:] + asked[:-first] if first else asked


async def _reply(client: httpx.AsyncClient, wanted: str) -> Reply:
    """A first message in a conversation of its own, and the reply to it."""
    conversation = (await client.post("/v1/conversations", json={})).raise_for_status().json()
    text, event, first = "", "", None
    began = time.perf_counter()
    async with client.stream(
        "POST", f"/v1/conversations/{conversation['id']}/stream", json={"text": QUESTION}
    ) as answer:
        accepted = time.perf_counter()
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            elif line.startswith("data: ") and event in {"snapshot", "delta"}:
                told = msgspec.json.decode(line.removeprefix("data: "))
                text = told["text"] if event == "snapshot" else text + told["text"]
                first = first or (time.perf_counter() if text else None)
    if first is None:
        raise SystemExit(f"headrace: a reply ended as {event}, without a word; there is nothing to measure.")
    return Reply((accepted - began) * 1000, (first - began) * 1000, text == wanted)


def _times(values: list[float]) -> Times:
    ranked = sorted(values)
    return Times(*(round(ranked[min(len(ranked) - 1, int(len(ranked) * q))], 2) for q in (0.5, 0.95)))


def _pace_of_machine() -> float:
    def turn() -> float:
        began, total = time.perf_counter(), 0
        for number in range(1_000_000):
            total += number
        return (time.perf_counter() - began) * 1000

    return round(min(turn() for _ in range(5)), 1)


def _walk() -> Walk:
    things = [{number: number} for number in range(5_000)]
    random.Random(1).shuffle(things)  # noqa: S311 - so that none lies behind the one before

    def walk() -> float:
        began, total = time.perf_counter(), 0
        for one in things:
            total += len(one)
        return (time.perf_counter() - began) * 1000

    def rested() -> float:
        time.sleep(0.05)
        return walk()

    walk()
    again, after_rest = ([one() for _ in range(30)] for one in (walk, rested))
    return Walk(again=round(statistics.median(again), 2), rested=round(statistics.median(after_rest), 2))


def _direct_client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"x-goog-api-key": "any"}, timeout=PATIENCE_SECONDS, trust_env=False)


def _client(ready: Ready) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {ready.api_key}"}
    return httpx.AsyncClient(base_url=ready.api, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False)


def main() -> None:
    """Measure as the arguments say."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--replies", type=int, default=100)
    arguments.add_argument("--delay", type=float, default=0.2)
    arguments.add_argument("--beside", type=Path)
    given = arguments.parse_args()
    figures = asyncio.run(measure(replies=given.replies, delay_seconds=given.delay, beside=given.beside))
    print(msgspec.json.encode(figures).decode())  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main()
