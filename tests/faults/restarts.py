"""The scenario of rolling restarts: every process of the platform is told to stop, one after the other, under load.

A restart is no crash: nothing is lost, and no job's count of crashes grows.
"""

import asyncio
import os
import signal
import time
from typing import Final

import psycopg

from runtime.readiness import is_marked
from tests.faults.invariants import Violation
from tests.faults.ledger import Section
from tests.faults.scene import Harm, Scene, spread

_POLL_SECONDS: Final = 0.05
_PATIENCE_SECONDS: Final = 90.0
_CRASHES: Final = "SELECT id, crashes FROM jobs WHERE crashes > 0"

SECTION: Final = Section(
    title="Rolling restarts",
    about=(
        "Under a load of every sort of errand the workers, the relay, beat and the API are stopped by SIGTERM and "
        "started again, one after\nthe other. The API is one process, so callers find nobody while it starts. Seconds "
        "are p50 / p99 / longest of one process's\nrestart, until it is ready."
    ),
    columns=("rounds", "restarts", "jobs accepted", "jobs that count a crash", "a restart took"),
)


async def restart_in_turns(scene: Scene) -> Harm:
    """Restart everything `times` times."""
    took: list[float] = []
    is_over = asyncio.Event()
    sending = asyncio.create_task(scene.load.keep_on(is_over))
    names = [name for name in scene.up.pids if name in {"relay", "beat", "api"} or name.startswith("worker-")]
    try:
        for number in range(1, scene.campaign.times + 1):
            for name in names:
                began = time.monotonic()
                await _restart(scene, name)
                took.append(time.monotonic() - began)
            scene.tell(f"{number}: all restarted, {scene.load.accepted} jobs accepted")
    finally:
        is_over.set()
        await sending
    async with await psycopg.AsyncConnection.connect(scene.up.ready["database_url"]) as database:
        crashed = await (await database.execute(_CRASHES)).fetchall()
    return Harm(
        violations=[Violation("a restart is no crash", f"{job_id} counts {crashes}") for job_id, crashes in crashed],
        figures={
            "rounds": scene.campaign.times,
            "restarts": len(took),
            "jobs that count a crash": len(crashed),
            "a restart took": spread(took),
        },
    )


async def _restart(scene: Scene, name: str) -> None:
    """Stop a process as a deploy does, and wait until another is ready in its place."""
    pid = scene.up.pid_now(name)
    assert pid, f"{name} is not up"
    os.kill(pid, signal.SIGTERM)
    patience_ends = time.monotonic() + _PATIENCE_SECONDS
    while (now := scene.up.pid_now(name)) is None or now == pid or not is_marked(scene.up.data_dir, now):
        assert time.monotonic() < patience_ends, f"{name} did not come back"
        await asyncio.sleep(_POLL_SECONDS)
