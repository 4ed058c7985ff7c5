"""Celery beat's scheduler over the schedules table. Leaderless: run as many beats as you like."""

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import structlog
from celery import Celery
from celery.beat import Scheduler

from domain.errors import Unavailable
from runtime.kill_points import KillPoints
from runtime.resources import needed
from runtime.settings import read_settings
from runtime.wakeups import Wakeups, open_wakeups
from schedules.figures import TICK, BeatFigures
from schedules.tick import tick
from storage.database import Database, open_database

_LONGEST_SLEEP: Final = 1.0
_TELL_SECONDS: Final = 0.6
_CONNECTIONS: Final = 2

_LOG: Final = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Opened:
    runner: asyncio.Runner
    database: Database
    wakeups: Wakeups
    kill_points: KillPoints
    figures: BeatFigures


class PostgresScheduler(Scheduler):  # type: ignore[misc]  # Celery has no types
    """Ticks at least every second. What a schedule is, and where it stands, is in Postgres: nothing is kept here.

    It sends no Celery messages: a firing is a job in the outbox, and the relay does the rest.
    """

    schedule: ClassVar[dict[str, Any]] = {}  # Celery looks in here for entries of its own; there are none
    max_interval = _LONGEST_SLEEP
    figures: ClassVar[BeatFigures | None] = None
    """Who counts; set by `scheduler_with`."""

    def __init__(self, app: Celery, *args: Any, max_interval: float | None = None, **options: Any) -> None:  # noqa: ANN401 - Celery's own
        self._opened: _Opened | None = None
        self._is_down = False
        self._figures = self.figures or BeatFigures()
        super().__init__(app, *args, max_interval=min(max_interval or _LONGEST_SLEEP, _LONGEST_SLEEP), **options)

    def setup_schedule(self) -> None:
        """Open what ticking needs, as the environment names it. Nothing is connected yet."""
        settings = read_settings()
        self._opened = _Opened(
            runner=asyncio.Runner(),
            database=open_database(needed(settings, "database_url"), name="beat", size=_CONNECTIONS),
            wakeups=open_wakeups(needed(settings, "redis_url")),
            kill_points=KillPoints(settings.kill_points),
            figures=self._figures,
        )

    def tick(self, *_: object, **__: object) -> float:
        """Submit what is due; answers how many seconds to sleep. Postgres being away is waited out."""
        if self._opened is None:
            raise RuntimeError("a lazy or closed scheduler does not tick")
        try:
            with self._figures.going_round(TICK):
                seconds = self._opened.runner.run(_tick(self._opened))
        except Unavailable as error:
            if not self._is_down:
                _LOG.warning("beat.database_lost", detail=error.detail)
            self._is_down = True
            return self.max_interval
        except Exception:  # noqa: BLE001 - see below
            # a beat that ends is started again and meets the same: better it goes on and says so every second
            _LOG.exception("beat.tick_failed")
            return self.max_interval
        if self._is_down:
            _LOG.info("beat.database_back")
        self._is_down = False
        return self.max_interval if seconds is None else min(seconds, self.max_interval)

    def sync(self) -> None:
        """Nothing to write back: a tick commits what it does."""

    def close(self) -> None:
        """Let go of the connections."""
        opened = self._opened
        # A signal calls this in the middle of a tick, too; Celery calls it again once the tick is over.
        if opened is None or opened.runner.get_loop().is_running():
            return
        self._opened = None
        opened.runner.run(_close(opened))
        opened.runner.close()

    @property
    def info(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride] - Celery's says nothing
        """What beat's banner says about where schedules come from."""
        return "    . schedules -> Postgres"


def scheduler_with(figures: BeatFigures) -> type[PostgresScheduler]:
    """The scheduler for a beat that counts in these."""
    return type("CountingScheduler", (PostgresScheduler,), {"figures": figures})


async def _tick(opened: _Opened) -> float | None:
    seconds = await tick(opened.database, opened.wakeups, kill_points=opened.kill_points, on_fired=opened.figures.fired)
    await _finish_telling()
    return seconds


async def _finish_telling() -> None:
    """Wait for the tasks that send wake-ups: between ticks this loop stands still, and they with it."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=_TELL_SECONDS)


async def _close(opened: _Opened) -> None:
    interrupted = asyncio.all_tasks() - {asyncio.current_task()}
    for task in interrupted:
        task.cancel()
    await asyncio.gather(*interrupted, return_exceptions=True)
    await opened.wakeups.close()
    await opened.database.close()
