"""How long finished jobs are kept, and the partitions they are kept in: periods of days, by the time in a job's id."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

from domain.ids import first_id

_DAY: Final = timedelta(days=1)
_ORIGIN: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PERIODS: Final = 6
_PAST_EVERY_ID: Final = "job_g"  # after the last hex digit


class Partition(Struct, frozen=True):
    """A range of jobs' ids kept in tables of their own: from `low`, before `high`. `label` is the end of their names."""

    label: str
    low: str
    high: str


def period_of(retention: timedelta) -> timedelta:
    """How much time a partition spans: a sixth of the retention, in whole days.

    So there are some nine at a time, whatever the retention: each costs a little at every statement, and what has
    expired stays for up to one period more.
    """
    return max(_DAY, _DAY * -(-retention // (_DAY * _PERIODS)))


def missing_partitions(there: Sequence[Partition], *, now: datetime, period: timedelta) -> Iterator[Partition]:
    """The partitions to be made for the period that is and the one after, those there left as they are."""
    last = max((partition.high for partition in there), default="")
    low = _ORIGIN + (now - _ORIGIN) // period * period
    while low <= now + period:
        high = low + period
        if first_id("job", high) > last:
            start = max(first_id("job", low), last)
            # named after where it begins, to the millisecond: no two begin at once
            yield Partition(label=start.removeprefix("job_"), low=start, high=first_id("job", high))
        low = high


def gaps(there: Sequence[Partition], *, before: str) -> Iterator[tuple[str, str]]:
    """The ranges of ids in front of `before` that no partition covers, and so the default partition holds."""
    low = ""
    for partition in [*sorted(there, key=lambda one: one.low), Partition("", _PAST_EVERY_ID, _PAST_EVERY_ID)]:
        if low < (high := min(partition.low, before)):
            yield low, high
        low = max(low, partition.high)


class Pruned(Struct, frozen=True, kw_only=True):
    """How far retention has gone: finished jobs made before then are kept no more, and were for so long."""

    before: datetime
    kept: timedelta
