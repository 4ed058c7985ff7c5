"""Durations as the contract spells them: `30s`, `5m`, `1h30m`; a bare number is seconds."""

import re
import time
from typing import Final

import click

from cli.exits import TimedOut

_UNITS: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")


class Duration(click.ParamType[float]):
    """A command-line value like `1h30m`, as seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds.

        Raises:
            click.BadParameter: not a duration.
        """
        if isinstance(value, int | float):
            return float(value)
        seconds = seconds_of(str(value))
        if seconds is None:
            self.fail(f"{value!r} is not a duration; write 30s, 5m or 1h30m", param, ctx)
        return seconds


DURATION: Final = Duration()


def seconds_of(text: str) -> float | None:
    """The seconds `text` spells; None when it spells none."""
    text = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not re.fullmatch(rf"({_PART.pattern})+", text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def spelled(seconds: float) -> str:
    """`seconds` as the contract spells durations, to the millisecond."""
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{round(seconds * 1000)}ms"


class Deadline:
    """A point in time that waiting may not pass; without `seconds` there is none."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._at = None if seconds is None else time.monotonic() + seconds

    def left(self, *, at_most: float) -> float:
        """The seconds that may still be waited, `at_most` at a time.

        Raises:
            TimedOut: the time is up.
        """
        if self._at is None:
            return at_most
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimedOut(f"Not finished after {spelled(self.seconds or 0)}.")
        return min(left, at_most)
