import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import psycopg
import pytest
from celery import Celery
from structlog.testing import capture_logs

from schedules.beat import PostgresScheduler, scheduler_with
from schedules.figures import BeatFigures
from tests.support.figures import figure
from tests.support.schedules import CALLER, NOTE, TENANT


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str) -> Iterator[PostgresScheduler]:
    monkeypatch.setenv("HEADRACE_DATABASE_URL", database_url)
    monkeypatch.setenv("HEADRACE_REDIS_URL", redis_url)
    opened = PostgresScheduler(Celery("test", set_as_current=False), max_interval=300)
    yield opened
    opened.close()


def write_schedules(url: str, count: int) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO tenants (id, name) VALUES (%s, 'test')", [TENANT])
        for n in range(count):
            connection.execute(
                """INSERT INTO schedules (id, tenant_id, caller_id, name, every_seconds, timezone, anchor, kind, input,
                    options, overlap, catch_up, next_at)
                VALUES (%s, %s, %s, 'test', 0.2, 'UTC', %s, %s, %s, '{}', 'allow', 'all', now())""",
                [f"sched_{n:032x}", TENANT, CALLER, datetime(2026, 1, 1, tzinfo=UTC), NOTE.kind, NOTE.input.decode()],
            )


def times_on_record(url: str) -> list[datetime]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT fire_at FROM schedule_runs ORDER BY fire_at")]


def test_beat_submits_what_is_due_and_sleeps_until_the_next(scheduler: PostgresScheduler, database_url: str) -> None:
    assert scheduler.tick() == 1.0
    write_schedules(database_url, 3)
    sleep = scheduler.tick()
    assert 0 < sleep <= 0.2
    with psycopg.connect(database_url) as connection:
        fired = connection.execute("SELECT count(*), count(DISTINCT schedule_id) FROM jobs").fetchone()
    assert fired is not None
    assert fired[0] >= 3
    assert fired[1] == 3


def test_beat_waits_out_a_database_that_is_away_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> None:
    monkeypatch.setenv("HEADRACE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.setenv("HEADRACE_REDIS_URL", redis_url)
    scheduler = PostgresScheduler(Celery("test", set_as_current=False))
    with capture_logs() as logs:
        assert [scheduler.tick() for _ in range(3)] == [1.0, 1.0, 1.0]
    scheduler.close()
    assert [line["event"] for line in logs] == ["beat.database_lost"]


def test_a_connection_cut_between_ticks_costs_no_firing(scheduler: PostgresScheduler, database_url: str) -> None:
    write_schedules(database_url, 1)
    scheduler.tick()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%beat'")
    ends = time.monotonic() + 10
    while time.monotonic() < ends and len(times_on_record(database_url)) < 4:
        scheduler.tick()
    first, *rest = times_on_record(database_url)
    # the first is the one written by hand; the others keep the beat of 200 ms without a gap
    assert first < rest[0] <= first + timedelta(seconds=0.2)
    assert {later - earlier for earlier, later in pairwise(rest)} == {timedelta(seconds=0.2)}


def test_beat_tells_its_ticks_and_what_became_of_firings(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> None:
    monkeypatch.setenv("HEADRACE_DATABASE_URL", database_url)
    monkeypatch.setenv("HEADRACE_REDIS_URL", redis_url)
    write_schedules(database_url, 3)
    figures = BeatFigures()
    counting = scheduler_with(figures)(Celery("test", set_as_current=False))
    counting.tick()
    counting.close()
    assert (figure(figures.registry, "headrace_beat_firings_total", outcome="submitted") or 0) >= 3
    assert figure(figures.registry, "headrace_round_duration_seconds_count", round="tick", outcome="done") == 1
    assert figure(figures.registry, "headrace_round_timestamp_seconds", round="tick")


def test_a_lazy_scheduler_opens_nothing() -> None:
    scheduler = PostgresScheduler(Celery("test", set_as_current=False), lazy=True)
    scheduler.close()
    assert scheduler.info.strip()
