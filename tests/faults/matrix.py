"""The scenario of every kill point with every kind: a process is killed at the point while just such a job is at it.

All processes carry kill points that are armed by a file while they run. A job of the kind is submitted for a moment
later; meanwhile the file with its id is laid out, and whichever process reaches the point with that job dies there.
So the platform's own processes are killed, several at once, and nothing waits but for those to start again.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from domain.jobs.state import TERMINAL
from tests.faults.errands import Errands, Sent
from tests.faults.invariants import Violation
from tests.faults.ledger import Section
from tests.faults.pairs import Pair, pairs
from tests.faults.scene import Harm, Scene, spread

AT_ONCE: Final = 12
"""Pairs under way on one platform."""

_FOLDER: Final = "armed"
_POLL_SECONDS: Final = 0.02
_LOOK_SECONDS: Final = 0.5
_TRIES: Final = 5
_REACHED_SECONDS: Final = 40.0
_BEATS_AT_ONCE: Final = 1

SECTION: Final = Section(
    title="Every kill point with every kind",
    about=(
        "A process is killed at the point while a job of the kind is at it, for each pair of a point and a kind that "
        "passes it.\nSeconds are p50 / p99 / longest, from the submission of the job to the death of the process."
    ),
    columns=("pairs", "kills", "of which", "jobs accepted", "tries in vain", "reached after", "seconds a kill"),
)


def settings_of(folder: Path) -> dict[str, str]:
    """What every process is told: where its kill points are armed; and to beat often, as some die of that."""
    return {"HEADRACE_KILL_POINTS": f"files:{_armed(folder)}", "HEADRACE_HEARTBEAT_SECONDS": "0.3"}


def merge(harms: Sequence[Harm]) -> dict[str, Any]:
    """The figures of all platforms as one."""
    kills = sum((harm.kills for harm in harms), Counter())
    points: Counter[str] = Counter()
    for pair, count in kills.items():
        points[pair.partition(" of ")[0]] += count
    seconds = [took for harm in harms for took in harm.figures["reached"]]
    return {
        "pairs": len(kills),
        "kills": kills.total(),
        "of which": ", ".join(f"{point} {count}" for point, count in sorted(points.items())),
        "tries in vain": sum(harm.figures["in vain"] for harm in harms),
        "reached after": spread(seconds),
        "seconds a kill": f"{max(harm.figures['seconds'] for harm in harms) / max(1, kills.total()):.2f}",
    }


async def kill_each_kind(scene: Scene) -> Harm:
    """Kill at each pair `times` times, in an order that follows from the seed."""
    campaign = scene.campaign
    deck = pairs(campaign.points, campaign.kinds) * campaign.times
    random.Random(campaign.seed).shuffle(deck)  # noqa: S311 - a seed, not a secret
    began = time.monotonic()
    async with _opened(scene) as lane:
        await lane.run(deck)
    lane.harm.figures |= {"seconds": time.monotonic() - began}
    return lane.harm


@asynccontextmanager
async def _opened(scene: Scene) -> "AsyncGenerator[_Lane]":
    _armed(scene.up.data_dir).mkdir(exist_ok=True)
    errands = Errands(scene)
    await errands.prepare()
    yield _Lane(scene, errands)


class _Lane:
    """One platform whose processes die."""

    def __init__(self, scene: Scene, errands: Errands) -> None:
        self.harm = Harm(figures={"reached": [], "in vain": 0})
        self._scene = scene
        self._errands = errands
        self._folder = _armed(scene.up.data_dir)
        self._beats = asyncio.Semaphore(_BEATS_AT_ONCE)
        self._missed: list[Pair] = []

    async def run(self, deck: list[Pair]) -> None:
        """Kill once for each of the deck, several at a time."""
        waiting = list(reversed(deck))
        telling = asyncio.create_task(self._tell(len(deck)))

        async def work() -> None:
            while waiting:
                await self._kill(waiting.pop())

        async with asyncio.TaskGroup() as lanes:
            for _ in range(AT_ONCE):
                lanes.create_task(work())
        # where a worker dies every second some jobs never get so far: what was missed is tried again, alone
        for pair in self._missed.copy():
            self._missed.remove(pair)
            await self._kill(pair)
        telling.cancel()
        self.harm.violations += [
            Violation("every point is reached with every kind", str(pair)) for pair in self._missed
        ]

    async def _kill(self, pair: Pair) -> None:
        for _ in range(_TRIES):
            began = time.monotonic()
            reached = False
            # an errand that finds nobody to take it in time was in vain, too
            with contextlib.suppress(TimeoutError):
                reached = await self._try(pair)
            if reached:
                self.harm.kills[str(pair)] += 1
                self.harm.figures["reached"].append(time.monotonic() - began)
                return
            self.harm.figures["in vain"] += 1
        self._missed.append(pair)

    async def _try(self, pair: Pair) -> bool:
        """Whether a process died at the point."""
        match pair.point.partition(".")[0]:
            case "api":
                with self._arm(pair.point, pair.kind) as armed:
                    await self._errands.send(pair.kind)
                    return _was_taken(armed)
            case "beat":
                async with self._beats, self._errands.schedule(pair.kind):
                    with self._arm(pair.point, pair.kind) as armed:
                        return await self._reached(armed, None)
            case "rescue":
                # only a job whose worker died is rescued
                async with self._errands.sent(pair.kind) as sent:
                    with (
                        self._arm("worker.after_claim", sent.job_id) as claimed,
                        self._arm(pair.point, sent.job_id) as armed,
                    ):
                        return await self._reached(claimed, sent) and await self._reached(armed, sent)
            case "heartbeat":
                # between two heartbeats most jobs would be done: what this one waits for is held up
                async with self._errands.sent(pair.kind) as sent, self._errands.held_up(pair.kind, sent):
                    with self._arm(pair.point, sent.job_id) as armed:
                        return await self._reached(armed, sent)
            case _:
                async with self._errands.sent(pair.kind) as sent:
                    with self._arm(pair.point, sent.job_id) as armed:
                        return await self._reached(armed, sent)

    @contextlib.contextmanager
    def _arm(self, point: str, about: str) -> Generator[Path]:
        armed = self._folder / f"{point}@{about}"
        armed.touch()
        try:
            yield armed
        finally:
            armed.unlink(missing_ok=True)

    async def _reached(self, armed: Path, sent: Sent | None) -> bool:
        """Wait until a process died of `armed`; False: the job ended without passing there, or takes too long."""
        patience_ends = time.monotonic() + _REACHED_SECONDS
        looked = time.monotonic()
        while not _was_taken(armed):
            await asyncio.sleep(_POLL_SECONDS)
            if time.monotonic() - looked > _LOOK_SECONDS:
                looked = time.monotonic()
                is_over = sent is not None and await self._has_ended(sent)
                if _was_taken(armed):
                    break
                if is_over or looked > patience_ends:
                    return False
        return True

    async def _has_ended(self, sent: Sent) -> bool:
        try:
            async with await psycopg.AsyncConnection.connect(self._scene.up.ready["database_url"]) as database:
                found = await (
                    await database.execute("SELECT state FROM jobs WHERE id = %s", (sent.job_id,))
                ).fetchone()
        except psycopg.OperationalError:
            return False
        return found is not None and found[0] in TERMINAL

    async def _tell(self, wanted: int, every_seconds: float = 15) -> None:
        while True:
            await asyncio.sleep(every_seconds)
            vain = self.harm.figures["in vain"]
            self._scene.tell(f"{self.harm.kills.total()} of {wanted} kills, {vain} tries in vain")


def _armed(folder: Path) -> Path:
    return folder / _FOLDER


def _was_taken(armed: Path) -> bool:
    """Whether a process took it: it is renamed, with the number of who died of it."""
    return any(armed.parent.glob(f"{armed.name}.*"))
