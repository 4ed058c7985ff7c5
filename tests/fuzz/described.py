"""What the description allows, and what it does not, sent by Schemathesis as each role.

Run by `headrace fuzz described`, in pieces: some operations as one role, and in the end chains of all of them. With a
record, each piece that passed is written down and not done again. Exits 1 where a check fails; what failed, and how to
send it again, is printed.
"""

# ruff: noqa: T201 - run by its name, and prints what it found

import argparse
import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import httpx
import msgspec
from msgspec import Struct

from domain.accounts.api_key import make_key
from domain.accounts.permissions import ROLE_PERMISSIONS, Role
from runtime.unique_ids import new_id
from storage.accounts import NewKey, add_key, add_user
from storage.database import open_database
from tests.support.running_up import own_data_dir, running_up

UNIT_PHASES: Final = "examples,coverage,fuzzing"
STATEFUL: Final = "stateful"
PHASES: Final = f"{UNIT_PHASES},{STATEFUL}"
NOBODY_WORKS: Final = ("--no-flower", "--workers", "0")
"""Whatever is asked for, no worker sends it anywhere: mails and webhooks go to addresses somebody made up."""

_HOOKS: Final = "tests.fuzz.hooks"
_ENDLESS: Final = ("stream_events", "stream_reply", "stream_reply_to_message")
_ROOT: Final = Path(__file__).resolve().parents[2]
_PER_MINUTE: Final = 1_000_000
_OPERATIONS_A_PIECE: Final = 2
_UNLINKED: Final = "No links for stateful testing"
_GENERATED: Final = re.compile(r"^ *([0-9]+) generated", re.MULTILINE)


class Piece(Struct, frozen=True):
    """Some operations as one role, or chains of all of them; `seed` and `cases` as it was asked for."""

    role: Role
    operations: tuple[str, ...]
    phases: str
    seed: int
    cases: int


class Passed(Struct, frozen=True):
    """A piece that passed, and how many cases of it were generated."""

    piece: Piece
    generated: int


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--cases", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--roles", required=True)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--record", type=Path)
    arguments.add_argument("--within", type=float, default=float("inf"), help="seconds")
    given = arguments.parse_args()
    passed = list(read_record(given.record))
    began = time.monotonic()
    failed: list[Piece] = []
    left = 0
    with own_data_dir() as folder, running_up(folder, *NOBODY_WORKS, HEADRACE_LOG_FORMAT="json") as up:
        with up.client() as client:
            tenant_id = client.get("/v1/me").json()["tenant_id"]
            names = [name for name in operations_of(client) if re.search(given.only, name)]
        keys: dict[Role, str] = {}
        for piece in pieces(names, map(Role, given.roles.split(",")), seed=given.seed, cases=given.cases):
            if any(one.piece == piece for one in passed):
                continue
            if time.monotonic() - began > given.within:
                left += 1
                continue
            if piece.role not in keys:
                keys[piece.role] = asyncio.run(make_role_key(up.ready["database_url"], tenant_id, piece.role))
            done = run_piece(up.ready["api"], keys[piece.role], piece)
            if done is None:
                failed.append(piece)
                continue
            passed.append(done)
            if given.record is not None:
                with given.record.open("ab") as record:
                    record.write(msgspec.json.encode(done) + b"\n")
    print(f"{sum(one.generated for one in passed)} cases passed, in {len(passed)} pieces; {left} pieces are left.")
    for piece in failed:
        print(f"Failed as {piece.role}: {', '.join(piece.operations)} ({piece.phases}).")
    if not failed and not left:
        print("Everything that was answered is told of.")
    return 1 if failed else 0


def read_record(record: Path | None) -> Iterator[Passed]:
    """The pieces that passed before; none where there is no such file yet."""
    if record is not None and record.exists():
        for line in record.read_bytes().splitlines():
            yield msgspec.json.decode(line, type=Passed)


def operations_of(client: httpx.Client) -> list[str]:
    """The names of all operations that are asked, in the order of the description."""
    paths = client.get("/schema/openapi.json").json()["paths"]
    named = [told["operationId"] for path in paths.values() for told in path.values() if "operationId" in told]
    return [name for name in named if name not in _ENDLESS]


def pieces(names: Sequence[str], roles: Iterable[Role], *, seed: int, cases: int) -> Iterator[Piece]:
    """What is to be done, in order."""
    for role in roles:
        for at in range(0, len(names), _OPERATIONS_A_PIECE):
            yield Piece(role, tuple(names[at : at + _OPERATIONS_A_PIECE]), UNIT_PHASES, seed, cases)
        yield Piece(role, tuple(names), STATEFUL, seed, cases)


def run_piece(address: str, key: str, piece: Piece) -> Passed | None:
    """Do a piece, and say what came of it; None where a check failed."""
    began = time.monotonic()
    words = ["--seed", str(piece.seed), "--max-examples", str(piece.cases), "--phases", piece.phases]
    words += ["--include-operation-id-regex", f"^({'|'.join(piece.operations)})$"]
    done = run_schemathesis(address, key, words, is_heard=False)
    generated = sum(map(int, _GENERATED.findall(done.stdout)))
    is_failed = bool(done.returncode) and _UNLINKED not in done.stdout
    if is_failed:
        print(done.stdout)
    told = ", ".join(piece.operations) if piece.phases != STATEFUL else f"chains of {len(piece.operations)} operations"
    print(f"As {piece.role}: {generated} cases in {time.monotonic() - began:.0f} s of {told}.", flush=True)
    return None if is_failed else Passed(piece, generated)


def run_schemathesis(
    address: str, key: str, words: Sequence[str], *, is_heard: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run all checks against the API at `address` with a key; what it says is printed, or kept unless `is_heard`."""
    # warnings of its own libraries are not ours to make errors of
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": _HOOKS, "PYTHONPATH": str(_ROOT), "PYTHONWARNINGS": "ignore"}
    return subprocess.run(  # noqa: S603 - our own words
        [
            Path(sys.executable).parent / "schemathesis",
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
            # the stream of a tenant never ends, and those of replies wait for a worker, of which there is none: they
            # are read by tests/api/events and tests/api/chat, and the corpus asks for them wrongly
            *(word for name in _ENDLESS for word in ("--exclude-operation-id", name)),
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


async def make_role_key(database_url: str, tenant_id: str, role: Role) -> str:
    """The key of a fresh user of that role."""
    key, user_id = make_key(os.urandom(40)), new_id("user")
    database = open_database(database_url, name="fuzz")
    async with database.begin() as tx:
        await add_user(
            tx, user_id, tenant_id=tenant_id, email=f"{user_id}@example.com", name=role.value, role=role.value
        )
        new = NewKey(
            id=new_id("key"),
            tenant_id=tenant_id,
            user_id=user_id,
            name="fuzz",
            public_id=key.public_id,
            secret_sha256=key.secret_sha256,
            permissions=ROLE_PERMISSIONS[role],
            requests_per_minute=_PER_MINUTE,
        )
        await add_key(tx, new)
    await database.close()
    return str(key)


if __name__ == "__main__":
    sys.exit(main())
