"""When a schedule fires, and what its firings do: pure arithmetic over zones, daylight saving and lateness.

Daylight saving follows the rule Debian's cron made common. A cron that names its minutes and its hours fires once for
each time it names: a time the clocks jump over fires at the first instant after the jump, a time they pass twice fires
at the first. A cron whose minute or hour starts with `*` follows the hands: what is jumped over does not happen, and
what is passed twice fires twice. Intervals count elapsed time and know no zones.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.schedules.schedule import CatchUp, Overlap, RunOutcome, Timing

NextWall = Callable[[str, datetime], datetime | None]
"""The first wall-clock time (naive, in whole minutes) after the given one that a cron names; None: never again."""

GRACE: Final = timedelta(seconds=60)
"""How late a firing may be and still count as on time: what a beat that is restarted needs."""

MOST_AT_ONCE: Final = 100
"""How many missed firings one tick makes up for; the next tick goes on from there."""

_INSTANT: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_SEARCH_FROM: Final = timedelta(minutes=5)


class Due(Struct, frozen=True, kw_only=True):
    """What a tick finds: firings to carry out, the first of those that were missed, and the firing to come."""

    fires: tuple[datetime, ...]
    missed: datetime | None
    next_at: datetime | None


class Firing(Struct, frozen=True, kw_only=True):
    """What becomes of one firing: SUBMITTED or SKIPPED, and whether the live jobs before it are cancelled."""

    fire_at: datetime
    outcome: RunOutcome
    cancels: bool = False


def next_fire(timing: Timing, after: datetime, next_wall: NextWall) -> datetime | None:
    """The first firing strictly after `after`, in UTC; None: there is none any more."""
    if timing.starts_at is not None:
        after = max(after, timing.starts_at - _INSTANT)
    if timing.every is not None:
        fire: datetime | None = _next_interval(timing.anchor, timing.every, after)
    else:
        fire = _next_cron(timing.cron or "", ZoneInfo(timing.timezone), after, next_wall)
    if fire is None or (timing.ends_at is not None and fire >= timing.ends_at):
        return None
    return fire


def next_fires(timing: Timing, after: datetime, next_wall: NextWall) -> Iterator[datetime]:
    """The firings strictly after `after`, in order."""
    fire = next_fire(timing, after, next_wall)
    while fire is not None:
        yield fire
        fire = next_fire(timing, fire, next_wall)


def find_due(timing: Timing, catch_up: CatchUp, next_at: datetime, now: datetime, next_wall: NextWall) -> Due:
    """What is due at `now` of a schedule whose firing to come was `next_at`, not later than `now`."""
    if catch_up is CatchUp.ALL:
        fires = [next_at]
        for fire in next_fires(timing, next_at, next_wall):
            if fire > now or len(fires) == MOST_AT_ONCE:
                return Due(fires=tuple(fires), missed=None, next_at=fire)
            fires.append(fire)
        return Due(fires=tuple(fires), missed=None, next_at=None)
    last = _last_fire(timing, next_at, now, next_wall)
    runs = catch_up is CatchUp.LAST or now - last <= GRACE
    is_alone = last == next_at
    return Due(
        fires=(last,) if runs else (),
        missed=next_at if not runs or not is_alone else None,
        next_at=next_fire(timing, now, next_wall),
    )


def decide(overlap: Overlap, fires: Sequence[datetime], *, has_live: bool) -> tuple[Firing, ...]:
    """What each of `fires`, in order, does, given whether an earlier job of the schedule is still live."""
    decided: list[Firing] = []
    for index, fire_at in enumerate(fires):
        match overlap:
            case Overlap.ALLOW:
                skips = False
            case Overlap.SKIP:
                skips = has_live or index > 0
            case Overlap.CANCEL_OTHER:
                # whatever is submitted before the last would be cancelled in the same breath
                skips = index < len(fires) - 1
        cancels = overlap is Overlap.CANCEL_OTHER and has_live and not skips
        outcome = RunOutcome.SKIPPED if skips else RunOutcome.SUBMITTED
        decided.append(Firing(fire_at=fire_at, outcome=outcome, cancels=cancels))
    return tuple(decided)


def jitter_of(schedule_id: str, fire_at: datetime, jitter: timedelta) -> timedelta:
    """How long after `fire_at` its job runs: spread over [0, jitter), the same whoever computes it."""
    digest = hashlib.sha256(f"{schedule_id}|{fire_at.isoformat()}".encode()).digest()
    return jitter * (int.from_bytes(digest[:6], "big") / 2**48)


def follows_hands(cron: str) -> bool:
    """Whether the cron fires by elapsed time rather than at times it names."""
    return any(part.startswith("*") for part in cron.split()[:2])


def _next_interval(anchor: datetime, every: timedelta, after: datetime) -> datetime:
    if after < anchor:
        return anchor
    return anchor + ((after - anchor) // every + 1) * every


def _last_fire(timing: Timing, first: datetime, now: datetime, next_wall: NextWall) -> datetime:
    """The latest firing in [first, now]. Years are not walked through: the search looks back twice as far each time."""
    if timing.every is not None:
        last_possible = now if timing.ends_at is None else min(now, timing.ends_at - _INSTANT)
        return max(first, timing.anchor + (last_possible - timing.anchor) // timing.every * timing.every)
    back = _SEARCH_FROM
    while now - back > first:
        latest = None
        for fire in next_fires(timing, now - back, next_wall):
            if fire > now:
                break
            latest = fire
        if latest is not None:
            return latest
        back *= 2
    latest = first
    for fire in next_fires(timing, first, next_wall):
        if fire > now:
            break
        latest = fire
    return latest


def _next_cron(cron: str, zone: ZoneInfo, after: datetime, next_wall: NextWall) -> datetime | None:
    if follows_hands(cron):
        return _next_by_hands(cron, zone, after, next_wall)
    wall = _wall(after, zone)
    while (named := next_wall(cron, wall)) is not None:
        # walls only grow, and so do the instants they stand for; in the second pass of a fold the first ones are over
        fire = _first_instant(named, zone)
        if fire > after:
            return fire
        wall = named
    return None


def _next_by_hands(cron: str, zone: ZoneInfo, after: datetime, next_wall: NextWall) -> datetime | None:
    start, wall = after, _wall(after, zone)
    while (named := next_wall(cron, wall)) is not None:
        # Only clocks set back within a day can bring back a wall that has passed: where they change, the search
        # starts anew with the hands as they stand then.
        offset = _offset(start, zone)
        fire = (named - offset).replace(tzinfo=UTC)
        horizon = min(start + _DAY, fire)
        if _offset(horizon, zone) == offset:
            return fire if fire == horizon else _next_shown(cron, zone, named, next_wall)
        start = _change(zone, start, horizon)
        wall = _wall(start, zone) - _INSTANT
    return None


def _next_shown(cron: str, zone: ZoneInfo, named: datetime | None, next_wall: NextWall) -> datetime | None:
    """The first of the named walls, from `named` on, that the clocks do show."""
    while named is not None:
        fire = _first_instant(named, zone)
        if _wall(fire, zone) == named:
            return fire
        named = next_wall(cron, named)
    return None


def _first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which the clocks show `wall`, or have jumped past it."""
    before, after = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    # In a gap the reading by the offset before the jump lies after it, and the other way round.
    return before if before <= after else _change(zone, after, before)


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first instant, in (low, high], at which the clocks have the offset they have at `high`."""
    floor = low.replace(microsecond=0)
    new = _offset(high, zone)
    inside, outside = math.ceil((high - floor).total_seconds()), 0
    while inside - outside > 1:
        middle = (inside + outside) // 2
        if _offset(floor + timedelta(seconds=middle), zone) == new:
            inside = middle
        else:
            outside = middle
    return floor + timedelta(seconds=inside)


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)
