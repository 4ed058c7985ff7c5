"""What a campaign does to the platform: a plan that follows from the seed, and the hand that carries it out."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

import redis.asyncio
from msgspec import Struct

from runtime.readiness import is_marked
from tests.support.running_up import RunningUp

_POLL_SECONDS: Final = 0.03
_LOAD_PATIENCE_SECONDS: Final = 15.0
# these say when they do their work; of the others, that they run is all that is known
_MARKED: Final = ("api", "relay", "worker-", "beat")


class Fault(Struct, frozen=True, kw_only=True):
    """One fault: what, to whom, once it has been up for `after_seconds`; then `pause_seconds` of rest."""

    what: str
    name: str
    after_seconds: float
    pause_seconds: float


def make_plan(names: list[str], *, kills: int, seed: int) -> list[Fault]:
    """`kills` kills spread evenly over the processes in random order; besides, one stop in six and one flush in ten."""
    chance = random.Random(seed)  # noqa: S311 - a seed, not a secret
    deck: list[str] = []
    while len(deck) < kills:
        deck += chance.sample(names, len(names))
    wanted = [("kill", name) for name in deck[:kills]]
    may_stop = [name for name in names if name != "postgres"]  # its postmaster does none of the work
    wanted += [("stop", chance.choice(may_stop)) for _ in range(kills // 6)]
    wanted += [("flush", "redis")] * (kills // 10)
    chance.shuffle(wanted)
    return [
        Fault(what=what, name=name, after_seconds=chance.uniform(0, 2), pause_seconds=chance.uniform(0.05, 0.6))
        for what, name in wanted
    ]


class Killer:
    """Carries out a plan. A fault whose process is not up yet waits, and the next one that can be done is done."""

    def __init__(self, up: RunningUp, plan: list[Fault], *, stop_seconds: float) -> None:
        self.done: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self._up = up
        self._plan = plan
        self._stop_seconds = stop_seconds
        self._since: dict[str, tuple[int, float]] = {}
        self._hit: set[int] = set()

    @property
    def share(self) -> float:
        """How much of the plan is done, 0 to 1."""
        return sum(self.done.values()) / max(1, len(self._plan))

    async def run(self, load_share: Callable[[], float]) -> None:
        """Carry everything out, a little behind the load; returns when what was stopped goes on again."""
        waiting = deque(self._plan)
        async with asyncio.TaskGroup() as stops:
            while waiting:
                await self._let_load_come(load_share)
                self._look()
                fault = next((fault for fault in waiting if self._is_due(fault)), None)
                if fault is None:
                    await asyncio.sleep(_POLL_SECONDS)
                    continue
                waiting.remove(fault)
                await self._do(fault, stops)
                self.done[fault.what] += 1
                await asyncio.sleep(fault.pause_seconds)

    async def _let_load_come(self, load_share: Callable[[], float]) -> None:
        patience_ends = time.monotonic() + _LOAD_PATIENCE_SECONDS
        while load_share() < self.share and time.monotonic() < patience_ends:
            await asyncio.sleep(_POLL_SECONDS)

    async def _do(self, fault: Fault, stops: asyncio.TaskGroup) -> None:
        pid = self._since[fault.name][0]
        match fault.what:
            case "kill":
                self._hit.add(pid)
                self.kills[fault.name] += 1
                os.kill(pid, signal.SIGKILL)
            case "stop":
                stops.create_task(self._stop(fault.name, pid))
            case _:
                await self._flush()

    async def _stop(self, name: str, pid: int) -> None:
        """Stop a process for longer than its leases last; it may be killed meanwhile."""
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(self._stop_seconds)
        if self._up.pid_now(name) == pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def _flush(self) -> None:
        async with redis.asyncio.Redis.from_url(self._up.ready["redis_url"], socket_timeout=5) as store:
            with contextlib.suppress(redis.RedisError):  # stopped meanwhile: its loss comes with its death
                await store.flushall()

    def _look(self) -> None:
        for name in self._up.pids:
            pid = self._up.pid_now(name)
            if pid is None or pid in self._hit or not self._works(name, pid):
                self._since.pop(name, None)
            elif self._since.get(name, (0, 0.0))[0] != pid:
                self._since[name] = (pid, time.monotonic())

    def _is_due(self, fault: Fault) -> bool:
        since = self._since.get(fault.name)
        return since is not None and time.monotonic() - since[1] >= fault.after_seconds

    def _works(self, name: str, pid: int) -> bool:
        return not name.startswith(_MARKED) or is_marked(self._up.data_dir, pid)
