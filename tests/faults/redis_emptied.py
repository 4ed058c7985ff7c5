"""The scenario of the lost broker: Redis dies and comes back empty while thousands of jobs are queued.

Submissions go on meanwhile, and each must be accepted; what Redis had must be sent again soon after it is back.
"""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import psycopg
import redis.asyncio

from runtime.embedded.places import REDIS, find_places
from tests.faults.invariants import Violation
from tests.faults.ledger import Section
from tests.faults.outside_log import Answer, Request
from tests.faults.scene import Harm, Scene, held, spread

Database = psycopg.AsyncConnection[Any]

QUEUED: Final = 5_000
SENT_AGAIN_RESENDS: Final = 2.0
"""Within so many times `HEADRACE_RESEND_SECONDS` everything lost is sent again: 30 s at the real times."""

_FROZEN_SECONDS: Final = 1.0  # how long Redis is away before it dies
_POLL_SECONDS: Final = 0.05
_SETTLED_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 120.0
_SUBMISSIONS: Final = "every submission is accepted while Redis is away"
_SENT_AGAIN: Final = "what Redis lost is sent again in time"
_IS_DONE: Final = "what was queued is done in the end"

SECTION: Final = Section(
    title="Redis emptied",
    about=(
        f"Workers are held until {QUEUED:,} jobs are queued and the broker is as full as the relay makes it; then "
        "Redis is frozen for a second,\nkilled and its files deleted, or flushed, and the workers go on. While it is "
        "away and until all is sent again errands\ncome in. Seconds are p50 / p99 / longest: from Redis's return until "
        "the last of the jobs it had lost was sent again or claimed;\nand of a submission meanwhile."
    ),
    columns=("emptied", "how", "jobs accepted", "messages lost", "sent again after", "submissions meanwhile", "took"),
)

_SENT: Final = "SELECT job_id, sent_at FROM outbox WHERE stage = 'sent'"
_WAITING: Final = """
SELECT count(*) FROM outbox JOIN unnest(%s::text[], %s::timestamptz[]) AS lost (job_id, sent_at)
    ON outbox.job_id = lost.job_id AND (outbox.stage <> 'sent' OR outbox.sent_at <= lost.sent_at)
"""
_QUEUED: Final = "SELECT count(*) FROM jobs WHERE state = 'queued'"


async def empty_redis(scene: Scene) -> Harm:
    """Empty Redis `times` times."""
    emptier = _Emptier(scene)
    for number in range(1, scene.campaign.times + 1):
        await emptier.empty()
        scene.tell(f"{number}: {emptier.lost[-1]} messages lost, all sent again after {emptier.seconds[-1]:.1f} s")
    harm = emptier.harm
    how = ", ".join(f"{what} {count}" for what, count in sorted(harm.kills.items()))
    harm.figures = {
        "emptied": scene.campaign.times,
        "how": how,
        "messages lost": sum(emptier.lost),
        "sent again after": spread(emptier.seconds),
        "submissions meanwhile": emptier.submissions,
        "took": spread(emptier.took),
    }
    return harm


class _Emptier:
    def __init__(self, scene: Scene) -> None:
        self.harm = Harm()
        self.lost: list[int] = []
        self.seconds: list[float] = []
        self.took: list[float] = []
        self.submissions = 0
        self._scene = scene
        self._chance = random.Random(scene.campaign.seed)  # noqa: S311 - a seed, not a secret
        self._most_seconds = SENT_AGAIN_RESENDS * scene.campaign.clock.resend_seconds
        self._is_away = False
        scene.load.on_answer = self._hear

    async def empty(self) -> None:
        """Fill, empty, and wait until all that was queued is done."""
        up, load = self._scene.up, self._scene.load
        async with await psycopg.AsyncConnection.connect(up.ready["database_url"], autocommit=True) as database:
            with contextlib.ExitStack() as stack:
                for name in self._workers():
                    stack.enter_context(held(up, name))
                if not await load.fill(QUEUED):
                    self._violated(_SUBMISSIONS, "the batch was refused before anything was hurt")
                await self._until(database, _QUEUED, lambda queued: queued >= QUEUED)
                lost = await self._until_full(database)
                is_over = asyncio.Event()
                self._is_away = True
                sending = asyncio.create_task(load.keep_on(is_over))
                await self._lose()
            returned = time.monotonic()
            is_in_time = await self._until(
                database, _WAITING, lambda waiting: waiting == 0, list(lost), list(lost.values())
            )
            self.lost.append(len(lost))
            self.seconds.append(time.monotonic() - returned)
            if not is_in_time or self.seconds[-1] > self._most_seconds:
                self._violated(_SENT_AGAIN, f"the last of {len(lost)} jobs after {self.seconds[-1]:.1f} s")
            self._is_away = False
            is_over.set()
            await sending
            if not await self._until(database, _QUEUED, lambda queued: queued == 0):
                self._violated(_IS_DONE, f"jobs are still queued {_PATIENCE_SECONDS:.0f} s later")

    async def _lose(self) -> None:
        """Take everything from Redis; returns when it answers again, and is empty."""
        url = self._scene.up.ready["redis_url"]
        what = self._chance.choice(("wiped", "flushed"))
        self.harm.kills[what] += 1
        pid = self._scene.up.pid_now("redis")
        assert pid, "Redis is not up"
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(_FROZEN_SECONDS)
        if what == "wiped":
            # while it is stopped it can write nothing anew
            for path in (find_places(self._scene.up.data_dir).home / REDIS).iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            os.kill(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGCONT)
        async with redis.asyncio.Redis.from_url(url, socket_timeout=5) as store:
            while True:
                with contextlib.suppress(redis.RedisError):
                    if what == "flushed":
                        await store.flushall()
                    if await store.ping():
                        return
                await asyncio.sleep(_POLL_SECONDS)

    @staticmethod
    async def _until_full(database: Database) -> dict[str, datetime]:
        """Wait until the relay sends no more; the jobs that are with the broker, and when each was sent."""
        before: dict[str, datetime] | None = None
        while True:
            found = dict(await (await database.execute(_SENT)).fetchall())
            if found and found == before:
                return found
            before = found
            await asyncio.sleep(_SETTLED_SECONDS)

    @staticmethod
    async def _until(
        database: Database,
        query: str,
        is_enough: Callable[[int], bool],
        *values: object,
    ) -> bool:
        patience_ends = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < patience_ends:
            [row] = await (await database.execute(query.encode(), values or None)).fetchall()
            if is_enough(row[0]):
                return True
            await asyncio.sleep(_POLL_SECONDS)
        return False

    def _workers(self) -> list[str]:
        return [name for name in self._scene.up.pids if name.startswith("worker-")]

    def _hear(self, request: Request, answer: Answer, seconds: float) -> None:
        if not self._is_away or not request.creates:
            return
        self.submissions += 1
        self.took.append(seconds)
        if answer.status not in {200, 202}:
            self._violated(_SUBMISSIONS, f"request {request.number} was answered {answer.status}: {answer.error}")

    def _violated(self, invariant: str, what: str) -> None:
        self.harm.violations.append(Violation(invariant, what))
