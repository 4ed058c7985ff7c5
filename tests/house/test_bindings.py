"""`bind` takes only a handler whose input and result are its kind's: the type checker is asked."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT

_SCRIPT = """
from domain.emails.send_email import SEND_EMAIL, EmailSent, SendEmail
from domain.jobs.kind import Input, Result
from workers.context import Context
from workers.handlers import bind

class Other(Input, frozen=True): ...
class Answer(Result, frozen=True): ...

async def right(asked: SendEmail, ctx: Context) -> EmailSent: raise NotImplementedError
async def other_input(asked: Other, ctx: Context) -> EmailSent: raise NotImplementedError
async def other_result(asked: SendEmail, ctx: Context) -> Answer: raise NotImplementedError

PAIR = (bind(SEND_EMAIL, {handler}),)
"""


@pytest.mark.parametrize(("handler", "is_taken"), [("right", True), ("other_input", False), ("other_result", False)])
def test_a_handler_that_does_not_match_its_kind_is_refused(tmp_path: Path, handler: str, *, is_taken: bool) -> None:
    script = tmp_path / "pair.py"
    script.write_text(_SCRIPT.format(handler=handler), encoding="utf-8")
    answer = subprocess.run(  # noqa: S603 - our own words
        # what is imported is followed for its types, not checked again
        [sys.executable, "-m", "mypy", "--follow-imports=silent", str(script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert (answer.returncode == 0) is is_taken, answer.stdout + answer.stderr
    assert ('has incompatible type "Callable' in answer.stdout) is not is_taken, answer.stdout + answer.stderr
