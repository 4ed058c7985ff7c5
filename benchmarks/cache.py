"""What the answer cache saves: POST with `Prefer: wait` to the result, where Gemini is asked and where it need not be.

Starts a platform of its own whose Gemini is the stand-in of the tests, which answers after `delay` seconds. One client
submits texts one after the other: first each a new one, then one again and again. Then `alike` clients submit the same
new text at once. Prints one line of JSON. Run by `headrace bench cache`.
"""

# ruff: noqa: INP001 - run by its path, never imported

import argparse
import asyncio
import time

import httpx
import msgspec
from msgspec import Struct

from tests.support.gemini_script import Answers
from tests.support.gemini_server import gemini_server
from tests.support.own_platform import Ready, asking, own_platform

PATIENCE_SECONDS = 60
MOST_MISSES = 20
MOST_P50_MS = 10.0


class Figures(Struct, frozen=True, kw_only=True):
    """What was measured; times in milliseconds from POST to the finished job, at one client."""

    delay_ms: float
    misses: int
    miss_p50_ms: float
    hits: int
    hit_p50_ms: float
    hit_p99_ms: float
    ratio: float
    calls_for_hits: int
    alike: int
    calls_for_alike: int
    alike_succeeded: int
    holds: bool


async def measure(*, hits: int, alike: int, delay_seconds: float) -> Figures:
    """Ask anew, ask again, and ask at once."""
    slow = [Answers(delay_seconds=delay_seconds) for _ in range(MOST_MISSES + hits + alike + 10)]
    async with gemini_server(*slow) as gemini, own_platform(asking(gemini.url)) as ready, client_of(ready) as client:
        await _time(client, "Warm-up, the first.")
        misses = sorted([await _time(client, f"The wheel turns {n} times.") for n in range(MOST_MISSES)])
        before = len(gemini.requests)
        again = sorted([await _time(client, "The wheel turns 0 times.") for _ in range(hits)])
        calls = len(gemini.requests) - before
        before = len(gemini.requests)
        ends = await asyncio.gather(*(_ends(client, "All ask this at once.") for _ in range(alike)))
        calls_for_alike = len(gemini.requests) - before
    hit, miss = again[len(again) // 2], misses[len(misses) // 2]
    return Figures(
        delay_ms=delay_seconds * 1000,
        misses=len(misses),
        miss_p50_ms=round(miss, 1),
        hits=hits,
        hit_p50_ms=round(hit, 2),
        hit_p99_ms=round(again[min(len(again) - 1, int(len(again) * 0.99))], 2),
        ratio=round(miss / hit, 1),
        calls_for_hits=calls,
        alike=alike,
        calls_for_alike=calls_for_alike,
        alike_succeeded=sum(ends),
        holds=hit <= MOST_P50_MS and calls == 0 and calls_for_alike == 1 and all(ends),
    )


async def _time(client: httpx.AsyncClient, text: str) -> float:
    began = time.perf_counter()
    if not await _ends(client, text):
        raise SystemExit("headrace: a job did not succeed; there is nothing to measure.")
    return (time.perf_counter() - began) * 1000


async def _ends(client: httpx.AsyncClient, text: str) -> bool:
    answer = await client.post("/v1/text/summarize", json={"text": text})
    return answer.status_code == httpx.codes.OK and answer.json()["state"] == "succeeded"


def client_of(ready: Ready) -> httpx.AsyncClient:
    """A client that waits for its jobs, on as many connections as it likes."""
    headers = {"Authorization": f"Bearer {ready.api_key}", "Prefer": f"wait={PATIENCE_SECONDS}"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    return httpx.AsyncClient(base_url=ready.api, headers=headers, timeout=PATIENCE_SECONDS + 5, limits=limits)


def main() -> None:
    """Measure as the arguments say."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--hits", type=int, default=500)
    arguments.add_argument("--alike", type=int, default=200)
    arguments.add_argument("--delay", type=float, default=0.4)
    given = arguments.parse_args()
    figures = asyncio.run(measure(hits=given.hits, alike=given.alike, delay_seconds=given.delay))
    print(msgspec.json.encode(figures).decode())  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main()
