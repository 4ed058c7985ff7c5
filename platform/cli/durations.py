"""Durations as the contract spells them: `30s`, `5m`, `1h30m`; a bare number is seconds."""

import re
import time
from typing import Final

import click

from cli.exits import TimedOut
from domain.durations import parse_duration

_BARE: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})?")


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
    try:
        return parse_duration(f"{text}s" if _BARE.fullmatch(text) else text).total_seconds()
    except ValueError:
        return None


def spelled(seconds: float) -> str:
    """`seconds` as the contract spells durations, to the millisecond."""
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{round(seconds * 1000)}ms"


class Deadline:
    """A point in time that waiting may not pass; without `seconds` there is none."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._at = None if seconds is None else time.monotonic() + seconds

    def left_if_any(self) -> float | None:
        """The seconds that may still be waited; None when nobody set an end.

        Raises:
            TimedOut: the time is up.
        """
        return None if self._at is None else self.left(at_most=float("inf"))

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
