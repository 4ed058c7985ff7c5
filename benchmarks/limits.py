"""What counting requests in Redis costs a submission: beside counting in the process, and while Redis hangs.

A process of the API on a Postgres and a Valkey of its own, and clients that each send their next job after the last
answer: one of them for the times, many for the capacity. With a key of 1,000,000 requests a minute, which asks Redis
now and then; with many keys of 600, each request of which asks; then with a Valkey that stands still. Prints one line
of JSON. Run by `headrace bench limits`.
"""

# ruff: noqa: INP001 - run by its path, never imported

import argparse
import asyncio
import itertools
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import msgspec
import uvicorn
from msgspec import Struct

from api.app import make_app
from api.door import door_to
from domain.accounts.api_key import make_key
from domain.accounts.permissions import PERMISSIONS
from runtime.embedded.postgres import postgres_url
from runtime.embedded.redis import redis_url
from runtime.embedded.servers import Server, start_postgres, start_redis
from runtime.logs import configure_logs
from runtime.quotas import open_quotas
from runtime.settings import Settings, environment_with, read_settings
from runtime.unique_ids import new_id
from runtime.wakeups import open_wakeups
from storage.accounts import NewKey, add_key, add_tenant, add_user
from storage.database import Database, open_database
from storage.migrations.run import migrate

CLIENTS: Final = 16
LOW: Final = 600
HIGH: Final = 1_000_000
KEYS: Final = 40  # each may send 600 at once
ACCEPTED: Final = 202


class Times(Struct, frozen=True):
    """One client's times in milliseconds, and what many of them get accepted a second; what was refused of all."""

    p50_ms: float
    p99_ms: float
    capacity: float
    refused: int


class Figures(Struct, frozen=True, kw_only=True):
    """By who counts: this process, or Redis; and by the key. `hanging`: Redis stands still all the while."""

    alone: Times
    shared: Times
    alone_low: Times
    shared_low: Times
    hanging_low: Times


async def measure(valkey: Server, database: str, seconds: float) -> Figures:
    """All of it, one after the other."""
    opened = open_database(database, name="bench")
    high, *low = [await _keys(opened, HIGH, 1), *[await _keys(opened, LOW, KEYS) for _ in range(3)]]
    await opened.close()
    url = redis_url(valkey.places)
    async with _api(database, url, is_shared=False) as api:
        await _time(api, high, 2)  # warm-up
        alone = await _time(api, high, seconds)
        alone_low = await _time(api, low[0], seconds)
    async with _api(database, url, is_shared=True) as api:
        await _time(api, high, 2)
        shared = await _time(api, high, seconds)
        shared_low = await _time(api, low[1], seconds)
        os.kill(valkey.pid, signal.SIGSTOP)
        try:
            hanging_low = await _time(api, low[2], seconds)
        finally:
            os.kill(valkey.pid, signal.SIGCONT)
    return Figures(alone=alone, shared=shared, alone_low=alone_low, shared_low=shared_low, hanging_low=hanging_low)


async def _time(api: str, keys: Sequence[str], seconds: float) -> Times:
    """Half the time one client, half of it many."""
    turns = itertools.cycle(keys)
    took: list[float] = []
    statuses: list[int] = []

    async def send_until(end: float) -> None:
        while time.perf_counter() < end:
            began = time.perf_counter()
            headers = {"Authorization": f"Bearer {next(turns)}"}
            answer = await client.post("/v1/jobs", json=_job(), headers=headers)
            took.append((time.perf_counter() - began) * 1000)
            statuses.append(answer.status_code)

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=api, timeout=30, limits=limits) as client:
        await send_until(time.perf_counter() + seconds / 2)
        ranked = sorted(took)
        before, began = len(statuses), time.perf_counter()
        await asyncio.gather(*(send_until(began + seconds / 2) for _ in range(CLIENTS)))
    accepted = statuses[before:].count(ACCEPTED)
    p50, p99 = (round(ranked[min(len(ranked) - 1, int(len(ranked) * share))], 2) for share in (0.5, 0.99))
    return Times(p50, p99, round(accepted / (time.perf_counter() - began), 1), len(statuses) - statuses.count(ACCEPTED))


def _job() -> dict[str, object]:
    return {"kind": "text.moderate", "input": {"text": "The wheel turns."}, "delay": "1h"}


async def _keys(database: Database, per_minute: int, count: int) -> list[str]:
    """So many keys of one tenant."""
    keys = [make_key(os.urandom(40)) for _ in range(count)]
    tenant_id, user_id = new_id("tenant"), new_id("user")
    async with database.begin() as tx:
        await add_tenant(tx, tenant_id, tenant_id)
        await add_user(tx, user_id, tenant_id=tenant_id, email=f"{user_id}@example.com", name="", role="admin")
        for key in keys:
            new = NewKey(
                id=new_id("key"),
                tenant_id=tenant_id,
                user_id=user_id,
                name="bench",
                public_id=key.public_id,
                secret_sha256=key.secret_sha256,
                permissions=frozenset(PERMISSIONS),
                requests_per_minute=per_minute,
            )
            await add_key(tx, new)
    return [str(key) for key in keys]


@asynccontextmanager
async def _api(database: str, redis: str, *, is_shared: bool) -> AsyncIterator[str]:
    """A process of the API; where it answers."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", __file__, "--serve", "shared" if is_shared else "alone"),
        env=environment_with(HEADRACE_DATABASE_URL=database, HEADRACE_REDIS_URL=redis),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None  # noqa: S101 - asked for above
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


async def serve(database_url: str, redis: str, *, is_shared: bool) -> None:
    """Be that process."""
    database, wakeups = open_database(database_url, name="bench-api", wait_seconds=1.0), open_wakeups(redis)
    quotas = open_quotas(redis) if is_shared else None
    if quotas is not None:
        await quotas.meet()
    app = make_app(database, wakeups, Settings(), quotas=quotas)
    config = uvicorn.Config(app, port=0, http=door_to(app), ws="none", log_config=None, access_log=False)
    listener = config.bind_socket()
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201 - for who started it
    await uvicorn.Server(config).serve(sockets=[listener])


def main() -> None:
    """Measure as the arguments say, or serve."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--serve", choices=("alone", "shared"))
    given = arguments.parse_args()
    if given.serve:
        settings = read_settings()
        configure_logs(Settings(log_level="warning"), process="api")
        served = serve(settings.database_url or "", settings.redis_url or "", is_shared=given.serve == "shared")
        asyncio.run(served)
        return
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with start_postgres(folder, durable=True) as postgres, start_redis(folder, durable=True) as valkey:
            database = postgres_url(postgres.places, "postgres")
            migrate(database)
            figures = asyncio.run(measure(valkey, database, given.seconds))
    print(msgspec.json.encode(figures).decode())  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main()
