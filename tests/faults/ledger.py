"""The ledger of campaigns: one line each, appended to its scenario's table, never edited."""

import fcntl
import subprocess
from collections.abc import Mapping
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


class Section(Struct, frozen=True, kw_only=True):
    """A table of its own. `columns` stand between the commit, the seed and the clock, and the violations."""

    title: str
    about: str
    columns: tuple[str, ...]

    @property
    def head(self) -> str:
        """What stands above its first line."""
        names = ("date (UTC)", "commit", "seed", "times", *self.columns, "violations", "seconds")
        return f"\n## {self.title}\n\n{self.about}\n\n| {' | '.join(names)} |\n{'|---' * len(names)}|\n"


class Entry(Struct, frozen=True, kw_only=True):
    """One campaign. `kills` counts them by process; `figures` are what its section asks for."""

    commit: str
    seed: int
    jobs: int
    violations: int
    seconds: int
    kills: Mapping[str, int] = field(default_factory=dict)
    stops: int = 0
    flushes: int = 0
    section: Section | None = None
    clock: str = "a tenth"
    figures: Mapping[str, object] = field(default_factory=dict)
    date: str = field(default_factory=_now)

    @property
    def line(self) -> str:
        if self.section is not None:
            figures = (self.figures.get(column, "") for column in self.section.columns)
            cells = (self.date, self.commit, self.seed, self.clock, *figures, self.violations, self.seconds)
        else:
            whom = ", ".join(f"{name} {count}" for name, count in self.kills.items())
            cells = (
                *(self.date, self.commit, self.seed, self.jobs, sum(self.kills.values()), whom),
                *(self.stops, self.flushes, self.violations, self.seconds),
            )
        return f"| {' | '.join(map(str, cells))} |"


def append(path: Path, entry: Entry) -> None:
    """Add the line below the last of its section, which is made if there is none yet; campaigns take turns."""
    with path.open("a+", encoding="utf-8") as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)
        ledger.seek(0)
        text = _with_line(ledger.read() or HEAD, entry)
        ledger.truncate(0)
        ledger.write(text)


def _with_line(text: str, entry: Entry) -> str:
    heading = f"\n## {entry.section.title}\n" if entry.section else ""
    if entry.section and heading not in text:
        text += entry.section.head
    start = text.index(heading) + len(heading)
    end = text.find("\n## ", start)
    end = len(text) if end < 0 else end
    return f"{text[:end]}{entry.line}\n{text[end:]}"


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
