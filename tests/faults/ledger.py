"""The ledger of campaigns: one line each, appended, never edited."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec import Struct, field

_ROOT: Final = Path(__file__).resolve().parents[2]

HEAD: Final = """\
# The ledger of faults

Each line is one campaign of `headrace faults`: real processes, killed at random while jobs came in over HTTP, then
every invariant held against a log the platform never sees. A commit with a `+` had changes that were not committed.
Lines are appended by the command, and none is ever taken out: a red one stays, with its seed.

| date (UTC) | commit | seed | jobs accepted | kills | of which | stops | flushes | violations | seconds |
|---|---|---|---|---|---|---|---|---|---|
"""


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M}"


class Entry(Struct, frozen=True, kw_only=True):
    """One campaign. `kills` counts them by process."""

    commit: str
    seed: int
    jobs: int
    kills: dict[str, int]
    stops: int
    flushes: int
    violations: int
    seconds: int
    date: str = field(default_factory=_now)

    @property
    def line(self) -> str:
        whom = ", ".join(f"{name} {count}" for name, count in self.kills.items())
        cells = (
            *(self.date, self.commit, self.seed, self.jobs, sum(self.kills.values()), whom),
            *(self.stops, self.flushes, self.violations, self.seconds),
        )
        return f"| {' | '.join(map(str, cells))} |"


def append(path: Path, entry: Entry) -> None:
    if not path.exists():
        path.write_text(HEAD, encoding="utf-8")
    with path.open("a", encoding="utf-8") as ledger:
        ledger.write(f"{entry.line}\n")


def commit_now() -> str:
    """The commit of this checkout, with a `+` when `platform/` differs from it; `unknown` outside a repository."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        return commit + ("+" if _git("status", "--porcelain", "--", "platform") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    return subprocess.run(  # noqa: S603 # our own words
        ["git", *words],  # noqa: S607 # whichever git there is
        cwd=_ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.strip()
