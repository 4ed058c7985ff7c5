"""Durations as people write them: `30s`, `5m`, `1h30m`, `250ms`."""

import re
from datetime import timedelta
from typing import Annotated, Final

from msgspec import Meta

_PATTERN: Final = r"^(?=.)([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}(\.[0-9]{1,3})?s)?([0-9]{1,9}ms)?$"

Duration = Annotated[
    str,
    Meta(
        max_length=80,
        description="days, hours, minutes, seconds and milliseconds, each with its letter and in this order",
        examples=["30s", "5m", "1h30m"],
        # told, not checked: `parse_duration` says what is wrong in better words than a pattern
        extra_json_schema={"pattern": _PATTERN},
    ),
]
"""A duration as text; `parse_duration` checks its shape and gives its length."""

_PARTS: Final = re.compile(
    r"(?=.)(?:(?P<days>\d{1,9})d)?(?:(?P<hours>\d{1,9})h)?(?:(?P<minutes>\d{1,9})m)?"
    r"(?:(?P<seconds>\d{1,9}(?:\.\d{1,3})?)s)?(?:(?P<milliseconds>\d{1,9})ms)?",
    re.ASCII,
)

_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


def parse_duration(text: str) -> timedelta:
    """The length of time `text` spells.

    Raises:
        ValueError: it is not spelled as a duration, or is longer than Python can count.
    """
    match = _PARTS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a duration such as 30s, 5m or 1h30m")
    try:
        return timedelta(**{unit: float(number) for unit, number in match.groupdict().items() if number is not None})
    except OverflowError:
        raise ValueError(f"{text!r} is too long") from None


def spell_duration(length: timedelta | None) -> str | None:
    """A length of time as the API spells it, such as 1h30m; what is shorter than a millisecond is dropped."""
    if length is None:
        return None
    left, parts = length // timedelta(milliseconds=1), []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
