"""The scenario of the crashed store: Postgres dies under load, again and again.

Meanwhile callers are told to come again, and never anything else; soon after it is back jobs are accepted again.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from typing import Final

import psycopg

from tests.faults.invariants import Violation
from tests.faults.ledger import Section
from tests.faults.outside_log import Answer, Request
from tests.faults.scene import Harm, Scene, spread

ACCEPTS_AGAIN_SECONDS: Final = 3.0
"""How soon after Postgres takes connections again a job is accepted."""

_LOADED_SECONDS: Final = (0.5, 2.0)  # how long jobs come in before the next crash
_POLL_SECONDS: Final = 0.01
_PATIENCE_SECONDS: Final = 60.0

SECTION: Final = Section(
    title="Postgres crashed",
    about=(
        "Under a load of every sort of errand its postmaster is told to quit at once (SIGQUIT), or is killed. Every "
        "answer is one of\nthose declared, and there is always one. Seconds are p50 / p99 / longest: from the crash "
        "until it takes connections again,\nfrom then until a job is accepted, and until a caller was told to come "
        "again."
    ),
    columns=("crashes", "how", "jobs accepted", "answers", "down for", "accepts again after", "503 after"),
)


async def crash_postgres(scene: Scene) -> Harm:
    """Crash Postgres `times` times."""
    crasher = _Crasher(scene)
    is_over = asyncio.Event()
    sending = asyncio.create_task(scene.load.keep_on(is_over))
    try:
        for number in range(1, scene.campaign.times + 1):
            await crasher.crash()
            scene.tell(f"{number}: down for {crasher.down[-1]:.1f} s, accepts after {crasher.accepts[-1]:.2f} s more")
    finally:
        is_over.set()
        await sending
    harm = crasher.harm
    harm.figures = {
        "crashes": scene.campaign.times,
        "how": ", ".join(f"{what} {count}" for what, count in sorted(harm.kills.items())),
        "answers": ", ".join(f"{status} {count}" for status, count in sorted(crasher.answers.items())),
        "down for": spread(crasher.down),
        "accepts again after": spread(crasher.accepts),
        "503 after": spread(crasher.refused),
    }
    return harm


class _Crasher:
    def __init__(self, scene: Scene) -> None:
        self.harm = Harm()
        self.down: list[float] = []
        self.accepts: list[float] = []
        self.refused: list[float] = []
        self.answers: Counter[str] = Counter()
        self._scene = scene
        self._chance = random.Random(scene.campaign.seed)  # noqa: S311 - a seed, not a secret
        self._accepted = asyncio.Event()
        scene.load.on_answer = self._hear

    async def crash(self) -> None:
        """Let jobs come in for a while, crash Postgres, and wait until they come in again."""
        await asyncio.sleep(self._chance.uniform(*_LOADED_SECONDS))
        pid = self._scene.up.pid_now("postgres")
        assert pid, "Postgres is not up"
        what = self._chance.choice((signal.SIGQUIT, signal.SIGKILL))
        self.harm.kills[what.name] += 1
        crashed = time.monotonic()
        os.kill(pid, what)
        await self._until_gone(pid)
        await self._until_back()
        back = time.monotonic()
        self._accepted.clear()
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._accepted.wait()
        except TimeoutError:
            pass
        self.down.append(back - crashed)
        self.accepts.append(time.monotonic() - back)
        if self.accepts[-1] > ACCEPTS_AGAIN_SECONDS:
            self._violated("jobs are accepted soon after Postgres is back", f"after {self.accepts[-1]:.1f} s")

    async def _until_gone(self, pid: int) -> None:
        while self._scene.up.pid_now("postgres") == pid:
            await asyncio.sleep(_POLL_SECONDS)

    async def _until_back(self) -> None:
        """Ask until Postgres takes connections and answers."""
        patience_ends = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._scene.up.ready["database_url"]) as database:
                    await database.execute("SELECT 1")
            except psycopg.OperationalError:
                assert time.monotonic() < patience_ends, "Postgres did not come back"
            else:
                return
            await asyncio.sleep(_POLL_SECONDS)

    def _hear(self, request: Request, answer: Answer, seconds: float) -> None:
        self.answers[str(answer.status)] += 1
        if answer.status == 202 and request.creates:
            self._accepted.set()
        if answer.status == 503:
            self.refused.append(seconds)
        if answer.status is None:
            self._violated("there is always an answer", f"request {request.number} had none: {answer.error}")

    def _violated(self, invariant: str, what: str) -> None:
        self.harm.violations.append(Violation(invariant, what))
