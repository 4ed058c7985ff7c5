"""What a flood of logins does to submitting jobs: how long submissions take beside it, and without it.

Takes turns of quiet and flood, and times each submission from the moment it was due to be sent, at a steady rate
whether or not earlier ones are back. The flood is of users made for it, each logging in again as soon as its last login
is answered, with the right password: those are hashed in full, and not throttled. The users are disabled in the end;
the jobs are due in an hour and expire in ten minutes. Needs a key that manages users. Prints one line of JSON. Run by
`headrace bench logins`.
"""

# ruff: noqa: INP001 - run by its path, never imported

import argparse
import asyncio
import secrets
import time
from collections import Counter
from contextlib import suppress

import httpx
import msgspec
from msgspec import Struct

from runtime.settings import read_settings

LOGINS_AT_ONCE = 24
"""More than are hashed at once and wait; fewer than an address may have under way."""

JOB = {"kind": "text.moderate", "input": {"text": "A steady job."}, "delay": "1h", "expires_in": "10m"}
PAUSE_SECONDS = 1.0


class Figures(Struct, frozen=True, kw_only=True):
    """What was measured; times in milliseconds, rates a second. `ratio` is that of the 99th percentiles."""

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


class Bench:
    """One run against one API."""

    def __init__(self, client: httpx.AsyncClient, key: str) -> None:
        self._client = client
        self._admin = {"Authorization": f"Bearer {key}"}
        self.statuses: Counter[int] = Counter()
        self.login_seconds: list[float] = []
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

    async def flood(self, email: str, password: str) -> None:
        """Log in again and again."""
        form = {"grant_type": "password", "username": email, "password": password}
        while True:
            began = time.perf_counter()
            answer = await self._client.post("/v1/auth/token", data=form)
            self.statuses[answer.status_code] += 1
            if answer.status_code == httpx.codes.OK:
                self.login_seconds.append(time.perf_counter() - began)
            else:
                await asyncio.sleep(0.05)

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


async def measure(rate: float, seconds: float, rounds: int) -> Figures:
    """Turns of quiet and flood, `rounds` of each, so long."""
    settings = read_settings()
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with httpx.AsyncClient(
        base_url=settings.url or "",
        timeout=30,
        limits=limits,
        trust_env=False,
        verify=(settings.url or "")[:6] == "https:",
    ) as client:
        bench = Bench(client, settings.api_key or "")
        users = await bench.make_users()
        quiet: list[float] = []
        flooded: list[float] = []
        try:
            await bench.submit_steadily(rate, 2)
            for _ in range(rounds):
                quiet += await bench.submit_steadily(rate, seconds)
                floods = [asyncio.create_task(bench.flood(*user)) for user in users.values()]
                await asyncio.sleep(PAUSE_SECONDS)
                flooded += await bench.submit_steadily(rate, seconds)
                for flood in floods:
                    flood.cancel()
                for flood in floods:
                    with suppress(asyncio.CancelledError):
                        await flood
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
        logins=round(len(bench.login_seconds) / (rounds * (seconds + PAUSE_SECONDS)), 1),
        login_p50_ms=_ms(bench.login_seconds, 0.5),
        login_statuses=dict(bench.statuses),
        failures=bench.failures,
    )


def _ms(seconds: list[float], share: float) -> float:
    ordered = sorted(seconds) or [0.0]
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 2)


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(msgspec.json.encode(asyncio.run(measure(given.rate, given.seconds, given.rounds))).decode())  # noqa: T201


if __name__ == "__main__":
    main()
