"""How a campaign ends for who runs it: a line in the ledger, what was found on standard output, an exit code."""

# ruff: noqa: T201 - what campaigns are run for

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.invariants import Violation
from tests.faults.ledger import Entry, append


def tell(line: str) -> None:
    """Say how far a campaign is."""
    print(line, file=sys.stderr, flush=True)


def tell_verdict(
    entry: Entry, figures: Mapping[str, object], violations: Sequence[Violation], *, ledger: Path, folder: Path
) -> int:
    """The exit code: 0 without a violation, else 1, and then what the campaign left in `folder` stays there."""
    append(ledger, entry)
    for name, figure in figures.items():
        print(f"{name}: {figure}")
    for violation in violations:
        print(f"VIOLATED {violation.invariant}: {violation.what}")
    print(entry.line)
    if violations:
        print(f"seed {entry.seed}: {len(violations)} violations; everything is in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0
