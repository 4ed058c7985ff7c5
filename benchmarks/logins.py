"""What a flood of logins does to submitting jobs: how long submissions take beside it, and without it.

Takes turns of quiet and flood, and times each submission from the moment it was due to be sent, at a steady rate
whether or not earlier ones are back. The flood comes from a process of its own: users made for it, each logging in
again as soon as its last login is answered, with the right password: those are hashed in full, and not throttled. It
tells what processors were used for meanwhile, by processes of this machine that are named as ours are. The users are
disabled in the end; the jobs are due in an hour and expire in ten minutes. Needs a key that manages users. Prints one
line of JSON. Run by `headrace bench logins`.
"""

# ruff: noqa: INP001 - run by its path, never imported

import argparse
import asyncio
import os
import secrets
import sys
import time
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path

import httpx
import msgspec
from msgspec import Struct

from runtime.settings import read_settings

LOGINS_AT_ONCE = 24
"""More than are hashed at once and wait; fewer than an address may have under way."""

JOB = {"kind": "text.moderate", "input": {"text": "A steady job."}, "delay": "1h", "expires_in": "10m"}
PAUSE_SECONDS = 1.0
REFUSED_PAUSE_SECONDS = 0.05
LEAST_SHARE = 0.001
MARKS = {
    "hashing": "runtime/hashing.py",
    "flood": "logins.py --flood",
    "submissions": "benchmarks/logins.py",
    "postgres": "postgres",
    "api": " api --",
}
"""What the command lines of processes have in them, by what they do."""


class Figures(Struct, frozen=True, kw_only=True):
    """What was measured; times in milliseconds, rates a second. `ratio` is that of the 99th percentiles.

    `flood_cores` and `quiet_cores` say how many processors were busy with what.
    """

    rate: float
    submissions: int
    quiet_p50_ms: float
    quiet_p99_ms: float
    flood_p50_ms: float
    flood_p99_ms: float
    ratio: float
    logins: float
    login_p50_ms: float
    login_statuses: dict[int, int]
    failures: int
    flood_cores: dict[str, float]
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


async def flood(users: list[tuple[str, str]]) -> Flood:
    """Log in again and again, all of them, until the input ends."""
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

    async with _client() as client:
        logins = [asyncio.create_task(log_in(client, *user)) for user in users]
        await asyncio.to_thread(sys.stdin.read)
        for login in logins:
            login.cancel()
        await asyncio.gather(*logins, return_exceptions=True)
    return Flood(seconds, dict(statuses))


async def flooded_by(
    users: list[tuple[str, str]], bench: Bench, rate: float, seconds: float
) -> tuple[Flood, list[float], dict[str, float]]:
    """Submit steadily beside a flood; also what processors were used for until its end."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--flood", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdin is not None  # noqa: S101 - asked for
    child.stdin.write(msgspec.json.encode(users) + b"\n")
    await child.stdin.drain()
    await asyncio.sleep(PAUSE_SECONDS)
    took = await bench.submit_steadily(rate, seconds)
    used = cpu_seconds()
    child.stdin.close()  # which ends it
    told, _ = await child.communicate()
    return msgspec.json.decode(told, type=Flood), took, used


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
    """Turns of quiet and flood, `rounds` of each, so long."""
    async with _client() as client:
        bench = Bench(client, read_settings().api_key or "")
        users = await bench.make_users()
        quiet: list[float] = []
        flooded: list[float] = []
        logins: list[float] = []
        statuses: Counter[int] = Counter()
        busy, idle = defaultdict[str, float](float), defaultdict[str, float](float)
        try:
            await bench.submit_steadily(rate, 2)
            for _ in range(rounds):
                before = cpu_seconds()
                quiet += await bench.submit_steadily(rate, seconds)
                between = cpu_seconds()
                _add(idle, before, between)
                flood, took, used = await flooded_by(list(users.values()), bench, rate, seconds)
                _add(busy, between, used)
                flooded += took
                logins += flood.seconds
                statuses.update(flood.statuses)
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            await bench.disable(list(users))
    return Figures(
        rate=rate,
        submissions=len(quiet) + len(flooded),
        quiet_p50_ms=_ms(quiet, 0.5),
        quiet_p99_ms=_ms(quiet, 0.99),
        flood_p50_ms=_ms(flooded, 0.5),
        flood_p99_ms=_ms(flooded, 0.99),
        ratio=round(_ms(flooded, 0.99) / _ms(quiet, 0.99), 2),
        logins=round(len(logins) / (rounds * (seconds + PAUSE_SECONDS)), 1),
        login_p50_ms=_ms(logins, 0.5),
        login_statuses=dict(statuses),
        failures=bench.failures,
        flood_cores=_shares(busy, rounds * (seconds + PAUSE_SECONDS)),
        quiet_cores=_shares(idle, rounds * seconds),
    )


def _client() -> httpx.AsyncClient:
    url = read_settings().url or ""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    return httpx.AsyncClient(base_url=url, timeout=30, limits=limits, trust_env=False, verify=url[:6] == "https:")


def _add(total: dict[str, float], earlier: dict[str, float], later: dict[str, float]) -> None:
    """Add what was used in between; a process that has ended in between took what it used with it."""
    for name, used in later.items():
        total[name] += max(0.0, used - earlier.get(name, 0.0))


def _shares(used: dict[str, float], seconds: float) -> dict[str, float]:
    return {name: round(one / seconds, 3) for name, one in sorted(used.items()) if one / seconds >= LEAST_SHARE}


def _ms(seconds: list[float], share: float) -> float:
    ordered = sorted(seconds) or [0.0]
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 2)


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flood", action="store_true", help="be the flood, of the users that a line of JSON names")
    given = parser.parse_args()
    if given.flood:
        users = msgspec.json.decode(sys.stdin.readline(), type=list[tuple[str, str]])
        print(msgspec.json.encode(asyncio.run(flood(users))).decode())  # noqa: T201
        return
    print(msgspec.json.encode(asyncio.run(measure(given.rate, given.seconds, given.rounds))).decode())  # noqa: T201


if __name__ == "__main__":
    main()
