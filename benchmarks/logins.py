"""What a flood of logins does to submitting jobs: how long submissions take beside it, and without it.

Takes turns of quiet, control and flood, and times each submission from the moment it was due to be sent, at a steady
rate whether or not earlier ones are back. The flood comes from a process of its own: users made for it, each logging in
again as soon as its last login is answered, with the right password: those are hashed in full, and not throttled. The
control is the same flood sent elsewhere: to a process that answers as many as the API did, and as soon, without
hashing anything or asking Postgres. What submissions lose to that, they lose to the flood's sending and to the machine.
It tells what processors were used for meanwhile, by processes of this machine that are named as ours are. The users
are disabled in the end; the jobs are due in an hour and expire in ten minutes. Needs a key that manages users. Prints
one line of JSON. Run by `headrace bench logins`.

Long because what floods, what is flooded in its place and what measures both are read together.
"""

# ruff: noqa: INP001 - run by its path, never imported

import argparse
import asyncio
import os
import secrets
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import msgspec
from msgspec import Struct

from runtime.passwords import MOST
from runtime.settings import read_settings

LOGINS_AT_ONCE = 24
"""More than are hashed at once and wait; fewer than an address may have under way."""

JOB = {"kind": "text.moderate", "input": {"text": "A steady job."}, "delay": "1h", "expires_in": "10m"}
PAUSE_SECONDS = 1.0
REFUSED_PAUSE_SECONDS = 0.05
LEAST_SHARE = 0.001
FIRST_TURN_SECONDS = 0.1
"""How long a login takes the control before it is known how long it took the API."""

REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
WELCOME = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}"
MARKS = {
    "hashing": "runtime/hashing.py",
    "flood": "logins.py --flood",
    "control": "logins.py --control",
    "submissions": "benchmarks/logins.py",
    "postgres": "postgres",
    "api": " api --",
}
"""What the command lines of processes have in them, by what they do."""


class Figures(Struct, frozen=True, kw_only=True):
    """What was measured; times in milliseconds, rates a second.

    `ratio` is that of the 99th percentiles in flood and quiet, `control_ratio` in control and quiet, `own_ratio` in
    flood and control. `flood_cores`, `control_cores` and `quiet_cores` say how many processors were busy with what.
    """

    rate: float
    submissions: int
    quiet_p50_ms: float
    quiet_p99_ms: float
    control_p50_ms: float
    control_p99_ms: float
    flood_p50_ms: float
    flood_p99_ms: float
    ratio: float
    control_ratio: float
    own_ratio: float
    logins: float
    control_logins: float
    login_p50_ms: float
    login_statuses: dict[int, int]
    failures: int
    flood_cores: dict[str, float]
    control_cores: dict[str, float]
    quiet_cores: dict[str, float]


class Flood(Struct, frozen=True):
    """What came of a flood: how long the logins took that succeeded, and what all were told."""

    seconds: list[float]
    statuses: dict[int, int]


class Bench:
    """One run against one API."""

    def __init__(self, client: httpx.AsyncClient, key: str) -> None:
        self._client = client
        self._admin = {"Authorization": f"Bearer {key}"}
        self.failures = 0

    async def make_users(self) -> dict[str, tuple[str, str]]:
        """Fresh users: their ids with address and password."""
        made: dict[str, tuple[str, str]] = {}
        for _ in range(LOGINS_AT_ONCE):
            email, password = f"bench-{secrets.token_hex(8)}@bench.example", secrets.token_urlsafe(24)
            answer = await self._client.post(
                "/v1/users", json={"email": email, "password": password}, headers=self._admin
            )
            answer.raise_for_status()
            made[answer.json()["id"]] = (email, password)
        return made

    async def disable(self, user_ids: list[str]) -> None:
        """Let them in no more."""
        for user_id in user_ids:
            await self._client.post(f"/v1/users/{user_id}/disable", json={}, headers=self._admin)

    async def submit_steadily(self, rate: float, seconds: float) -> list[float]:
        """Submit so many jobs a second for so long; answers with how long each took."""
        took: list[float] = []

        async def submit(due: float) -> None:
            answer = await self._client.post("/v1/jobs", json=JOB, headers=self._admin)
            took.append(time.perf_counter() - due)
            self.failures += answer.status_code != httpx.codes.ACCEPTED

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for n in range(int(rate * seconds)):
                due = began + n / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(submit(due))
        return took


async def flood(url: str, users: list[tuple[str, str]]) -> Flood:
    """Log in at `url` again and again, all of them, until the input ends."""
    seconds: list[float] = []
    statuses: Counter[int] = Counter()

    async def log_in(client: httpx.AsyncClient, email: str, password: str) -> None:
        form = {"grant_type": "password", "username": email, "password": password}
        while True:
            began = time.perf_counter()
            answer = await client.post("/v1/auth/token", data=form)
            statuses[answer.status_code] += 1
            if answer.status_code == httpx.codes.OK:
                seconds.append(time.perf_counter() - began)
            else:
                await asyncio.sleep(REFUSED_PAUSE_SECONDS)

    async with _client(url) as client:
        logins = [asyncio.create_task(log_in(client, *user)) for user in users]
        await asyncio.to_thread(sys.stdin.read)
        for login in logins:
            login.cancel()
        await asyncio.gather(*logins, return_exceptions=True)
    return Flood(seconds, dict(statuses))


async def stand_in(turn_seconds: float) -> None:
    """Answer logins, of which there is one in so long, until the input ends; as many as the API lets wait, wait."""
    turn = asyncio.Lock()
    under_way = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way
        # cancelled at the end, as all are that wait still
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                if under_way >= MOST:
                    writer.write(REFUSAL)
                    continue
                under_way += 1
                try:
                    async with turn:
                        await asyncio.sleep(turn_seconds)
                finally:
                    under_way -= 1
                writer.write(WELCOME)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await asyncio.to_thread(sys.stdin.read)
    server.close()


async def flooded_by(
    url: str, users: list[tuple[str, str]], bench: Bench, rate: float, seconds: float
) -> tuple[Flood, list[float], dict[str, float]]:
    """Submit steadily beside a flood of `url`; also what processors were used for meanwhile."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--flood", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdin is not None  # noqa: S101 - asked for
    child.stdin.write(msgspec.json.encode((url, users)) + b"\n")
    await child.stdin.drain()
    await asyncio.sleep(PAUSE_SECONDS)
    before = cpu_seconds()
    took = await bench.submit_steadily(rate, seconds)
    used = _less(cpu_seconds(), before)
    child.stdin.close()  # which ends it
    told, _ = await child.communicate()
    await hashed_out()
    return msgspec.json.decode(told, type=Flood), took, used


async def hashed_out() -> None:
    """Wait until what the flood left waiting is hashed: the next turn is another's."""
    while True:
        before = cpu_seconds().get("hashing", 0.0)
        await asyncio.sleep(PAUSE_SECONDS)
        if cpu_seconds().get("hashing", 0.0) == before:
            return


@asynccontextmanager
async def control(turn_seconds: float) -> AsyncIterator[str]:
    """The address of a process that answers logins and does nothing else."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--control", str(turn_seconds)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdin is not None  # noqa: S101 - asked for
    assert child.stdout is not None  # noqa: S101 - as above
    try:
        yield f"http://127.0.0.1:{int(await child.stdout.readline())}"
    finally:
        child.stdin.close()
        await child.wait()


class Turns:
    """What came of all turns of one sort."""

    def __init__(self) -> None:
        self.took: list[float] = []
        self.logins: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.used: defaultdict[str, float] = defaultdict(float)
        self.seconds = 0.0
        self.turns = 0

    def add(self, took: list[float], used: dict[str, float], seconds: float, flood: Flood | None = None) -> None:
        """Add one."""
        self.took += took
        self.turns += 1
        self.seconds += seconds
        for name, one in used.items():
            self.used[name] += one
        if flood is not None:
            self.logins += flood.seconds
            self.statuses.update(flood.statuses)

    @property
    def cores(self) -> dict[str, float]:
        """How many processors were busy with what."""
        shares = {name: round(used / self.seconds, 3) for name, used in sorted(self.used.items())}
        return {name: share for name, share in shares.items() if share >= LEAST_SHARE}

    @property
    def login_rate(self) -> float:
        """Logins a second: floods begin before the submissions that are timed."""
        return round(len(self.logins) / (self.seconds + self.turns * PAUSE_SECONDS), 1)


def cpu_seconds() -> dict[str, float]:
    """What processes on this machine have used of its processors so far, by what they do."""
    used: defaultdict[str, float] = defaultdict(float)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            times = (process / "stat").read_text().rpartition(")")[2].split()
            name = next((name for name, mark in MARKS.items() if mark in line), "others")
            used[name] += (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
    return used


async def measure(rate: float, seconds: float, rounds: int) -> Figures:
    """Turns of quiet, control and flood, `rounds` of each, so long."""
    url = read_settings().url or ""
    async with _client(url) as client:
        bench = Bench(client, read_settings().api_key or "")
        users = await bench.make_users()
        logging_in = list(users.values())
        quiet, controlled, flooded = Turns(), Turns(), Turns()
        turn_seconds = FIRST_TURN_SECONDS
        try:
            await bench.submit_steadily(rate, 2)
            # the first only tells the control how fast to be
            for number in range(rounds + 1):
                flood, took, used = await flooded_by(url, logging_in, bench, rate, seconds)
                turn_seconds = (seconds + PAUSE_SECONDS) / max(1, len(flood.seconds))
                if number == 0:
                    continue
                flooded.add(took, used, seconds, flood)
                before = cpu_seconds()
                took = await bench.submit_steadily(rate, seconds)
                quiet.add(took, _less(cpu_seconds(), before), seconds)
                async with control(turn_seconds) as elsewhere:
                    flood, took, used = await flooded_by(elsewhere, logging_in, bench, rate, seconds)
                controlled.add(took, used, seconds, flood)
        finally:
            await bench.disable(list(users))
    return Figures(
        rate=rate,
        submissions=len(quiet.took) + len(controlled.took) + len(flooded.took),
        quiet_p50_ms=_ms(quiet.took, 0.5),
        quiet_p99_ms=_ms(quiet.took, 0.99),
        control_p50_ms=_ms(controlled.took, 0.5),
        control_p99_ms=_ms(controlled.took, 0.99),
        flood_p50_ms=_ms(flooded.took, 0.5),
        flood_p99_ms=_ms(flooded.took, 0.99),
        ratio=round(_ms(flooded.took, 0.99) / _ms(quiet.took, 0.99), 2),
        control_ratio=round(_ms(controlled.took, 0.99) / _ms(quiet.took, 0.99), 2),
        own_ratio=round(_ms(flooded.took, 0.99) / _ms(controlled.took, 0.99), 2),
        logins=flooded.login_rate,
        control_logins=controlled.login_rate,
        login_p50_ms=_ms(flooded.logins, 0.5),
        login_statuses=dict(flooded.statuses),
        failures=bench.failures,
        flood_cores=flooded.cores,
        control_cores=controlled.cores,
        quiet_cores=quiet.cores,
    )


def _client(url: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    return httpx.AsyncClient(base_url=url, timeout=30, limits=limits, trust_env=False, verify=url[:6] == "https:")


def _less(later: dict[str, float], earlier: dict[str, float]) -> dict[str, float]:
    """What was used in between; a process that has ended in between took what it used with it."""
    return {name: max(0.0, used - earlier.get(name, 0.0)) for name, used in later.items()}


def _ms(seconds: list[float], share: float) -> float:
    ordered = sorted(seconds) or [0.0]
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 2)


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flood", action="store_true", help="be the flood, of what a line of JSON names")
    parser.add_argument("--control", type=float, help="be what answers a login in so many seconds, and does no more")
    given = parser.parse_args()
    if given.flood:
        url, users = msgspec.json.decode(sys.stdin.readline(), type=tuple[str, list[tuple[str, str]]])
        print(msgspec.json.encode(asyncio.run(flood(url, users))).decode())  # noqa: T201
        return
    if given.control is not None:
        asyncio.run(stand_in(given.control))
        return
    print(msgspec.json.encode(asyncio.run(measure(given.rate, given.seconds, given.rounds))).decode())  # noqa: T201


if __name__ == "__main__":
    main()
