"""From POST to result, open loop: jobs are sent at a steady rate whether or not earlier ones are back.

Each job is timed from the moment it was due to be sent, so a platform that stalls cannot hide it by being asked less.
Prints one line of JSON. Run by `headrace bench jobs`.
"""

# ruff: noqa: INP001 - run by its path, never imported

import argparse
import asyncio
import time

import httpx
import msgspec
from msgspec import Struct

from runtime.settings import read_settings

WAIT_SECONDS = 30


class Figures(Struct, frozen=True):
    """What was measured; times in milliseconds from when a job was due to be sent to its result."""

    kind: str
    rate: float
    seconds: float
    jobs: int
    succeeded: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    worst_ms: float


async def measure(url: str, key: str, *, kind: str, rate: float, seconds: float) -> Figures:
    """Send `rate` jobs a second for so many seconds and wait for them all."""
    jobs = max(1, int(rate * seconds))
    limits = httpx.Limits(max_connections=1000, max_keepalive_connections=1000)
    headers = {"Authorization": f"Bearer {key}", "Prefer": f"wait={WAIT_SECONDS}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=WAIT_SECONDS + 5) as client:
        await _do(client, kind, "warm-up", time.perf_counter())
        begin = time.perf_counter() + 0.1
        async with asyncio.TaskGroup() as group:
            sent = [group.create_task(_do(client, kind, str(n), begin + n / rate)) for n in range(jobs)]
    times = sorted(each.result() for each in sent)
    done = [each for each in times if each != float("inf")]
    return Figures(
        kind=kind,
        rate=rate,
        seconds=seconds,
        jobs=jobs,
        succeeded=len(done),
        p50_ms=_quantile(times, 0.50),
        p90_ms=_quantile(times, 0.90),
        p99_ms=_quantile(times, 0.99),
        worst_ms=_quantile(times, 1.0),
    )


async def _do(client: httpx.AsyncClient, kind: str, name: str, due: float) -> float:
    """The milliseconds one job took; infinite when it did not succeed."""
    await asyncio.sleep(due - time.perf_counter())
    # A text of its own for each job: a cached answer would measure the cache.
    text = f"Job {name} of {time.time_ns()}: the wheel turns."
    more = {"to": ["bench@example.com"], "subject": "Bench"} if kind == "emails.send" else {}
    body = {"kind": kind, "input": {"text": text, **more}, "tags": ["bench"]}
    try:
        answer = await client.post("/v1/jobs", json=body)
    except httpx.HTTPError:
        return float("inf")
    took = (time.perf_counter() - due) * 1000
    return took if answer.status_code == httpx.codes.OK and answer.json()["state"] == "succeeded" else float("inf")


def _quantile(times: list[float], share: float) -> float:
    return round(times[min(len(times) - 1, int(len(times) * share))], 2)


def main() -> None:
    """Measure as the arguments say."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--kind", default="text.moderate")
    arguments.add_argument("--rate", type=float, default=50)
    arguments.add_argument("--seconds", type=float, default=20)
    given = arguments.parse_args()
    settings = read_settings()
    figures = asyncio.run(
        measure(settings.url or "", settings.api_key or "", kind=given.kind, rate=given.rate, seconds=given.seconds)
    )
    print(msgspec.json.encode(figures).decode())  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main()
