"""What was asked and passed, a line each, and the line of it all in `docs/api-proof.md`."""

import fcntl
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from domain.accounts.permissions import Role
from tests.fuzz.asked import Told

MARKED: Final = "examples,coverage"
RANDOM: Final = "examples,fuzzing"
CHAINS: Final = "stateful"
_TITLE: Final = "## What was asked"
_ABOUT: Final = """
Each line is what a record holds of `headrace fuzz described --record FILE --ledger docs/api-proof.md`, appended by the
command; a commit with a `+` had changes that were not committed. A case is a request that an operation was asked with
the method it has. The least is of an operation as one role; it is below what was asked for where pieces are left, and
where no more cases differ.
"""
_COLUMNS: Final = (
    *(
        "date (UTC)",
        "commit",
        "seed",
        "cases asked for",
        "roles",
        "operations",
        "cases",
        "least",
        "operations below it",
    ),
    *(
        "of them at random",
        "requests in chains",
        "2xx",
        "5xx",
        "pieces passed, failed, left",
        "hours, one at a time",
    ),
)
HEAD: Final = f"\n{_TITLE}\n{_ABOUT}\n| {' | '.join(_COLUMNS)} |\n{'|---' * len(_COLUMNS)}|\n"


class Piece(Struct, frozen=True):
    """Some operations, or chains of all of them, as some roles; `seed` and `cases` as it was asked for."""

    roles: tuple[Role, ...]
    operations: tuple[str, ...]
    phases: str
    seed: int
    cases: int


class Done(Struct, frozen=True):
    """A piece that was done, and what it told."""

    piece: Piece
    told: tuple[Told, ...]
    seconds: float
    commit: str


def read_record(record: Path | None) -> Iterator[Done]:
    """The pieces that passed before; none where there is no such file yet."""
    if record is not None and record.exists():
        for line in record.read_bytes().splitlines():
            yield msgspec.json.decode(line, type=Done)


def cases_of(dones: Sequence[Done], phases: Sequence[str] = (MARKED, RANDOM)) -> Counter[tuple[str, str]]:
    """How many cases were sent, by operation and role."""
    counts: Counter[tuple[str, str]] = Counter()
    for done in dones:
        if done.piece.phases in phases:
            for told in done.told:
                counts[told.operation, told.role] += told.times
    return counts


def spell_line(dones: Sequence[Done], *, failed: int, left: int) -> str:
    """The line of the ledger for what passed, all of it asked for alike."""
    cases, at_random, in_chains = (cases_of(dones, phases) for phases in ((MARKED, RANDOM), (RANDOM,), (CHAINS,)))
    statuses: Counter[int] = Counter()
    for done in dones:
        for told in done.told:
            statuses[told.status // 100] += told.times
    wanted = dones[0].piece.cases
    below = {operation for (operation, _), times in cases.items() if times < wanted}
    cells = (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        ", ".join(sorted({done.commit for done in dones})),
        dones[0].piece.seed,
        wanted,
        ", ".join(sorted({role for _, role in cases})),
        len({operation for operation, _ in cases}),
        cases.total(),
        min(cases.values(), default=0),
        len(below),
        at_random.total(),
        in_chains.total(),
        statuses[2],
        statuses[5],
        f"{len(dones)}, {failed}, {left}",
        f"{sum(done.seconds for done in dones) / 3600:.1f}",
    )
    return f"| {' | '.join(map(str, cells))} |\n"


def append(ledger: Path, line: str) -> None:
    """Add a line to the table, which is the last thing in the page; made where there is none yet."""
    with ledger.open("a+", encoding="utf-8") as page:
        fcntl.flock(page, fcntl.LOCK_EX)
        page.seek(0)
        has_table = _TITLE in page.read()
        page.write(line if has_table else HEAD + line)
