"""Kills at named points: beside the platform's own process runs one that dies there, and is given the work."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

import httpx
import psycopg

from runtime.kill_points import NAMES
from runtime.ports import PortBook
from runtime.readiness import clear_mark, is_marked
from runtime.unique_ids import new_id
from tests.faults.invariants import Violation
from tests.faults.load import Load
from tests.faults.scene import Harm, Scene, held
from tests.support.running_up import RunningUp, command, environ_of_command

ELSEWHERE: Final = {
    "migrate.mid_batch": "no process that serves jobs migrates: tests/faults/test_migrations.py kills one that does",
    "bulk.before_commit": "it is about no one job: tests/workers/test_bulk.py",
    "event.after_seq": "no kind of the platform tells its progress: tests/workers/test_context.py",
    "event.after_publish": "it is about no one job: tests/workers/test_publish.py",
}
"""Points no errand of the load leads to, and where they are reached."""

ALL: Final = tuple(sorted(NAMES - ELSEWHERE.keys()))
_READY_SECONDS: Final = 30.0
_REACHED_SECONDS: Final = 12.0
_TRIES: Final = 3
_PORT: Final = 8500
_POLL_SECONDS: Final = 0.05
# whose point it is, by the first word of its name; every other is a worker's
_OF: Final = {"api": "api", "relay": "relay", "rescue": "relay", "bulk": "relay", "prune": "relay", "beat": "beat"}
_OLD_ACTION: Final = b"""
INSERT INTO bulk_actions (id, tenant_id, caller_id, action, filter, dry_run, rate_per_second, state, finished_at)
SELECT %s, min(id), 'user_' || repeat('0', 32), 'retry', '{}', true, 1, 'done', now() - interval '20 years' FROM tenants
"""


async def kill_at_points(scene: Scene) -> Harm:
    """Kill at the points named, or at all, each as often as the others."""
    campaign = scene.campaign
    settings = campaign.clock.settings
    killer = PointKiller(scene.up, campaign.points or ALL, kills=campaign.kills, seed=campaign.seed, settings=settings)
    await killer.run(scene.load, scene.client, scene.tell)
    missed = [Violation("every point is reached", point) for point in killer.missed]
    return Harm(kills=killer.kills, violations=missed)


class PointKiller:
    """Has each point reached and its process killed there, `kills` times in all; what was never reached is named."""

    def __init__(
        self, up: RunningUp, points: Iterable[str], *, kills: int, seed: int, settings: dict[str, str]
    ) -> None:
        chance = random.Random(seed)  # noqa: S311 - a seed, not a secret
        deck: list[str] = []
        while len(deck) < kills:
            deck += chance.sample(sorted(points), len(sorted(points)))
        self.done: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self.missed: list[str] = []
        self._up = up
        self._deck = deck[:kills]
        self._settings = settings

    async def run(self, load: Load, client: httpx.AsyncClient, tell: Callable[[str], None]) -> None:
        """Kill at one point after the other; errands of every sort come in meanwhile."""
        schedule = await _schedule(client)
        for point in self._deck:
            for _ in range(_TRIES):
                if await self._kill_at(point, load):
                    self.kills[point] += 1
                    break
            else:
                self.missed.append(point)
            tell(f"{point}: {'missed' if point in self.missed else 'killed there'}")
        await client.post(f"/v1/schedules/{schedule}/pause")

    async def _kill_at(self, point: str, load: Load) -> bool:
        if point.startswith("prune."):
            await self._make_old_action()
        role = _OF.get(point.partition(".")[0], "worker")
        own = {"worker": "worker-1"}.get(role, role)
        with contextlib.closing(PortBook()) as book:
            port = book.find("127.0.0.1", _PORT)
        async with self._armed(point, role, port) as armed:
            if armed.poll() is not None:  # its point lies on the way to being ready
                return armed.returncode == -signal.SIGKILL
            async with contextlib.AsyncExitStack() as stack:
                if role == "api":
                    headers = {"Authorization": f"Bearer {self._up.ready['api_key']}"}
                    door = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=5)
                    load.send_to(await stack.enter_async_context(door))
                elif point.startswith("rescue."):
                    stack.enter_context(held(self._up, "relay"))
                else:
                    stack.enter_context(held(self._up, own))
                await self._until_dead(armed, point, load)
                load.send_to(None)
            return armed.returncode == -signal.SIGKILL

    async def _until_dead(self, armed: "subprocess.Popen[bytes]", point: str, load: Load) -> None:
        patience_ends = time.monotonic() + _REACHED_SECONDS
        sending = asyncio.create_task(load.send_one_of_each())
        if point.startswith("rescue."):
            await asyncio.wait({sending}, timeout=0.3)
            self._kill("worker-1")  # what it holds is what there is to rescue
        while armed.poll() is None and time.monotonic() < patience_ends:
            await asyncio.sleep(_POLL_SECONDS)
        await sending

    @asynccontextmanager
    async def _armed(self, point: str, role: str, port: int) -> AsyncGenerator["subprocess.Popen[bytes]"]:
        words = {
            "api": ("api", "--port", str(port), "--name", "api-armed"),
            "beat": ("beat", "--name", "beat-armed"),
        }.get(role, (role, "--name", f"{role}-armed"))
        with (self._up.data_dir / "armed.log").open("ab") as output:
            process = subprocess.Popen(  # noqa: ASYNC220, S603 # our own words, and it returns at once
                command(*words), env=self._environ(point), stdout=output, stderr=output, start_new_session=True
            )
        try:
            patience_ends = time.monotonic() + _READY_SECONDS
            while process.poll() is None and not is_marked(self._up.data_dir, process.pid):
                assert time.monotonic() < patience_ends, f"{role} armed with {point} was not ready"
                await asyncio.sleep(_POLL_SECONDS)
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            clear_mark(self._up.data_dir, process.pid)

    def _environ(self, point: str) -> dict[str, str]:
        ready = self._up.ready
        return environ_of_command(
            HEADRACE_KILL_POINTS=f"{point}=kill",
            HEADRACE_DATABASE_URL=ready["database_url"],
            HEADRACE_REDIS_URL=ready["redis_url"],
            HEADRACE_SMTP_URL=ready["mail"],
            HEADRACE_SECRET_KEY=(self._up.data_dir / "secret.key").read_text().strip(),
            HEADRACE_WEBHOOK_LOOPBACK="true",
            HEADRACE_DATA_DIR=str(self._up.data_dir),
            **self._settings,
        )

    async def _make_old_action(self) -> None:
        """A bulk action that was done years ago, for relays to die over when they prune it; nobody was promised it."""
        async with await psycopg.AsyncConnection.connect(self._up.ready["database_url"]) as connection:
            await connection.execute(_OLD_ACTION, [new_id("bulk")])

    def _kill(self, name: str) -> None:
        if pid := self._up.pid_now(name):
            os.kill(pid, signal.SIGKILL)


async def _schedule(client: httpx.AsyncClient) -> str:
    """A schedule that is due every second, for beats to die over."""
    job = {"kind": "text.moderate", "input": {"text": "The wheel turns."}}
    body = {"name": "Faults", "every": "1s", "timezone": "UTC", "job": job, "overlap": "allow", "catch_up": "all"}
    answer = await client.post("/v1/schedules", json=body)
    assert answer.is_success, answer.text
    return str(answer.json()["id"])
