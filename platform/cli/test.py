"""`headrace test`: every check and every test, as CI runs them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import click

from runtime.settings import environment_without_settings

_ROOT: Final = Path(__file__).resolve().parents[2]
_PROGRAMS: Final = Path(sys.executable).parent
# One more than the cores of a small machine: what starts, stops and kills whole platforms waits for much of its time.
_PROCESSES: Final = 3
# Quick ones first: who broke the format should not wait for the types. Those of a row run side by side: both of the
# last take long, and neither more than one core for most of it.
_CHECKS: Final[tuple[tuple[tuple[str, ...], ...], ...]] = (
    (("ruff", "check"), ("ruff", "format", "--check"), ("lint-imports",)),
    (("mypy",), ("basedpyright", "--pythonpath", sys.executable)),
)


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("pytest_args", nargs=-1, type=click.UNPROCESSED)
def test(pytest_args: tuple[str, ...]) -> None:
    """Run the checks, then the tests; with arguments, only pytest with those arguments."""
    if pytest_args:
        sys.exit(_pytest(*pytest_args))
    failed = [check for row in _CHECKS for check in _failed(row)]
    # Said before the tests run: pytest's own summary is the last thing to read, here and in CI.
    if failed:
        click.echo(f"These checks failed, so the whole fails whatever the tests say: {', '.join(failed)}")
    status = _pytest("-n", str(_PROCESSES), "--dist", "worksteal")
    sys.exit(status or int(bool(failed)))


def _failed(row: Sequence[Sequence[str]]) -> Iterator[str]:
    """Run checks side by side, tell of each in its turn, and give those that did not pass."""
    with ThreadPoolExecutor(len(row)) as threads:
        for check, (passed, seconds, said) in zip(row, threads.map(_run, row), strict=True):
            click.echo(f"{'ok    ' if passed else 'FAILED'} {' '.join(check)} ({seconds:.1f} s)")
            if not passed:
                click.echo(said)
                yield " ".join(check)


def _run(check: Sequence[str]) -> tuple[bool, float, str]:
    """Whether it passed, how many seconds it took, and what it said."""
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
    return answer.returncode == 0, time.monotonic() - began, answer.stdout.decode("utf-8", "replace")


def _pytest(*words: str) -> int:
    return subprocess.run(  # noqa: S603 # our own words, and the developer's
        [sys.executable, "-m", "pytest", *words], cwd=_ROOT, env=_environ(), check=False
    ).returncode


def _environ() -> dict[str, str]:
    """Ours without Headrace's settings, which tests give themselves, and with this environment's checkers first."""
    path = os.pathsep.join([str(_PROGRAMS), *os.get_exec_path()])
    environ = environment_without_settings(PATH=path, VIRTUAL_ENV=str(_PROGRAMS.parent))
    # Images often say it, and it is not meant for this: hundreds of processes would each compile all our code again,
    # and each process of pytest rewrite every test. What is kept stands in folders that Git ignores.
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return environ
