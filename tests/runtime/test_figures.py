"""What every process counts of itself: its rounds, how they end, and whether they still come to an end."""

import asyncio
import time
from contextlib import suppress

import pytest

from domain.errors import Unavailable
from runtime.broker import BrokerDown
from runtime.figures import LOOP, ProcessFigures, open_registry
from runtime.version import VERSION
from tests.support.figures import figure, names_in


def figures_of(*rounds: str) -> ProcessFigures:
    return ProcessFigures("relay", name="relay-1", rounds=rounds)


def test_a_round_that_is_done_is_timed_and_dated() -> None:
    figures = figures_of("look")
    assert figure(figures.registry, "headrace_round_timestamp_seconds", round="look") == 0
    before = time.time()
    with figures.going_round("look"):
        pass
    assert figure(figures.registry, "headrace_round_duration_seconds_count", round="look", outcome="done") == 1
    done_at = figure(figures.registry, "headrace_round_timestamp_seconds", round="look")
    assert done_at is not None
    assert before <= done_at <= time.time()


@pytest.mark.parametrize(
    ("error", "outcome"), [(BrokerDown("gone"), "broker_unavailable"), (ValueError("a bug"), "failed")]
)
def test_a_round_that_is_not_done_tells_why_and_leaves_the_date(error: Exception, outcome: str) -> None:
    figures = figures_of("look")
    with pytest.raises(type(error)), figures.going_round("look"):
        raise error
    assert figure(figures.registry, "headrace_round_duration_seconds_count", round="look", outcome=outcome) == 1
    assert figure(figures.registry, "headrace_round_timestamp_seconds", round="look") == 0


def test_a_process_is_stalled_where_an_expected_round_comes_to_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    figures = figures_of("look", "prune")
    figures.expect("look", within_seconds=60)
    now = 150.0
    assert figures.overdue == {}
    now = 161.5
    assert figures.overdue == {"look": 61.5}
    with suppress(Unavailable), figures.going_round("look"):
        raise BrokerDown("A bad end is an end: whoever waits for a store is not stalled.")
    assert figures.overdue == {}


async def test_a_loop_that_is_held_up_is_late_and_says_by_how_much() -> None:
    figures = figures_of()
    watch = asyncio.create_task(figures.watch_loop(within_seconds=60))
    while not figure(figures.registry, "headrace_event_loop_lag_seconds_count"):
        await asyncio.sleep(0.01)
    ends = time.monotonic() + 0.6
    while time.monotonic() < ends:  # as a bad handler does
        pass
    while (figure(figures.registry, "headrace_event_loop_lag_seconds_sum") or 0) < 0.3:
        await asyncio.sleep(0.01)
    assert figure(figures.registry, "headrace_round_timestamp_seconds", round=LOOP)
    watch.cancel()


def test_every_process_tells_its_release_its_start_its_memory_and_its_files() -> None:
    registry = open_registry("beat", name="beat")
    assert names_in(registry) >= {
        "headrace_process_info",
        "process_start_time_seconds",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_open_fds",
        "process_max_fds",
    }
    [about] = [sample for metric in registry.collect() for sample in metric.samples if sample.name.endswith("_info")]
    assert {**about.labels, "python": ""} == {"process": "beat", "name": "beat", "version": VERSION, "python": ""}
