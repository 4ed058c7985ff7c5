"""What event streams cost: those that nobody reads, those that are idle, and what the others notice of them.

Starts a platform of its own. A few clients follow the tenant's events while jobs come in at a steady rate: first alone,
then beside streams that never read a byte, and idle streams of single jobs. Told are the times from a submission to its
event, and of the submission itself, without and with them, and the memory of the API's process for each stream. Prints
one line of JSON with a verdict. Run by `headrace bench streams`.
"""

# ruff: noqa: INP001 - run by its path, never imported

import argparse
import asyncio
import os
import re
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
from msgspec import Struct

from tests.support.own_platform import Ready, own_platform

READERS = 10
MOST_BYTES_A_STREAM = 256 * 1024
MOST_RATIO = 1.2
RECEIVE_BYTES = 1_024
PATIENCE_SECONDS = 60.0
BATCH = 5_000
_ESTABLISHED = 1
FILLED_WITH = (
    4  # batches, cancelled as soon as they are accepted: two events a job, told to who asks from the beginning
)
SETTINGS = {
    "HEADRACE_MOST_STREAMS": "10000",
    "HEADRACE_MOST_STREAMS_PER_TENANT": "10000",
    "HEADRACE_MOST_STREAMS_PER_KEY": "10000",
    "HEADRACE_LOG_LEVEL": "warning",
}


class Times(Struct, frozen=True):
    """Milliseconds."""

    samples: int
    p50: float
    p99: float


class Figures(Struct, frozen=True, kw_only=True):
    """What was measured. `told`: from a submission to its event, at each reader; `submitted`: of the submission."""

    never_reading: int
    idle: int
    events_before: int
    told_alone: Times
    told_beside: Times
    submitted_alone: Times
    submitted_beside: Times
    rss_alone_mib: float
    rss_beside_mib: float
    kib_a_stream: float
    cut_off: int
    gaps: int
    holds: bool


class Readers:
    """Clients that follow the tenant's events and note when they are told of each job."""

    def __init__(self, ready: Ready, client: httpx.AsyncClient) -> None:
        self._ready = ready
        self._client = client
        self.told: list[dict[str, float]] = [{} for _ in range(READERS)]
        self.beginning: list[int] = [0] * READERS
        self._running: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Open the streams."""
        self._running = [asyncio.create_task(self._read(number)) for number in range(READERS)]
        while not all(self.beginning):
            await asyncio.sleep(0.01)

    async def end(self) -> None:
        """Close them."""
        for one in self._running:
            one.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _read(self, number: int) -> None:
        async with self._client.stream("GET", "/v1/events?state=queued") as answer:
            async for line in answer.aiter_lines():
                if line.startswith("event: snapshot"):
                    self.beginning[number] = 1
                elif line.startswith("data: ") and (found := re.search(r'"job_id":"(\w+)"', line)):
                    self.told[number].setdefault(found[1], time.perf_counter())


async def measure(*, never: int, idle: int, rate: float, seconds: float) -> Figures:
    """Alone, and beside `never` streams that are not read and `idle` ones of which nothing is told."""
    async with own_platform(SETTINGS) as ready, _client(ready) as client:
        pid = ready.processes["api"]
        events = await _fill(client)
        await _load(ready, client, rate, 2)  # warm-up
        told_alone, submitted_alone, gaps_alone = await _load(ready, client, rate, seconds)
        alone = _rss_bytes(pid)
        job = (await client.post("/v1/jobs", json=_job() | {"delay": "1h"})).json()
        sockets = [_open(ready, "/v1/events?after=0") for _ in range(never)]
        sockets += [_open(ready, f"/v1/jobs/{job['id']}/events", receive_bytes=None) for _ in range(idle)]
        await _until_still(pid)
        beside = _rss_bytes(pid)
        told_beside, submitted_beside, gaps_beside = await _load(ready, client, rate, seconds)
        cut = await _cut_off(sockets[:never])
        for one in sockets:
            one.close()
    opened = max(1, never + idle)
    each = max(0.0, beside - alone) / opened
    return Figures(
        never_reading=never,
        idle=idle,
        events_before=events,
        told_alone=told_alone,
        told_beside=told_beside,
        submitted_alone=submitted_alone,
        submitted_beside=submitted_beside,
        rss_alone_mib=round(alone / 2**20, 1),
        rss_beside_mib=round(beside / 2**20, 1),
        kib_a_stream=round(each / 1024, 1),
        cut_off=cut,
        gaps=gaps_alone + gaps_beside,
        holds=each <= MOST_BYTES_A_STREAM
        and told_beside.p99 <= MOST_RATIO * told_alone.p99
        and submitted_beside.p99 <= MOST_RATIO * submitted_alone.p99
        and not gaps_alone + gaps_beside,
    )


async def _load(ready: Ready, client: httpx.AsyncClient, rate: float, seconds: float) -> tuple[Times, Times, int]:
    """Submit at a steady rate; answers with the times, and how many events were told to some readers only."""
    readers = Readers(ready, client)
    await readers.begin()
    sent: dict[str, float] = {}
    took: list[float] = []

    async def submit(due: float) -> None:
        answer = await client.post("/v1/jobs", json=_job())
        took.append((time.perf_counter() - due) * 1000)
        sent[answer.json()["id"]] = due

    began = time.perf_counter() + 0.05
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(submit(due))
    patience_ends = time.perf_counter() + PATIENCE_SECONDS
    while not all(sent.keys() <= told.keys() for told in readers.told) and time.perf_counter() < patience_ends:
        await asyncio.sleep(0.01)
    await readers.end()
    waited = [(told[job] - due) * 1000 for told in readers.told for job, due in sent.items() if job in told]
    return _times(waited), _times(took), sum(len(sent.keys() - told.keys()) for told in readers.told)


async def _fill(client: httpx.AsyncClient) -> int:
    """Events enough that no buffer on the way holds them."""
    for _ in range(FILLED_WITH):
        answer = await client.post("/v1/batches", json={"jobs": [_job()] * BATCH})
        await client.post(f"/v1/batches/{answer.raise_for_status().json()['id']}/cancel")
    return FILLED_WITH * BATCH * 2


def _open(ready: Ready, path: str, *, receive_bytes: int | None = RECEIVE_BYTES) -> socket.socket:
    """A stream that is asked for, and not read."""
    where = urlsplit(ready.api)
    opened = socket.socket()
    if receive_bytes is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    opened.connect((where.hostname, where.port))
    opened.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {ready.api_key}\r\n\r\n".encode()
    )
    return opened


async def _cut_off(never: list[socket.socket]) -> int:
    """How many of the streams the API has cut off, half a minute after their buffers were full at the latest."""
    patience_ends = time.perf_counter() + PATIENCE_SECONDS
    while (cut := sum(_is_reset(one) for one in never)) < len(never) and time.perf_counter() < patience_ends:
        await asyncio.sleep(0.5)
    return cut


def _is_reset(one: socket.socket) -> bool:
    """Whether the other side has dropped the connection; asks the kernel, and reads nothing."""
    return one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED


async def _until_still(pid: int) -> None:
    """Wait until the process does next to nothing any more, for all buffers are full."""
    before = _cpu_ticks(pid)
    for _ in range(60):
        await asyncio.sleep(1)
        now = _cpu_ticks(pid)
        if now - before <= 5:  # noqa: PLR2004 - hundredths of a second
            return
        before = now


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _job() -> dict[str, object]:
    return {"kind": "text.moderate", "input": {"text": "The wheel turns, and more water comes."}}


def _times(values: list[float]) -> Times:
    ranked = sorted(values)
    if not ranked:
        return Times(0, -1.0, -1.0)
    return Times(len(ranked), *(round(ranked[min(len(ranked) - 1, int(len(ranked) * q))], 2) for q in (0.5, 0.99)))


def _client(ready: Ready) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {ready.api_key}"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    return httpx.AsyncClient(base_url=ready.api, headers=headers, timeout=PATIENCE_SECONDS, limits=limits)


def main() -> None:
    """Measure as the arguments say."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--never", type=int, default=200)
    arguments.add_argument("--idle", type=int, default=0)
    arguments.add_argument("--rate", type=float, default=30)
    arguments.add_argument("--seconds", type=float, default=15)
    given = arguments.parse_args()
    figures = asyncio.run(measure(never=given.never, idle=given.idle, rate=given.rate, seconds=given.seconds))
    print(msgspec.json.encode(figures).decode())  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main()
