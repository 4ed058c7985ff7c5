"""`headrace test`: every check and every test, as CI runs them."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import click

from runtime.settings import environment_without_settings

_ROOT: Final = Path(__file__).resolve().parents[2]
_PROGRAMS: Final = Path(sys.executable).parent
# Quick ones first: who broke the format should not wait for the types.
_CHECKS: Final[tuple[tuple[str, ...], ...]] = (
    ("ruff", "check"),
    ("ruff", "format", "--check"),
    ("lint-imports",),
    ("mypy",),
    ("basedpyright", "--pythonpath", sys.executable),
)


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("pytest_args", nargs=-1, type=click.UNPROCESSED)
def test(pytest_args: tuple[str, ...]) -> None:
    """Run the checks, then the tests; with arguments, only pytest with those arguments."""
    if pytest_args:
        sys.exit(_pytest(*pytest_args))
    failed = [" ".join(check) for check in _CHECKS if not _passes(check)]
    # Said before the tests run: pytest's own summary is the last thing to read, here and in CI.
    if failed:
        click.echo(f"These checks failed, so the whole fails whatever the tests say: {', '.join(failed)}")
    status = _pytest("-n", "2", "--dist", "worksteal")
    sys.exit(status or int(bool(failed)))


def _passes(check: tuple[str, ...]) -> bool:
    began = time.monotonic()
    program, *words = check
    answer = subprocess.run(  # noqa: S603 # our own words
        [_PROGRAMS / program, *words],
        cwd=_ROOT,
        env=_environ(),
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    passed = answer.returncode == 0
    click.echo(f"{'ok    ' if passed else 'FAILED'} {' '.join(check)} ({time.monotonic() - began:.1f} s)")
    if not passed:
        click.echo(answer.stdout.decode("utf-8", "replace"))
    return passed


def _pytest(*words: str) -> int:
    return subprocess.run(  # noqa: S603 # our own words, and the developer's
        [sys.executable, "-m", "pytest", *words], cwd=_ROOT, env=_environ(), check=False
    ).returncode


def _environ() -> dict[str, str]:
    """Ours without Headrace's settings, which tests give themselves, and with this environment's checkers first."""
    path = os.pathsep.join([str(_PROGRAMS), *os.get_exec_path()])
    return environment_without_settings(PATH=path, VIRTUAL_ENV=str(_PROGRAMS.parent))
