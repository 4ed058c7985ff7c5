"""How soon a dead worker's jobs run again, how soon cancelled ones end, and what rolling restarts cost.

Starts a platform of its own with two workers and a mail server that answers when it is told to: e-mails are the jobs
that run as long as it takes. Long because its three measurements share that platform, and need one of their own.
Prints one line of JSON, in seconds. Run by `headrace bench recovery`.
"""

# ruff: noqa: INP001 - run by its path, never imported

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
from aiosmtpd.smtp import SMTP, Envelope, Session
from msgspec import Struct
from psycopg.rows import tuple_row

from runtime.readiness import is_marked
from runtime.settings import environment_without_settings

PLATFORM = Path(__file__).parents[1] / "platform"
WORKERS = ("worker-1", "worker-2")
SCALED = {"HEADRACE_LEASE_SECONDS": "3", "HEADRACE_HEARTBEAT_SECONDS": "1", "HEADRACE_RESEND_SECONDS": "1.5"}
PATIENCE_SECONDS = 180.0
JOBS_A_KILL = 10
LOAD_A_SECOND = 20


class Times(Struct, frozen=True):
    """Seconds."""

    samples: int
    p50: float
    p99: float
    worst: float


class Restarts(Struct, frozen=True):
    """What stopping one worker after the other did to the jobs of a steady load."""

    restarts: int
    jobs: int
    not_succeeded: int
    crashes: int
    given_back: int
    start_delay: Times


class Figures(Struct, frozen=True):
    """From a kill to the claim by another worker; from asking for a cancel to the end; rolling restarts."""

    scaled: bool
    kills: int
    recovery: Times
    cancel_running: Times
    cancel_queued: Times
    restarts: Restarts


class Ready(Struct):
    """What of the ready line is used."""

    api: str
    api_key: str
    database_url: str


class Mail:
    """A mail server that keeps its senders waiting until it lets them go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Answer once `go` is set."""
        await self.go.wait()
        return "250 OK"


class Place:
    """A platform that runs, and the ways to ask it."""

    def __init__(self, ready: Ready, folder: Path, mail: Mail, client: httpx.AsyncClient) -> None:
        self.mail = mail
        self.client = client
        self._database_url = ready.database_url
        self._folder = folder

    def pid(self, name: str) -> int | None:
        """The process that bears the name and does its work; None while there is none."""
        with contextlib.suppress(OSError, IndexError):
            pid = int((self._folder / f"run/{name}.pid").read_text().split()[0])
            return pid if is_marked(self._folder, pid) else None
        return None

    async def all_workers(self) -> None:
        """Wait until every worker works."""
        await until(lambda: all(self.pid(name) for name in WORKERS))

    async def another(self, name: str, pid: int) -> None:
        """Wait until another process bears the name."""
        await until(lambda: self.pid(name) not in {None, pid})

    async def submit(self, kind: str, text: str) -> str:
        """Submit a job; answers with its id."""
        more = {"to": ["bench@example.com"], "subject": "Bench"} if kind == "emails.send" else {}
        answer = await self.client.post("/v1/jobs", json={"kind": kind, "input": {"text": text, **more}})
        return str(answer.raise_for_status().json()["id"])

    async def rows(self, columns: str, ids: Sequence[str], where: str = "true") -> list[tuple[Any, ...]]:
        """These columns of the jobs."""
        query = f"SELECT {columns} FROM jobs WHERE id = ANY(%s) AND {where}"  # noqa: S608 - our own words
        async with await psycopg.AsyncConnection.connect(self._database_url, row_factory=tuple_row) as connection:
            return await (await connection.execute(query.encode(), [list(ids)])).fetchall()

    async def wait(self, ids: Sequence[str], where: str) -> None:
        """Wait until so it is of all these jobs."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while len(await self.rows("id", ids, where)) < len(ids):
            if time.monotonic() > ends:
                raise SystemExit(f"headrace: not all jobs came to {where}.")
            await asyncio.sleep(0.05)


@contextmanager
def own_folder() -> Iterator[Path]:
    """A data directory, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the servers' account must reach what is in it, when root measures
        yield folder


@asynccontextmanager
async def running(environ: dict[str, str]) -> AsyncIterator[Place]:
    """Start the platform on an empty data directory, and stop it afterwards."""
    mail = Mail()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mail, loop=loop), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with own_folder() as folder:
        words = ("up", "--json", "--no-flower", "--workers", str(len(WORKERS)), "--data-dir", str(folder))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "cli.main", *words),
            env=environment_without_settings(
                PYTHONPATH=str(PLATFORM), HEADRACE_SMTP_URL=f"smtp://127.0.0.1:{port}", **environ
            ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            ready = msgspec.json.decode(await process.stdout.readline(), type=Ready)
            headers = {"Authorization": f"Bearer {ready.api_key}"}
            async with httpx.AsyncClient(base_url=ready.api, headers=headers, timeout=60) as client:
                yield Place(ready, folder, mail, client)
        finally:
            mail.go.set()
            process.send_signal(signal.SIGINT)
            await process.wait()
    server.close()


async def kill_workers(place: Place, kills: int, *, heartbeat_seconds: float) -> list[float]:
    """Kill the worker that holds the most jobs, again and again; how long each of its jobs waited for another."""
    waited: list[float] = []
    for kill in range(kills):
        await place.all_workers()
        place.mail.go.clear()
        ids = [await place.submit("emails.send", f"Kill {kill}, job {number}.") for number in range(JOBS_A_KILL)]
        await place.wait(ids, "state = 'running'")
        # leases are renewed on a clock: how much is left of them at the kill must not be the same each time
        await asyncio.sleep(random.uniform(0, heartbeat_seconds))  # noqa: S311 - no secret
        holders = await place.rows("worker, id", ids)
        [(name, _)] = Counter(worker for worker, _ in holders).most_common(1)
        held = [job_id for worker, job_id in holders if worker == name]
        pid = place.pid(name)
        assert pid is not None  # noqa: S101 - it holds jobs
        os.kill(pid, signal.SIGKILL)
        killed_at = time.time()
        place.mail.go.set()
        await place.wait(held, "state = 'succeeded' AND crashes = 1")
        began = await place.rows("extract(epoch FROM started_at)::float8", held)
        waited += [started - killed_at for (started,) in began]
    await place.all_workers()
    return waited


async def cancel(place: Place, samples: int, *, state: str) -> list[float]:
    """Cancel jobs that stand in `state`; how long each took to end."""
    took: list[float] = []
    place.mail.go.clear()
    if state == "queued":
        (await place.client.post("/v1/queues/emails/pause")).raise_for_status()
    ids = [await place.submit("emails.send", f"Cancelled {number}.") for number in range(samples)]
    await place.wait(ids, f"state = '{state}'")
    for job_id in ids:
        asked_at = time.time()
        (await place.client.post(f"/v1/jobs/{job_id}/cancel")).raise_for_status()
        await place.wait([job_id], "state = 'cancelled'")
        [(ended_at,)] = await place.rows("extract(epoch FROM finished_at)::float8", [job_id])
        took.append(max(0.0, ended_at - asked_at))
    if state == "queued":
        (await place.client.post("/v1/queues/emails/resume")).raise_for_status()
    place.mail.go.set()
    return took


async def restart_workers(place: Place, restarts: int) -> Restarts:
    """Stop one worker after the other under a steady load of texts and e-mails, each when the last is back."""
    ids: list[str] = []
    is_over = asyncio.Event()

    async def load() -> None:
        while not is_over.is_set():
            kind = "emails.send" if len(ids) % 10 == 0 else "text.moderate"
            ids.append(await place.submit(kind, f"Restart, job {len(ids)}."))
            await asyncio.sleep(1 / LOAD_A_SECOND)

    async def answer_mail() -> None:
        while True:  # so that some e-mail is always on its way when a worker is told to stop
            place.mail.go.clear()
            await asyncio.sleep(1)
            place.mail.go.set()
            await asyncio.sleep(0.05)

    answering = asyncio.create_task(answer_mail())
    async with asyncio.TaskGroup() as group:
        group.create_task(load())
        for number in range(restarts):
            name = WORKERS[number % len(WORKERS)]
            pid = place.pid(name)
            assert pid is not None  # noqa: S101 - all work
            os.kill(pid, signal.SIGTERM)
            await place.another(name, pid)
        is_over.set()
    await place.wait(ids, "state IN ('succeeded', 'failed')")
    answering.cancel()
    place.mail.go.set()
    rows = await place.rows(
        "state, crashes, extract(epoch FROM started_at - run_at)::float8, "
        "(SELECT count(*) FROM attempts WHERE job_id = jobs.id AND outcome = 'queued')",
        ids,
    )
    return Restarts(
        restarts=restarts,
        jobs=len(rows),
        not_succeeded=sum(state != "succeeded" for state, *_ in rows),
        crashes=sum(crashes for _, crashes, *_ in rows),
        given_back=sum(back for *_, back in rows),
        start_delay=_times([delay for _, _, delay, _ in rows]),
    )


async def measure(samples: int, *, scaled: bool) -> Figures:
    """Measure all three."""
    async with running(SCALED if scaled else {}) as place:
        place.mail.go.set()
        recovery = await kill_workers(place, samples, heartbeat_seconds=1 if scaled else 10)
        cancel_running = await cancel(place, samples, state="running")
        cancel_queued = await cancel(place, samples, state="queued")
        restarts = await restart_workers(place, samples)
    return Figures(
        scaled=scaled,
        kills=samples,
        recovery=_times(recovery),
        cancel_running=_times(cancel_running),
        cancel_queued=_times(cancel_queued),
        restarts=restarts,
    )


async def until(is_so: Any) -> None:  # noqa: ANN401 - a question without arguments
    """Wait for it."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > ends:
            raise SystemExit("headrace: a worker did not come back.")
        await asyncio.sleep(0.02)


def _times(seconds: Sequence[float]) -> Times:
    ordered = sorted(seconds)
    quantiles = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99, 1.0)]
    return Times(len(ordered), *(round(each, 3) for each in quantiles))


def main() -> None:
    """Measure as the arguments say."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--samples", type=int, default=20)
    arguments.add_argument("--scaled", action="store_true")
    given = arguments.parse_args()
    figures = asyncio.run(measure(given.samples, scaled=given.scaled))
    print(msgspec.json.encode(figures).decode())  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main()
