"""Oracles: cronsim walking real zones, and the hands of the clock read minute by minute."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.schedules.schedule import CatchUp, Overlap, Timing, firing_id
from domain.schedules.timetable import (
    GRACE,
    MOST_AT_ONCE,
    decide,
    find_due,
    follows_hands,
    jitter_of,
    next_fire,
    next_fires,
)
from providers.cron import next_wall

ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Africa/Cairo",
    "Asia/Kolkata",
    "Pacific/Chatham",
    "America/Havana",
)
FIELDS = {
    "minute": ("*", "*/15", "0", "30", "5,35", "*/7"),
    "hour": ("*", "*/2", "0", "1", "2", "3", "0,2,3", "1-3", "23"),
    "day": ("*", "*", "*", "1", "29", "L"),
    "weekday": ("*", "*", "*", "SUN", "MON-FRI", "SUN#2", "0L"),
}
CRONS = st.builds(
    lambda minute, hour, day, weekday: f"{minute} {hour} {day} * {weekday}",
    *(st.sampled_from(choices) for choices in FIELDS.values()),
)
# the changes of the clocks of 2026, and ordinary days
NEAR_CHANGES = st.builds(
    lambda day, seconds: day + timedelta(seconds=seconds),
    st.sampled_from(
        [
            datetime(2026, 3, 8, tzinfo=UTC),
            datetime(2026, 3, 29, tzinfo=UTC),
            datetime(2026, 4, 4, 12, tzinfo=UTC),
            datetime(2026, 4, 23, 12, tzinfo=UTC),
            datetime(2026, 7, 1, tzinfo=UTC),
            datetime(2026, 10, 3, 12, tzinfo=UTC),
            datetime(2026, 10, 25, tzinfo=UTC),
            datetime(2026, 10, 29, 18, tzinfo=UTC),
            datetime(2026, 11, 1, tzinfo=UTC),
        ]
    ),
    st.integers(-36 * 3600, 36 * 3600),
)


def cron(expression: str, zone: str = "UTC") -> Timing:
    return Timing(cron=expression, every=None, timezone=zone, anchor=ANCHOR)


def every(step: timedelta, **bounds: datetime) -> Timing:
    return Timing(cron=None, every=step, timezone="UTC", anchor=ANCHOR, **bounds)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def fires(timing: Timing, after: str, count: int) -> list[str]:
    zone = ZoneInfo(timing.timezone)
    return [
        fire.astimezone(zone).isoformat(timespec="minutes")
        for fire in islice(next_fires(timing, utc(after), next_wall), count)
    ]


@pytest.mark.parametrize(
    ("timing", "after", "expected"),
    [
        # Berlin jumps from 02:00 to 03:00 on 2026-03-29
        (
            cron("30 2 * * *", "Europe/Berlin"),
            "2026-03-28T12:00+01:00",
            ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"],
        ),
        (
            cron("0,30 2,3 * * *", "Europe/Berlin"),
            "2026-03-28T12:00+01:00",
            ["2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00", "2026-03-30T02:00+02:00"],
        ),
        (
            cron("30 * * * *", "Europe/Berlin"),
            "2026-03-29T01:00+01:00",
            ["2026-03-29T01:30+01:00", "2026-03-29T03:30+02:00", "2026-03-29T04:30+02:00"],
        ),
        # and shows 02:00 to 03:00 twice on 2026-10-25
        (
            cron("30 2 * * *", "Europe/Berlin"),
            "2026-10-24T12:00+02:00",
            ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
        ),
        (
            cron("30 * * * *", "Europe/Berlin"),
            "2026-10-25T02:00+02:00",
            ["2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00", "2026-10-25T03:30+01:00"],
        ),
        (
            cron("*/20 2 * * *", "Europe/Berlin"),
            "2026-10-25T02:15+02:00",
            ["2026-10-25T02:20+02:00", "2026-10-25T02:40+02:00", "2026-10-25T02:00+01:00", "2026-10-25T02:20+01:00"],
        ),
        # New York: 2026-03-08 and 2026-11-01
        (
            cron("15 2 * * *", "America/New_York"),
            "2026-03-07T12:00-05:00",
            ["2026-03-08T03:00-04:00", "2026-03-09T02:15-04:00"],
        ),
        (
            cron("15 1 * * *", "America/New_York"),
            "2026-10-31T12:00-04:00",
            ["2026-11-01T01:15-04:00", "2026-11-02T01:15-05:00"],
        ),
        (
            cron("0 * * * *", "America/New_York"),
            "2026-11-01T00:30-04:00",
            ["2026-11-01T01:00-04:00", "2026-11-01T01:00-05:00", "2026-11-01T02:00-05:00"],
        ),
        # Lord Howe moves by half an hour
        (
            cron("15 2 * * *", "Australia/Lord_Howe"),
            "2026-10-03T12:00+10:30",
            ["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"],
        ),
        # Cairo has no midnight on 2026-04-24
        (cron("0 0 24 4 *", "Africa/Cairo"), "2026-04-20T00:00+02:00", ["2026-04-24T01:00+03:00"]),
        (cron("0 0 29 2 *"), "2026-01-01T00:00Z", ["2028-02-29T00:00+00:00", "2032-02-29T00:00+00:00"]),
        (cron("0 9 L * *"), "2026-02-01T00:00Z", ["2026-02-28T09:00+00:00", "2026-03-31T09:00+00:00"]),
    ],
    ids=lambda value: value.cron if isinstance(value, Timing) else "",
)
def test_a_cron_fires_at_these_times(timing: Timing, after: str, expected: list[str]) -> None:
    assert fires(timing, after, len(expected)) == expected


def test_a_daily_cron_does_not_fire_in_the_second_pass_of_a_fold() -> None:
    second_pass = "2026-10-25T02:10+01:00"
    assert fires(cron("30 2 * * *", "Europe/Berlin"), second_pass, 1) == ["2026-10-26T02:30+01:00"]


@settings(max_examples=25, deadline=None)
@given(CRONS, st.sampled_from(ZONES), NEAR_CHANGES)
def test_a_cron_that_follows_the_hands_fires_at_every_minute_they_show(
    expression: str, zone: str, after: datetime
) -> None:
    if not follows_hands(expression):
        return
    minutes = (after.replace(second=0) + timedelta(minutes=offset) for offset in range(1, 26 * 60))
    shown = [minute for minute in minutes if _names(expression, minute.astimezone(ZoneInfo(zone)))]
    listed = list(islice(next_fires(cron(expression, zone), after, next_wall), len(shown)))
    assert listed == shown


@settings(max_examples=100, deadline=None)
@given(CRONS, st.sampled_from(ZONES), NEAR_CHANGES)
def test_a_cron_that_names_its_times_fires_as_cronsim_has_it(expression: str, zone: str, after: datetime) -> None:
    if follows_hands(expression):
        return
    # cronsim starts from a wall, and yields a jumped-over time once for each wall
    walked = CronSim(expression, (after - timedelta(days=3)).astimezone(ZoneInfo(zone)))
    expected: list[datetime] = []
    while len(expected) < 4:
        fire = next(walked).astimezone(UTC)
        if fire > after and fire not in expected:
            expected.append(fire)
    assert list(islice(next_fires(cron(expression, zone), after, next_wall), 4)) == expected


@settings(max_examples=60, deadline=None)
@given(CRONS, st.sampled_from(ZONES), NEAR_CHANGES, st.integers(0, 40 * 3600))
def test_the_set_of_firings_does_not_depend_on_where_the_walk_begins(
    expression: str, zone: str, after: datetime, later: int
) -> None:
    timing = cron(expression, zone)
    start = after + timedelta(seconds=later)
    walked = next(fire for fire in next_fires(timing, after, next_wall) if fire > start)
    assert next_fire(timing, start, next_wall) == walked


@settings(max_examples=60, deadline=None)
@given(CRONS, st.sampled_from(ZONES), NEAR_CHANGES, st.integers(0, 5 * 24 * 3600))
def test_the_last_of_the_missed_firings_is_the_last_one_walked_to(
    expression: str, zone: str, after: datetime, asleep: int
) -> None:
    timing = cron(expression, zone)
    first = next_fire(timing, after, next_wall)
    assert first is not None
    now = first + timedelta(seconds=asleep)
    last = first
    for fire in next_fires(timing, first, next_wall):
        if fire > now:
            break
        last = fire
    due = find_due(timing, CatchUp.LAST, first, now, next_wall)
    assert due.fires == (last,)
    assert due.next_at == next_fire(timing, last, next_wall)
    assert due.missed == (None if last == first else first)


@given(st.timedeltas(timedelta(seconds=1), timedelta(days=9)), st.timedeltas(timedelta(0), timedelta(days=90)))
def test_an_interval_keeps_its_beat_however_late_it_is_looked_at(step: timedelta, elapsed: timedelta) -> None:
    fire = next_fire(every(step), ANCHOR + elapsed, next_wall)
    assert fire is not None
    assert timedelta(0) < fire - (ANCHOR + elapsed) <= step
    assert (fire - ANCHOR) % step == timedelta(0)


def test_a_schedule_starts_at_its_start_and_never_fires_at_its_end() -> None:
    start, end = ANCHOR + timedelta(hours=1), ANCHOR + timedelta(hours=3)
    timing = Timing(cron=None, every=timedelta(hours=1), timezone="UTC", anchor=start, starts_at=start, ends_at=end)
    assert list(next_fires(timing, ANCHOR, next_wall)) == [start, start + timedelta(hours=1)]


def test_all_missed_firings_are_made_up_for_a_bounded_number_at_a_time() -> None:
    timing = every(timedelta(minutes=1))
    now = ANCHOR + timedelta(days=1)
    seen: list[datetime] = []
    next_at: datetime | None = ANCHOR
    while next_at is not None and next_at <= now:
        due = find_due(timing, CatchUp.ALL, next_at, now, next_wall)
        assert 0 < len(due.fires) <= MOST_AT_ONCE
        seen += due.fires
        next_at = due.next_at
    assert seen == [ANCHOR + timedelta(minutes=n) for n in range(24 * 60 + 1)]


def test_without_catching_up_a_firing_runs_only_within_its_grace() -> None:
    timing = every(timedelta(hours=1))
    on_time = find_due(timing, CatchUp.NONE, ANCHOR, ANCHOR + GRACE, next_wall)
    late = find_due(timing, CatchUp.NONE, ANCHOR, ANCHOR + GRACE + timedelta(seconds=1), next_wall)
    assert (on_time.fires, on_time.missed) == ((ANCHOR,), None)
    assert (late.fires, late.missed) == ((), ANCHOR)
    assert on_time.next_at == late.next_at == ANCHOR + timedelta(hours=1)


def test_the_last_of_a_year_of_missed_minutes_is_found_at_once() -> None:
    calls = 0

    def counted(expression: str, wall: datetime) -> datetime | None:
        nonlocal calls
        calls += 1
        return next_wall(expression, wall)

    now = ANCHOR + timedelta(days=365, seconds=30)
    due = find_due(cron("* * * * *"), CatchUp.LAST, ANCHOR, now, counted)
    assert due.fires == (ANCHOR + timedelta(days=365),)
    assert calls < 20


@pytest.mark.parametrize(
    ("overlap", "has_live", "expected"),
    [
        (Overlap.ALLOW, True, ["submitted", "submitted"]),
        (Overlap.SKIP, True, ["skipped", "skipped"]),
        (Overlap.SKIP, False, ["submitted", "skipped"]),
        (Overlap.CANCEL_OTHER, True, ["skipped", "submitted cancels"]),
        (Overlap.CANCEL_OTHER, False, ["skipped", "submitted"]),
    ],
)
def test_firings_that_overlap(overlap: Overlap, *, has_live: bool, expected: list[str]) -> None:
    decided = decide(overlap, [ANCHOR, ANCHOR + timedelta(hours=1)], has_live=has_live)
    assert [f"{one.outcome}{' cancels' if one.cancels else ''}" for one in decided] == expected


def test_jitter_is_spread_over_its_span_and_is_the_same_for_whoever_asks() -> None:
    span = timedelta(minutes=10)
    offsets = [jitter_of(f"sched_{n:032x}", ANCHOR, span) for n in range(200)]
    assert offsets == [jitter_of(f"sched_{n:032x}", ANCHOR, span) for n in range(200)]
    assert all(timedelta(0) <= offset < span for offset in offsets)
    assert min(offsets) < span / 10
    assert max(offsets) > span * 9 / 10


def test_the_jobs_of_a_schedule_sort_by_their_time_of_firing() -> None:
    schedule_id = "sched_" + "0198" + "a" * 28
    ids = [firing_id(schedule_id, ANCHOR + timedelta(minutes=n)) for n in range(50)]
    assert ids == sorted(set(ids))
    assert firing_id("sched_" + "0198" + "b" * 28, ANCHOR) != ids[0]


def _names(expression: str, shown: datetime) -> bool:
    wall = shown.replace(tzinfo=None)
    return next_wall(expression, wall - timedelta(minutes=1)) == wall
