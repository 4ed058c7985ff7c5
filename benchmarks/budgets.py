"""Budgets under jobs that run at once, and what screening is of a text job's time; over HTTP, as a client meets them.

Starts a platform of its own whose Gemini is the stand-in of the tests, which answers at once. Prints one line of JSON.
`headrace bench text` tells the same figures (`tools.text.bench`).
"""

# ruff: noqa: INP001 - run by its path, or by tools.text.bench

import argparse
import asyncio
import itertools
import time
from contextlib import AsyncExitStack
from typing import Any, ClassVar

import httpx
import msgspec
from msgspec import Struct

from benchmarks.cache import client_of
from tests.support.gemini_server import GeminiServer
from tests.support.own_platform import asking, own_platform

SAMPLES = 40
WARM_UP = 5
_PROMPT_MOST = 400
MOST_OUTPUT = 200
MODEL = "gemini-bench"
TEXT = (
    "The town council met on Tuesday to settle where the new footbridge will stand. Engineers had drawn three plans, "
    "and the cheapest of them, beside the old mill, won by 7 votes to 4. Work is to begin in March and to last a year."
)


class Figures(Struct, frozen=True, kw_only=True):
    """What was measured. `beyond`: how many of Gemini's answers were billed past the cap, the one that passed it too.

    `job_p50_ms` is from POST to the result of one job after the other, `screening_ms` that of screening such a text.
    """

    jobs: int
    cap: int
    calls: int
    billed: int
    beyond: int
    succeeded: int
    job_p50_ms: float
    screening_ms: float


async def measure(*, jobs: int) -> Figures:
    """Time single jobs; then set a budget for some of `jobs` that are asked for at once."""

    class Books(GeminiServer):
        """The stand-in, with its own books: the platform's might be wrong."""

        billed: ClassVar[list[int]] = []

        def told(self, _asked: object, said: dict[str, Any]) -> None:
            if "usageMetadata" in said:
                self.billed.append(said["usageMetadata"]["totalTokenCount"])

    told = {
        "HEADRACE_GEMINI_MODEL": MODEL,
        "HEADRACE_GEMINI_KINDS": msgspec.json.encode({"text.summarize": {"most_output_tokens": MOST_OUTPUT}}).decode(),
    }
    async with AsyncExitStack() as stack:
        gemini = Books()
        await gemini.start()
        stack.push_async_callback(gemini.stop)
        ready = await stack.enter_async_context(own_platform(asking(gemini.url) | told))
        client = await stack.enter_async_context(client_of(ready))
        took = sorted([await _timed(client, f"{TEXT} Number {n}.") for n in range(WARM_UP + SAMPLES)][WARM_UP:])
        before, one = sum(gemini.billed), gemini.billed[-1]
        # for some dozen: what is set aside for one is the most it may take, a repair included
        cap = before + 12 * one + 2 * (_PROMPT_MOST + one) + 3 * MOST_OUTPUT
        answer = await client.put("/v1/budgets", json={"budgets": [{"tokens": cap}]})
        answer.raise_for_status()
        ends = await asyncio.gather(*(_ends(client, f"{TEXT} At once, {n}.") for n in range(jobs)))
    running = list(itertools.accumulate(gemini.billed))
    return Figures(
        jobs=jobs,
        cap=cap,
        calls=len(running) - SAMPLES - WARM_UP,
        billed=running[-1],
        beyond=sum(tokens > cap for tokens in running),
        succeeded=sum(ends),
        job_p50_ms=round(took[len(took) // 2], 2),
        screening_ms=round(_screening_ms(), 3),
    )


def _screening_ms() -> float:
    from providers.text.local.guard import Guard  # noqa: PLC0415 - numpy and the model, once they are wanted

    guard = Guard()
    times = []
    for n in range(SAMPLES):
        began = time.perf_counter()
        guard.flags(f"{TEXT} Number {n}.")
        times.append(time.perf_counter() - began)
    return sorted(times)[SAMPLES // 2] * 1000


async def _timed(client: httpx.AsyncClient, text: str) -> float:
    began = time.perf_counter()
    if not await _ends(client, text):
        raise SystemExit("headrace: a job did not succeed; there is nothing to measure.")
    return (time.perf_counter() - began) * 1000


async def _ends(client: httpx.AsyncClient, text: str) -> bool:
    answer = await client.post("/v1/text/summarize", json={"text": text})
    return answer.status_code == httpx.codes.OK and answer.json()["state"] == "succeeded"


def main() -> None:
    """Measure as the arguments say."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--jobs", type=int, default=100)
    figures = asyncio.run(measure(jobs=arguments.parse_args().jobs))
    print(msgspec.json.encode(figures).decode())  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main()
