"""Schemathesis with all of its checks and some of ours, as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from tests.fuzz.asked import TOLD_IN

_HOOKS: Final = "tests.fuzz.hooks"
_ROOT: Final = Path(__file__).resolve().parents[2]
# a stream begins with an event, and may never end: what comes after is for tests/api/events and tests/api/chat
_STREAMS: Final = "max-stream-events = 1\n\n"


def run_schemathesis(  # noqa: PLR0913 - what it is run with
    address: str,
    key: str,
    words: Sequence[str],
    *,
    is_heard: bool = True,
    askers: Path | None = None,
    examples: Mapping[str, int] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run all checks against the API at `address` with a key; what it says is printed, or kept unless `is_heard`.

    Of each operation in `examples` so many cases are drawn.
    """
    # warnings of its own libraries are not ours to make errors of
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": _HOOKS, "PYTHONPATH": str(_ROOT), "PYTHONWARNINGS": "ignore"}
    if askers is not None:
        environ[TOLD_IN] = str(askers)
    with NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(_STREAMS + _spell_examples(examples or {}))
        config.flush()
        return subprocess.run(  # noqa: S603 - our own words
            [
                Path(sys.executable).parent / "schemathesis",
                "--config-file",
                config.name,
                "run",
                f"{address}/schema/openapi.json",
                "--header",
                f"Authorization: Bearer {key}",
                "--checks",
                "all",
                "--continue-on-failure",
                "--request-timeout",
                "30",
                "--no-color",
                "--suppress-health-check",
                "all",
                # what it would keep from case to case on disk, and weigh, takes longer than all the cases
                "--generation-database",
                "none",
                *words,
            ],
            check=False,
            cwd=_ROOT,
            env=environ,
            stdout=None if is_heard else subprocess.PIPE,
            stderr=None if is_heard else subprocess.STDOUT,
            text=True,
        )


def _spell_examples(examples: Mapping[str, int]) -> str:
    return "".join(
        f'[[operations]]\ninclude-operation-id = "{name}"\n[operations.generation]\nmax-examples = {count}\n\n'
        for name, count in examples.items()
    )
