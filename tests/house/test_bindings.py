"""`bind` takes only a handler whose input and result are its kind's: the type checker is asked."""

import subprocess
import sys

import pytest

from tests.house.source import ROOT

HANDLERS = ("right", "other_input", "other_result")
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


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the type checker says to each, asked once for all."""
    folder = tmp_path_factory.mktemp("pairs")
    scripts = {handler: folder / f"pair_of_{handler}.py" for handler in HANDLERS}
    for handler, script in scripts.items():
        script.write_text(_SCRIPT.format(handler=handler), encoding="utf-8")
    answer = subprocess.run(  # noqa: S603 - our own words
        # under the repository's own options, so that what it found out about the platform it knows already
        [sys.executable, "-m", "mypy", *map(str, scripts.values())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert answer.returncode == 1, answer.stdout + answer.stderr
    lines = answer.stdout.splitlines()
    return {handler: "\n".join(line for line in lines if script.name in line) for handler, script in scripts.items()}


def test_a_handler_that_matches_its_kind_is_taken(said: dict[str, str]) -> None:
    assert said["right"] == ""


@pytest.mark.parametrize("handler", ["other_input", "other_result"])
def test_a_handler_that_does_not_match_its_kind_is_refused(said: dict[str, str], handler: str) -> None:
    assert 'has incompatible type "Callable' in said[handler], said
