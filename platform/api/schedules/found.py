"""The schedule that a path names, and the run that a cursor does."""

from datetime import UTC, datetime, timedelta
from typing import Final

from domain.accounts.user import Caller
from domain.ids import is_id
from domain.schedules.schedule import Schedule, ScheduleNotFound
from storage.database import Tx
from storage.schedules import find_schedule

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MOST_MICROSECONDS: Final = 10**16  # the year 2286


async def found_schedule(tx: Tx, caller: Caller, schedule_id: str, *, lock: bool = False) -> Schedule:
    """The caller's tenant's schedule; with `lock`, nobody else changes or fires it until the transaction ends.

    Raises:
        ScheduleNotFound: there is none.
    """
    schedule = (
        await find_schedule(tx, caller.tenant_id, schedule_id, lock=lock) if is_id("sched", schedule_id) else None
    )
    if schedule is None:
        raise not_found()
    return schedule


def not_found() -> ScheduleNotFound:
    """What to raise for a schedule that is not there."""
    return ScheduleNotFound("There is no such schedule.")


def spell_moment(moment: datetime) -> str:
    """A time in the shape of an id, for a cursor."""
    return f"at_{(moment - _EPOCH) // _MICROSECOND:032x}"


def read_moment(spelled: str | None) -> datetime | None:
    """The time that a cursor spells; None without one."""
    if spelled is None:
        return None
    microseconds = min(int(spelled.removeprefix("at_"), 16), _MOST_MICROSECONDS)
    return _EPOCH + microseconds * _MICROSECOND
