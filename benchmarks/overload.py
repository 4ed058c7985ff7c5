"""What twice as much as can be taken does to the API: what is still accepted, how soon, and how the rest is refused.

Finds the capacity first (jobs accepted a second by clients that each wait for their answer), then offers a multiple of
it at a steady rate whether or not earlier requests are back, then half of it until all is as before. The capacity is
looked for again then, and what was accepted is compared with the mean of both: machines change their minds. Each
request is timed from the moment it was due to be sent. All of it over raw sockets with bytes made ahead, for who
measures shares the machine. Long because of that client. The jobs are due in an hour and expire in ten minutes, so that
accepting alone is measured, unless `--run` lets workers at them. Prints one line of JSON. Run by
`headrace bench overload`.
"""

# ruff: noqa: INP001 - run by its path, never imported

import argparse
import asyncio
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import uvloop
from msgspec import Struct

from runtime.settings import read_settings

CLOSED = (32, 64, 128)
"""How many clients at once each look for the capacity."""

TICK_SECONDS = 0.001
PROBE_SECONDS = 0.25
PARROT_SECONDS = 2.0
PATIENCE_SECONDS = 30.0
NORMAL_SECONDS = 0.5
NORMAL_MS = 100.0
ACCEPTED = 202

Told = Callable[[int, bool], None]
"""Hears of an answer: its status, and whether it said when to come back."""


class Figures(Struct, frozen=True, kw_only=True):
    """What was measured. Rates are a second, times in milliseconds from when a request was due to be sent.

    `capacity`: before the overload, and after it.
    `client_cpu`: the share of the machine's processor time that the load itself used, at the capacity and beyond it.
    `goodput_share_of_cpu`: jobs accepted for each second of processor that was left for the platform, of what it was at
    the capacity: what the goodput's share would be if the load ran elsewhere.
    `goodput_bound`: the share that would be accepted if a refusal cost no more than the least a request can: to be read
    and answered with ready-made bytes by a server of nothing else (`cheapest_ms` of processor, client and server).
    `normal_after_seconds`: after the overload, the first half second with no refusal and each answer within 100 ms;
    -1 when there was none.
    """

    capacity: tuple[float, float]
    offered: float
    goodput: float
    goodput_share: float
    client_cpu: tuple[float, float]
    goodput_share_of_cpu: float
    accepted_ms: float
    cheapest_ms: float
    goodput_bound: float
    accepted_p50_ms: float
    accepted_p99_ms: float
    refused_p50_ms: float
    refused_p99_ms: float
    statuses: dict[int, int]
    unanswered: int
    all_say_when: bool
    most_connections: int
    health: dict[str, float]
    cancel: dict[str, float]
    normal_after_seconds: float


class Spent(Struct, frozen=True):
    """Seconds of processor time: of this process, and of the whole machine."""

    own: float
    all: float

    @property
    def share(self) -> float:
        """This process's part of it."""
        return round(self.own / self.all, 3)

    def left(self) -> float:
        """The others' part."""
        return self.all - self.own


class Clock:
    """Counts processor time from when it is made."""

    def __init__(self) -> None:
        self._own, self._all = time.process_time(), _busy_seconds()

    def spent(self) -> Spent:
        """How much it was until now."""
        return Spent(time.process_time() - self._own, _busy_seconds() - self._all)


class Answer(Struct, frozen=True):
    """One request: when it was due, when its answer was whole, and what that was."""

    due: float
    at: float
    status: int
    says_when: bool


class Connection(asyncio.Protocol):
    """One connection, with one request under way at a time."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._said = b""
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport = transport  # type: ignore[assignment] # of a stream, always

    def send(self, request: bytes, due: float) -> None:
        """Send a request; its answer goes to the load."""
        assert self._transport is not None  # noqa: S101 - connections are handed out when they stand
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take in a piece of the answer, which is nearly always all of it."""
        said = self._said = self._said + data
        end = said.find(b"\r\n\r\n")
        if end < 0:
            return
        head = said[:end].lower()
        begin = head.find(b"content-length:") + 15
        line_end = head.find(b"\r\n", begin)
        length = int(head[begin : line_end if line_end > 0 else end])
        if len(said) < end + 4 + length:
            return
        self._said = b""
        answer = Answer(self._due, time.perf_counter(), int(said[9:12]), b"\r\nretry-after:" in head)
        self._due = 0.0
        self._load.answered(self, answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """A reset is an answer too, and a bad one: status 0."""
        del exc
        self._load.lost(self, Answer(self._due, time.perf_counter(), 0, False) if self._due else None)  # noqa: FBT003


class Load:
    """Sends one request again and again, over as many connections as that takes."""

    def __init__(self, host: str, port: int, request: bytes, *, most_connections: int) -> None:
        self._at = (host, port)
        self._request = request
        self._most = most_connections
        self._idle: list[Connection] = []
        self._late: deque[float] = deque()  # when requests were due that found no connection
        self._opening: set[asyncio.Task[Any]] = set()
        self.connections = 0
        self.answers: list[Answer] = []

    async def closed(self, clients: int, seconds: float) -> float:
        """Let so many clients send, each after its last answer; answers with the jobs accepted a second."""
        while self.connections < clients or len(self._idle) < clients:
            await self._open()
        self.answers.clear()
        using, self._idle = self._idle[:clients], self._idle[clients:]
        self._repeat = True
        began = time.perf_counter()
        for one in using:
            one.send(self._request, time.perf_counter())
        await asyncio.sleep(seconds)
        self._repeat = False
        took = time.perf_counter() - began
        accepted = sum(answer.status == ACCEPTED for answer in self.answers)
        while len(self._idle) < self.connections:
            await asyncio.sleep(TICK_SECONDS)
        return accepted / took

    _repeat = False

    async def open_loop(self, rate: float, seconds: float) -> float:
        """Send at a steady rate for so long; answers when it began. The last may be under way still."""
        began = time.perf_counter() + 0.05
        sent, jobs = 0, int(rate * seconds)
        while sent < jobs:
            now = time.perf_counter()
            while sent < jobs and (due := began + sent / rate) <= now:
                self._send(due)
                sent += 1
            await asyncio.sleep(TICK_SECONDS)
        return began

    async def until_answered(self) -> int:
        """Wait for what is under way; answers how many never came."""
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while (left := self.connections - len(self._idle) + len(self._late)) and time.perf_counter() < deadline:
            await asyncio.sleep(TICK_SECONDS)
        return left

    def answered(self, connection: Connection, answer: Answer) -> None:
        """Keep an answer, and use its connection again."""
        self.answers.append(answer)
        if self._repeat and answer.status == ACCEPTED:
            connection.send(self._request, time.perf_counter())
        elif self._repeat:  # refused: come back a little later, as a client should
            asyncio.get_running_loop().call_later(0.05, self._again, connection)
        elif self._late:
            connection.send(self._request, self._late.popleft())
        else:
            self._idle.append(connection)

    def lost(self, connection: Connection, answer: Answer | None) -> None:
        """Count a connection out."""
        self.connections -= 1
        if connection in self._idle:
            self._idle.remove(connection)
        if answer is not None:
            self.answers.append(answer)

    def _again(self, connection: Connection) -> None:
        if self._repeat:
            connection.send(self._request, time.perf_counter())
        else:
            self._idle.append(connection)

    def _send(self, due: float) -> None:
        if self._idle:
            self._idle.pop().send(self._request, due)
            return
        self._late.append(due)
        if self.connections + len(self._opening) < self._most:
            opening = asyncio.create_task(self._open())
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection(self), *self._at)
        self.connections += 1
        if self._late:
            connection.send(self._request, self._late.popleft())
        else:
            self._idle.append(connection)


class Parrot(asyncio.Protocol):
    """Says the same to everything, which is as little as a server can do."""

    ANSWER = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment] # of a stream, always

    def data_received(self, data: bytes) -> None:
        """Answer: the load sends a request at a time, and each comes whole."""
        del data
        self._transport.write(self.ANSWER)


async def parrot() -> None:
    """Serve until killed; says where on standard output."""
    server = await asyncio.get_running_loop().create_server(Parrot, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - what its parent reads
    await server.serve_forever()


async def cheapest(request: bytes) -> float:
    """Seconds of processor, client and server, that a request costs at the least."""
    server = await asyncio.create_subprocess_exec(sys.executable, __file__, "--parrot", stdout=asyncio.subprocess.PIPE)
    try:
        assert server.stdout is not None  # noqa: S101 - asked for above
        load = Load("127.0.0.1", int(await server.stdout.readline()), request, most_connections=CLOSED[0])
        await load.closed(CLOSED[0], 0.5)  # warm-up
        clock = Clock()
        rate = await load.closed(CLOSED[0], PARROT_SECONDS)
        return clock.spent().all / (rate * PARROT_SECONDS)
    finally:
        server.kill()
        await server.wait()


async def measure(  # noqa: PLR0913 - one an option
    url: str, key: str, *, seconds: float, times: float, connections: int, run: bool
) -> Figures:
    """Find the capacity, offer `times` as much for so many seconds, and wait until all is as before."""
    where = urlsplit(url)
    request = _request(where.netloc, key, run=run)
    least = await cheapest(request)
    load = Load(where.hostname or "", where.port or 80, request, most_connections=connections)
    await load.closed(CLOSED[0], 1.0)  # warm-up
    capacity, at_capacity, best, capacity_seconds = 0.0, Spent(0, 0), CLOSED[0], max(2.0, seconds / 3)
    for clients in CLOSED:
        clock = Clock()
        found = await load.closed(clients, capacity_seconds)
        if found > capacity:
            capacity, at_capacity, best = found, clock.spent(), clients
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE_SECONDS) as client:
        jobs = [
            (await client.post("/v1/jobs", json=_job(run=False))).json()["id"]
            for _ in range(int(seconds / PROBE_SECONDS))
        ]
        load.answers.clear()
        stop = asyncio.Event()
        health = asyncio.create_task(_probe(stop, lambda _: client.get("/health/live")))
        cancel = asyncio.create_task(
            _probe(stop, lambda number: client.post(f"/v1/jobs/{jobs[number % len(jobs)]}/cancel"))
        )
        clock = Clock()
        began = await load.open_loop(capacity * times, seconds)
        overloaded = clock.spent()
        answers, load.answers = load.answers, []
        stop.set()
        found_health, found_cancel = await health, await cancel
        ended = time.perf_counter()
        normal = await _until_normal(load, capacity / 2, ended)
        unanswered = await load.until_answered()
    beyond, load.answers = load.answers, []
    again = await load.closed(best, capacity_seconds)
    usual = (capacity + again) / 2
    answers += [answer for answer in beyond if answer.due < began + seconds]
    accepted = sorted((answer.at - answer.due) * 1000 for answer in answers if answer.status == ACCEPTED)
    refused = sorted((answer.at - answer.due) * 1000 for answer in answers if answer.status in {429, 503})
    each = at_capacity.all / (capacity * capacity_seconds)
    within = sum(answer.status == ACCEPTED and answer.at <= began + seconds for answer in answers)
    return Figures(
        capacity=(round(capacity, 1), round(again, 1)),
        offered=round(capacity * times, 1),
        goodput=round(within / seconds, 1),
        goodput_share=round(within / seconds / usual, 3),
        client_cpu=(at_capacity.share, overloaded.share),
        goodput_share_of_cpu=round(within / overloaded.left() / (capacity * capacity_seconds / at_capacity.left()), 3),
        accepted_ms=round(each * 1000, 3),
        cheapest_ms=round(least * 1000, 3),
        goodput_bound=round((each - times * least) / (each - least), 3),
        accepted_p50_ms=_quantile(accepted, 0.5),
        accepted_p99_ms=_quantile(accepted, 0.99),
        refused_p50_ms=_quantile(refused, 0.5),
        refused_p99_ms=_quantile(refused, 0.99),
        statuses=dict(Counter(answer.status for answer in answers)),
        unanswered=unanswered,
        all_say_when=all(answer.says_when for answer in answers if answer.status in {429, 503}),
        most_connections=load.connections,
        health=found_health,
        cancel=found_cancel,
        normal_after_seconds=normal,
    )


async def _until_normal(load: Load, rate: float, ended: float) -> float:
    """Offer what is easily taken, until half a second of it is answered as if nothing had been."""
    while time.perf_counter() < ended + PATIENCE_SECONDS:
        since = time.perf_counter()
        load_before = len(load.answers)
        await load.open_loop(rate, NORMAL_SECONDS)
        lately = [answer for answer in load.answers[load_before:] if answer.due >= since]
        if lately and all(
            answer.status == ACCEPTED and (answer.at - answer.due) * 1000 <= NORMAL_MS for answer in lately
        ):
            return round(since - ended, 2)
    return -1.0


async def _probe(stop: asyncio.Event, ask: Callable[[int], Coroutine[Any, Any, httpx.Response]]) -> dict[str, float]:
    """Ask now and then until told to stop; tells how often, how often that failed, and the longest it took."""
    asked, failed, longest = 0, 0, 0.0
    while not stop.is_set():
        began = time.perf_counter()
        try:
            failed += (await ask(asked)).is_error
        except httpx.HTTPError:
            failed += 1
        asked += 1
        longest = max(longest, time.perf_counter() - began)
        await asyncio.sleep(PROBE_SECONDS)
    return {"asked": asked, "failed": failed, "longest_ms": round(longest * 1000, 2)}


def _busy_seconds() -> float:
    """What the processors of this machine have worked so far."""
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _job(*, run: bool) -> dict[str, Any]:
    more = {} if run else {"delay": "1h"}
    return {
        "kind": "text.moderate",
        "input": {"text": "The wheel turns, and more water comes."},
        "tags": ["bench"],
        "expires_in": "10m",
        **more,
    }


def _request(host: str, key: str, *, run: bool) -> bytes:
    body = msgspec.json.encode(_job(run=run))
    head = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _quantile(times: list[float], share: float) -> float:
    return round(times[min(len(times) - 1, int(len(times) * share))], 2) if times else -1.0


def main() -> None:
    """Measure as the arguments say."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=15)
    arguments.add_argument("--times", type=float, default=2)
    arguments.add_argument("--connections", type=int, default=1000)
    arguments.add_argument("--run", action="store_true")
    arguments.add_argument("--parrot", action="store_true", help="be the server of nothing else")
    given = arguments.parse_args()
    if given.parrot:
        uvloop.run(parrot())
        return
    settings = read_settings()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(
            measure(
                settings.url or "",
                settings.api_key or "",
                seconds=given.seconds,
                times=given.times,
                connections=given.connections,
                run=given.run,
            )
        )
    print(msgspec.json.encode(figures).decode())  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main()
