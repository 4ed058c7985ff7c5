"""How many jobs a second are drained from a full queue.

The jobs are submitted ahead of their time, all due at one moment, so that submitting is not measured; the rate counts
from that moment to the end of the last. Prints one line of JSON. Run by `headrace bench drain`.
"""

# ruff: noqa: INP001 - run by its path, never imported

import argparse
import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from runtime.settings import read_settings

AT_ONCE = 32
SUBMITTED_PER_SECOND = 100
LIVE = ("scheduled", "queued", "running")
PATIENCE_SECONDS = 600


class Figures(Struct, frozen=True):
    """What was measured."""

    kind: str
    jobs: int
    succeeded: int
    seconds: float
    jobs_per_second: float


async def measure(url: str, key: str, *, kind: str, jobs: int) -> Figures:
    """Submit so many jobs due at one moment, and wait until all are done."""
    tag = f"drain-{time.time_ns()}"
    due = datetime.now(UTC) + timedelta(seconds=3 + jobs / SUBMITTED_PER_SECOND)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        numbers = iter(range(jobs))
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(_submit(client, kind, tag, due, numbers))
        if datetime.now(UTC) > due:
            raise SystemExit("headrace: submitting took longer than planned; the figure would be too low.")
        await _until_drained(client, tag)
        done = [job async for job in _listed(client, tag)]
    last = max(datetime.fromisoformat(job["finished_at"]) for job in done)
    seconds = (last - due).total_seconds()
    return Figures(
        kind=kind,
        jobs=jobs,
        succeeded=sum(job["state"] == "succeeded" for job in done),
        seconds=round(seconds, 2),
        jobs_per_second=round(len(done) / seconds, 1),
    )


async def _submit(client: httpx.AsyncClient, kind: str, tag: str, due: datetime, numbers: Any) -> None:  # noqa: ANN401 - an iterator shared by all
    for number in numbers:
        more = {"to": ["bench@example.com"], "subject": "Bench"} if kind == "emails.send" else {}
        given = {"text": f"Job {number} of {tag}.", **more}
        body = {"kind": kind, "input": given, "tags": [tag], "run_at": due.isoformat()}
        answer = await client.post("/v1/jobs", json=body)
        if answer.is_error:
            raise SystemExit(f"headrace: a job was refused: {answer.text}")


async def _until_drained(client: httpx.AsyncClient, tag: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        answer = await client.get("/v1/jobs", params={"tag": tag, "state": list(LIVE), "limit": 1})
        if not answer.raise_for_status().json()["items"]:
            return
        await asyncio.sleep(0.5)
    raise SystemExit(f"headrace: not drained after {PATIENCE_SECONDS} seconds.")


async def _listed(client: httpx.AsyncClient, tag: str) -> Any:  # noqa: ANN401 - jobs as JSON
    cursor: str | None = ""
    while cursor is not None:
        query: dict[str, str | int] = {"tag": tag, "limit": 200, **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/v1/jobs", params=query)).raise_for_status().json()
        for job in page["items"]:
            yield job
        cursor = page["next_cursor"]


def main() -> None:
    """Measure as the arguments say."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--kind", default="text.moderate")
    arguments.add_argument("--jobs", type=int, default=2000)
    given = arguments.parse_args()
    settings = read_settings()
    figures = asyncio.run(measure(settings.url or "", settings.api_key or "", kind=given.kind, jobs=given.jobs))
    print(msgspec.json.encode(figures).decode())  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main()
