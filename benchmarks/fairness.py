"""How much longer a quiet tenant's job waits to start while another tenant has a long backlog in the same queue.

The quiet tenant submits one job after the other, first on an idle system, then beside the backlog; each job's wait is
from its submission to its start, both by the database's clock. Its key is read from standard input, the noisy tenant's
from the environment. Prints one line of JSON. Run by `headrace bench fairness`.
"""

# ruff: noqa: INP001 - run by its path, never imported

import argparse
import asyncio
import sys
import time
from datetime import datetime
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from runtime.settings import read_settings

AT_ONCE = 5_000
WAIT_SECONDS = 60
SUBMIT_SECONDS = 300


class Waits(Struct, frozen=True):
    """How long jobs waited to start."""

    jobs: int
    p50_ms: float
    p95_ms: float


class Figures(Struct, frozen=True):
    """What was measured. `backlog` is how long it was when the first job beside it was submitted, and the last.

    `backlog_per_second` is what of it ran meanwhile: what the quiet tenant's head start costs the other.
    """

    kind: str
    backlog: tuple[int, int]
    backlog_per_second: int
    idle: Waits
    loaded: Waits
    p50_ratio: float
    p95_ratio: float


async def measure(url: str, keys: tuple[str, str], *, kind: str, backlog: int, samples: int) -> Figures:
    """Time the quiet tenant's jobs twice, with nothing else to do and beside the backlog, whose rest is cancelled."""
    noisy_key, quiet_key = keys
    async with _client(url, noisy_key) as noisy, _client(url, quiet_key) as quiet:
        await _waits(quiet, kind, 3)
        idle = await _waits(quiet, kind, samples)
        batches = [
            await _submit_batch(noisy, kind, min(AT_ONCE, backlog - begin)) for begin in range(0, backlog, AT_ONCE)
        ]
        try:
            before = await _waiting(noisy, batches)
            began = time.monotonic()
            loaded = await _waits(quiet, kind, samples)
            seconds = time.monotonic() - began
            after = await _waiting(noisy, batches)
        finally:
            for batch in batches:
                await noisy.post(f"/v1/batches/{batch}/cancel")
    if not after:
        raise SystemExit("headrace: the backlog was done before the last job had started; take a longer one.")
    return Figures(
        kind=kind,
        backlog=(before, after),
        backlog_per_second=round((before - after) / seconds),
        idle=idle,
        loaded=loaded,
        p50_ratio=round(loaded.p50_ms / idle.p50_ms, 2),
        p95_ratio=round(loaded.p95_ms / idle.p95_ms, 2),
    )


def _client(url: str, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=SUBMIT_SECONDS)


async def _waits(client: httpx.AsyncClient, kind: str, samples: int) -> Waits:
    times = sorted([await _wait(client, kind) for _ in range(samples)])
    return Waits(jobs=samples, p50_ms=_quantile(times, 0.50), p95_ms=_quantile(times, 0.95))


async def _wait(client: httpx.AsyncClient, kind: str) -> float:
    """The milliseconds from a job's submission to its start."""
    answer = await client.post("/v1/jobs", json=_job(kind), headers={"Prefer": f"wait={WAIT_SECONDS}"})
    job = answer.raise_for_status().json()
    if job["started_at"] is None:
        raise SystemExit(f"headrace: a job had not started after {WAIT_SECONDS} seconds.")
    return (
        datetime.fromisoformat(job["started_at"]) - datetime.fromisoformat(job["created_at"])
    ).total_seconds() * 1000


async def _submit_batch(client: httpx.AsyncClient, kind: str, jobs: int) -> str:
    answer = await client.post("/v1/batches", json={"jobs": [_job(kind) for _ in range(jobs)]})
    return str(answer.raise_for_status().json()["id"])


async def _waiting(client: httpx.AsyncClient, batches: list[str]) -> int:
    """How many jobs of the batches are queued."""
    counts = [(await client.get(f"/v1/batches/{batch}")).raise_for_status().json()["counts"] for batch in batches]
    return sum(int(count.get("queued", 0)) for count in counts)


def _job(kind: str) -> dict[str, Any]:
    # A text of its own for each job: a cached answer would measure the cache.
    more = {"to": ["bench@example.com"], "subject": "Bench"} if kind == "emails.send" else {}
    return {"kind": kind, "input": {"text": f"Job of {time.time_ns()}: the wheel turns.", **more}, "tags": ["bench"]}


def _quantile(times: list[float], share: float) -> float:
    return round(times[min(len(times) - 1, int(len(times) * share))], 2)


def main() -> None:
    """Measure as the arguments say."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--kind", default="text.moderate")
    arguments.add_argument("--backlog", type=int, default=100_000)
    arguments.add_argument("--samples", type=int, default=100)
    given = arguments.parse_args()
    settings = read_settings()
    keys = (settings.api_key or "", sys.stdin.readline().strip())
    figures = asyncio.run(
        measure(settings.url or "", keys, kind=given.kind, backlog=given.backlog, samples=given.samples)
    )
    print(msgspec.json.encode(figures).decode())  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main()
