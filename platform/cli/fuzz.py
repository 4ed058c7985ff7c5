"""`headrace fuzz`: hostile and generated requests against a platform of its own, held to what the API promises."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import click

from cli.durations import DURATION
from cli.exits import CommandFailed, Exit
from domain.accounts.permissions import Role
from runtime.settings import environment_without_settings

_ROOT: Final = Path(__file__).resolve().parents[2]
_ROLES: Final = (Role.ADMIN, Role.USER, Role.VIEWER)


@click.group()
def fuzz() -> None:
    """Try to make the API answer with a fault, or with what its description does not tell. Needs a checkout."""


@fuzz.command()
@click.option("--requests", type=click.IntRange(1), default=20_000, show_default=True, help="How many.")
@click.option("--seed", type=int, default=1, show_default=True, help="What is sent follows from it.")
def corpus(*, requests: int, seed: int) -> None:
    """Send crafted bodies, headers, URLs and framing to every operation.

    Exits 1 where an answer is a 5xx, a refusal is no problem with a code and a request id, or nothing is answered.
    """
    _run("corpus", "--requests", str(requests), "--seed", str(seed))


@fuzz.command()
@click.option(
    "--cases", type=click.IntRange(1), default=1000, show_default=True, help="How many an operation, at most."
)
@click.option(
    "--role",
    "roles",
    type=click.Choice([str(role) for role in Role]),
    multiple=True,
    help="Default: admin, user, viewer.",
)
@click.option("--only", default="", help="Only operations whose names match this regular expression.")
@click.option("--seed", type=int, default=1, show_default=True, help="What is sent follows from it.")
@click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file of what has passed: that is not done again, and what passes is added.",
)
@click.option(
    "--ledger",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A page that a line of what has passed is added to.",
)
@click.option("--at-once", type=click.IntRange(1), default=2, show_default=True, help="How many pieces at a time.")
@click.option("--within", type=DURATION, help="Begin nothing new after this long; with --record, go on later.")
def described(  # noqa: PLR0913 - one for each option
    *,
    cases: int,
    roles: tuple[str, ...],
    only: str,
    seed: int,
    record: Path | None,
    ledger: Path | None,
    at_once: int,
    within: float | None,
) -> None:
    """Send what the description allows and what it does not, as each role, with every check of Schemathesis.

    Exits 1 where an answer is a 5xx, is not told of, or does not fit what is told.
    """
    wanted = roles or tuple(str(role) for role in _ROLES)
    words = ["--cases", str(cases), "--seed", str(seed), "--only", only, "--roles", ",".join(wanted)]
    words += ["--ledger", str(ledger.resolve())] if ledger is not None else []
    words += ["--at-once", str(at_once)]
    words += ["--record", str(record.resolve())] if record is not None else []
    words += ["--within", str(within)] if within is not None else []
    _run("described", *words)


def _run(name: str, *words: str) -> None:
    if not (_ROOT / "tests" / "fuzz").is_dir():
        raise CommandFailed("The campaign is part of a checkout, and this is none.", Exit.NOT_FOUND)
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-P", "-m", f"tests.fuzz.{name}", *words],
        cwd=_ROOT,
        env=environment_without_settings(PYTHONPATH=f"{_ROOT / 'platform'}:{_ROOT}"),
        check=False,
    )
    sys.exit(Exit.FAILED if done.returncode else Exit.OK)
