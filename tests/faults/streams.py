"""The scenario of streams over restarts: the API is stopped and killed again and again while clients follow events.

Each client takes up its stream where it broke off. In the end what it was told must be what is stored: all of it, once,
in order; of the tenant from where it began, of each job from its first event to its last.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import httpx
import msgspec
import psycopg
from msgspec import Struct, field

from domain.jobs.events import LAST
from runtime.readiness import is_marked
from tests.faults.invariants import Violation
from tests.faults.ledger import Section
from tests.faults.scene import Harm, Scene, spread

_POLL_SECONDS: Final = 0.05
_PATIENCE_SECONDS: Final = 90.0
_SILENCE_SECONDS: Final = 20.0  # a heartbeat comes each 15 s
_HEARD_BETWEEN: Final = 20
_FOLLOWED: Final = 3  # jobs more for each restart
_ENDS: Final = frozenset(event_type.value for event_type in LAST)

_STORED: Final = "SELECT number, job_id, type FROM events WHERE tenant_id = %s AND number > %s ORDER BY number"
_OF_JOB: Final = "SELECT seq, job_id, type FROM events WHERE job_id = %s ORDER BY seq"
_NEWEST: Final = "SELECT max(number) FROM events WHERE tenant_id = %s"

SECTION: Final = Section(
    title="Streams over restarts",
    about=(
        "Under a load of every sort of errand the API, one process, is told to stop or killed, in turn, while a client "
        "follows all events of\nthe tenant and others those of single jobs, each with Last-Event-ID. A violation is an "
        "event that was not told, told twice or out of order.\nSeconds are p50 / p99 / longest from a restart's "
        "beginning to the next event told."
    ),
    columns=("restarts", "events told", "streams of jobs", "connections", "until told again"),
)

Heard = tuple[int, str, str]
"""An event as a client was told it: its number, its job, its type."""


class Client(Struct, kw_only=True):
    """Follows one stream over as many connections as it takes."""

    http: httpx.AsyncClient
    path: str
    last_id: str = ""
    began_after: int | None = None
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0
    is_over: bool = False

    async def follow(self) -> None:
        """Read until the stream has told an end and is closed; by cancellation, if it never does."""
        while not self.is_over:
            try:
                async with asyncio.timeout(None) as patience:
                    await self._read(patience)
            except (httpx.HTTPError, TimeoutError):
                pass
            if not self.is_over:
                await asyncio.sleep(_POLL_SECONDS)

    async def _read(self, patience: asyncio.Timeout) -> None:
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        loop = asyncio.get_running_loop()
        patience.reschedule(loop.time() + _SILENCE_SECONDS)
        async with self.http.stream("GET", self.path, headers=headers) as answer:
            if answer.status_code != 200:
                return
            self.connections += 1
            async for name, number, told in _events(answer):
                patience.reschedule(loop.time() + _SILENCE_SECONDS)
                if number:
                    self.last_id = number
                if name == "snapshot" and self.began_after is None:
                    self.began_after = told.get("after", 0)
                elif name and name != "snapshot":
                    self.heard.append((int(number), told["job_id"], name))
            self.is_over = bool(self.heard) and self.path.startswith("/v1/jobs/") and self.heard[-1][2] in _ENDS


async def _events(answer: httpx.Response) -> AsyncIterator[tuple[str, str, dict[str, Any]]]:
    """The frames that came whole: event, id, what was told."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(":")
        if line:
            fields[name] = value.strip()
        elif fields:
            yield fields.get("event", ""), fields.get("id", ""), msgspec.json.decode(fields.get("data", "{}"))
            fields = {}


async def restart_under_streams(scene: Scene) -> Harm:
    """Stop or kill the API `times` times, and compare what was told with what is stored."""
    harm = Harm()
    took: list[float] = []
    is_over = asyncio.Event()
    tenant_id = (await scene.client.get("/v1/me")).json()["tenant_id"]
    whole = Client(http=scene.client, path="/v1/events")
    async with asyncio.TaskGroup() as running:
        following = running.create_task(whole.follow())
        sending = running.create_task(scene.load.keep_on(is_over))
        single: list[Client] = []
        for number in range(scene.campaign.times):
            for seconds in range(1, _FOLLOWED + 1):
                single += await _followed(scene, running, delay=f"{seconds}s")
            await _until_more(whole, _HEARD_BETWEEN)
            began = time.monotonic()
            if number % 2:
                harm.stops += 1
            else:
                harm.kills["api"] += 1
            await _restart(scene, signal.SIGTERM if number % 2 else signal.SIGKILL)
            await _until_more(whole, 1)
            took.append(time.monotonic() - began)
            scene.tell(f"{number + 1}: restarted, {len(whole.heard)} events told")
        is_over.set()
        await sending
        await _until(lambda: all(client.is_over for client in single))
        async with await psycopg.AsyncConnection.connect(scene.up.ready["database_url"], autocommit=True) as database:
            harm.violations += await _compared(database, whole, single, tenant_id)
        following.cancel()
    harm.figures = {
        "restarts": scene.campaign.times,
        "events told": len(whole.heard),
        "streams of jobs": len(single),
        "connections": whole.connections + sum(client.connections for client in single),
        "until told again": spread(took),
    }
    return harm


async def _followed(scene: Scene, running: asyncio.TaskGroup, *, delay: str) -> list[Client]:
    """A job that begins a little later, and its follower; none if the job was not accepted."""
    answer = await scene.load.submit("delayed", "text.moderate", {"text": "The wheel turns."}, delay=delay)
    if answer.job_id is None:
        return []
    client = Client(http=scene.client, path=f"/v1/jobs/{answer.job_id}/events")
    running.create_task(client.follow())
    return [client]


async def _compared(
    database: psycopg.AsyncConnection[Any], whole: Client, single: list[Client], tenant_id: str
) -> list[Violation]:
    """What was told otherwise than it is stored, once all is quiet and told."""
    patience_ends = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < patience_ends:
        row = await (await database.execute(_NEWEST, (tenant_id,))).fetchone()
        if row is not None and whole.heard and whole.heard[-1][0] >= row[0]:
            break
        await asyncio.sleep(_POLL_SECONDS)
    last = whole.heard[-1][0]
    rows = await (await database.execute(_STORED, (tenant_id, whole.began_after or 0))).fetchall()
    stored = [row for row in rows if row[0] <= last]
    found = list(_otherwise("the tenant's events are told once, in order", stored, whole.heard))
    for client in single:
        job_id = client.path.split("/")[3]
        rows = await (await database.execute(_OF_JOB, (job_id,))).fetchall()
        found += _otherwise("a job's events are told once, in order", list(rows), client.heard)
    return found


def _otherwise(promise: str, stored: list[Heard], heard: list[Heard]) -> list[Violation]:
    if stored == heard:
        return []
    missing, more = set(stored) - set(heard), len(heard) - len(set(heard))
    return [
        Violation(
            promise, f"{len(missing)} of {len(stored)} not told, {more} told again; first {min(missing or heard)}"
        )
    ]


async def _restart(scene: Scene, number: signal.Signals) -> None:
    """End the API so, and wait until another is ready in its place."""
    pid = scene.up.pid_now("api")
    assert pid, "the api is not up"
    os.kill(pid, number)
    await _until(
        lambda: (now := scene.up.pid_now("api")) is not None and now != pid and is_marked(scene.up.data_dir, now)
    )


async def _until_more(client: Client, events: int) -> None:
    wanted = len(client.heard) + events
    await _until(lambda: len(client.heard) >= wanted)


async def _until(happened: Callable[[], bool]) -> None:
    patience_ends = time.monotonic() + _PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < patience_ends, "waited in vain"
        await asyncio.sleep(_POLL_SECONDS)
