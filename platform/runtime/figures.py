"""What a process counts of itself, for Prometheus, and by what whoever started it sees that it lives."""

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector, disable_created_metrics

from domain.errors import Unavailable
from runtime.version import VERSION

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Buckets for what takes a millisecond when all is well, and a minute when it is not."""

LOOP: Final = "loop"

_LAG_SECONDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0)
_LOOK_AT_THE_LOOP_SECONDS: Final = 0.25


def open_registry(process: str, *, name: str) -> CollectorRegistry:
    """A registry with what is told of every process: its release, start, memory, processor time and open files.

    Of those all but the release come from the kernel, and are missing where that is not Linux's.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the process's own start says as much, at half the series
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    about = Gauge(
        "headrace_process_info",
        "1; which process this is, and of which release",
        ("process", "name", "version", "python"),
        registry=registry,
    )
    about.labels(process, name, VERSION, sys.version.partition(" ")[0]).set(1)
    return registry


class ProcessFigures:
    """The figures of a process that goes round and round: how long its rounds take, how they end, when one last did.

    Rounds that are expected are its signs of life. Counted on whatever thread, and read on another.
    """

    def __init__(self, process: str, *, name: str, rounds: Iterable[str]) -> None:
        self.registry = open_registry(process, name=name)
        self.is_ready = False
        """Whether the process has started, and does not stop."""
        self._rounds = Histogram(
            "headrace_round_duration_seconds",
            "What the process does over and over, by how it ended: done, failed, or the code of what did not answer",
            ("round", "outcome"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._done_at = Gauge(
            "headrace_round_timestamp_seconds",
            "When it was last done, as a Unix time; 0: not yet",
            ("round",),
            registry=self.registry,
        )
        # finding a child by its labels costs more than the observation
        self._known: dict[tuple[str, str], Histogram] = {}
        # made now: an alert that waits for a round must not overlook who has done none
        self._dated = {name: self._done_at.labels(name) for name in rounds}
        self._within_seconds: dict[str, float] = {}
        self._signs: dict[str, float] = {}

    @property
    def overdue(self) -> dict[str, float]:
        """The rounds expected that have not come to an end for too long, with since when, in seconds."""
        now = time.monotonic()
        since = {name: round(now - self._signs[name], 1) for name in self._within_seconds}
        return {name: seconds for name, seconds in since.items() if seconds > self._within_seconds[name]}

    def expect(self, name: str, *, within_seconds: float) -> None:
        """From now on, take the process for stalled where this round comes to no end, good or bad, for so long."""
        self._signs[name] = time.monotonic()
        self._within_seconds[name] = within_seconds

    @contextmanager
    def going_round(self, name: str) -> Iterator[None]:
        """Around one round, whose end it notes; what it raises is raised."""
        began = time.perf_counter()
        outcome = "failed"
        try:
            yield
            outcome = "done"
        except Unavailable as error:
            outcome = error.code
            raise
        finally:
            known = self._known.get((name, outcome))
            if known is None:
                known = self._known[name, outcome] = self._rounds.labels(name, outcome)
            known.observe(time.perf_counter() - began)
            self._note(name, is_done=outcome == "done")

    def came_round(self, name: str) -> None:
        """Note a round that takes no time, done now."""
        self._note(name, is_done=True)

    async def watch_loop(self, *, within_seconds: float) -> None:
        """Note how late the running event loop comes to what is due, for ever; expect that it does within a time."""
        lag = Histogram(
            "headrace_event_loop_lag_seconds",
            "How late the event loop came to what was due; looked at four times a second",
            buckets=_LAG_SECONDS,
            registry=self.registry,
        )
        self._dated[LOOP] = self._done_at.labels(LOOP)
        self.expect(LOOP, within_seconds=within_seconds)
        while True:
            due = time.monotonic() + _LOOK_AT_THE_LOOP_SECONDS
            await asyncio.sleep(_LOOK_AT_THE_LOOP_SECONDS)
            lag.observe(max(0.0, time.monotonic() - due))
            self.came_round(LOOP)

    def _note(self, name: str, *, is_done: bool) -> None:
        self._signs[name] = time.monotonic()
        if is_done:
            self._dated[name].set(time.time())
