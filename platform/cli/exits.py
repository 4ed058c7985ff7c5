"""How a command ends: its exit codes, and the errors that carry them."""

import re
import sys
from enum import IntEnum
from typing import IO, Any, Final

import click

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Exit(IntEnum):
    """What the shell is told."""

    OK = 0
    FAILED = 1  # the job failed, or anything without a number of its own
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    TIMED_OUT = 5


class CommandFailed(click.ClickException):
    """Ends the command with one sentence on stderr and `code` for the shell."""

    def __init__(self, sentence: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(sentence)
        # click declares it for the class, and reads it from the instance
        self.exit_code = code  # type: ignore[misc]

    def show(self, file: IO[Any] | None = None) -> None:
        """Say it, after the command's name."""
        click.echo(f"headrace: {defanged(self.message)}", file=file or sys.stderr)


class Unreachable(CommandFailed):
    """Nothing answers where the API should be."""


class TimedOut(CommandFailed):
    """What was waited for did not come in time."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, Exit.TIMED_OUT)


def defanged(text: str) -> str:
    """`text` without the control characters that would steer a terminal; tabs and newlines stay."""
    return _CONTROLS.sub("\ufffd", text)
