"""Cron expressions, read by cronsim: five fields as Debian's cron has them, `L` and `#` too, and the @names."""

from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import available_timezones

from cronsim import CronSim, CronSimError

from domain.errors import Invalid

_NAMED: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * SUN",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS: Final = 5
_SOME_DAY: Final = datetime(2024, 1, 1)  # noqa: DTZ001 - a wall-clock time


class CronInvalid(Invalid):
    """The text is not a cron expression, or names no time at all."""

    code = "cron_invalid"
    title = "Not a cron expression"


class ZoneUnknown(Invalid):
    """No time zone of the IANA database has this name."""

    code = "zone_unknown"
    title = "Unknown time zone"


def plain_cron(text: str, *, pointer: str = "/cron") -> str:
    """`text` as five fields, its @name spelled out.

    Raises:
        CronInvalid: it is not a cron expression, or it will never fire.
    """
    spelled = _NAMED.get(text.strip().lower(), text)
    fields = spelled.split()
    if len(fields) != _FIELDS:
        known = ", ".join(sorted(_NAMED))
        raise CronInvalid(f"A cron expression has five fields, or is one of {known}.", pointer=pointer)
    cron = " ".join(fields)
    try:
        fires = next_wall(cron, _SOME_DAY) is not None
    except (CronSimError, AssertionError, ValueError) as error:
        # cronsim asserts what its parser did not expect
        reason = f": {error}" if str(error) else ""
        raise CronInvalid(f"{text!r} is not a cron expression{reason}.", pointer=pointer) from None
    if not fires:
        raise CronInvalid(f"{text!r} names no day that exists.", pointer=pointer)
    return cron


def next_wall(cron: str, wall: datetime) -> datetime | None:
    """The first wall-clock time after `wall` that `cron`, five plain fields, names; None: none within 50 years."""
    return next(CronSim(cron, wall), None)


def check_zone(name: str, *, pointer: str = "/timezone") -> None:
    """Go on only if `name` is a time zone.

    Raises:
        ZoneUnknown: it is not.
    """
    if name not in _zones():
        raise ZoneUnknown(f"There is no time zone {name!r}; names look like Europe/Berlin or UTC.", pointer=pointer)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
