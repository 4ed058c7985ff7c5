"""What the description allows, and what it does not, sent by Schemathesis as each role.

Run by `headrace fuzz described`, in pieces: some operations by what their description marks out, then as many at random
as are missing, and in the end chains of all of them. With a record, each piece that passed is written down and not done
again. Exits 1 where a check fails; what failed, and how to send it again, is printed.
"""

# ruff: noqa: T201 - run by its name, and prints what it found

import argparse
import asyncio
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any, Final

import httpx
import msgspec
from msgspec import Struct

from domain.accounts.api_key import make_key
from domain.accounts.permissions import ROLE_PERMISSIONS, Role
from runtime.unique_ids import new_id
from storage.accounts import NewKey, add_key, add_tenant, add_user
from storage.database import open_database
from tests.faults.ledger import commit_now
from tests.fuzz.asked import Askers, Told
from tests.fuzz.checks import run_schemathesis
from tests.fuzz.record import CHAINS, MARKED, RANDOM, Done, Piece, append, cases_of, read_record, spell_line
from tests.fuzz.things import make_talk, make_things
from tests.support.running_up import RunningUp, own_data_dir, running_up

NOBODY_WORKS: Final = ("--no-flower", "--workers", "0")
"""Whatever is asked for, no worker sends it anywhere: mails and webhooks go to addresses somebody made up."""

_MAKER: Final = "maker"
_BODY_WEIGHS: Final = 10  # parameters
_TIMES_CHAINED: Final = 5  # with as many seeds: chains end early where a state that is gone does not come again
_PER_MINUTE: Final = 1_000_000
_OPERATIONS_A_PIECE: Final = 6
_LEAST_AT_RANDOM: Final = 4  # a quarter, however many the description marks out
_TIMES_AT_RANDOM: Final = 80  # with as many seeds: it gives up early where much of what it draws is of no use


class Asking(Struct, frozen=True):
    """The key of each role, what those cannot do without, and what there is to be asked for."""

    keys: dict[str, str]
    spared: frozenset[str]
    things: dict[str, str]


class Campaign:
    """Pieces against a running platform, several at a time."""

    def __init__(self, up: RunningUp, given: argparse.Namespace, roles: tuple[Role, ...]) -> None:
        self._up = up
        self._given = given
        self._ends = time.monotonic() + given.within
        self._lock = Lock()
        self.roles = roles
        self._commit = commit_now()
        self._seeds = range(given.seed, given.seed + _TIMES_AT_RANDOM)
        # of what was asked for otherwise nothing is known
        self.passed = [
            done
            for done in read_record(given.record)
            if done.piece.seed in self._seeds and done.piece.cases == given.cases
        ]
        self.failed: list[Done] = []
        self.left = 0
        with up.client() as client:
            self.groups = [
                tuple(name for name in group if re.search(given.only, name)) for group in operations_of(client)
            ]
            self.groups = [group for group in self.groups if group]
            self._takers = takers_of(client)
            # no worker takes them: that the relay tries to hand them over takes longer than all that is asked
            for queue in client.get("/v1/queues").json()["items"]:
                client.post(f"/v1/queues/{queue['name']}/pause").raise_for_status()

    def run(self) -> None:
        """Do all the pieces that have not passed."""
        given = self._given
        for phases in (MARKED, RANDOM):
            self._run_pieces([Piece(self.roles, group, phases, given.seed, given.cases) for group in self.groups])
        for seed in self._seeds[1:]:
            short = [tuple(name for name in group if self._is_short(name)) for group in self.groups]
            self._run_pieces([Piece(self.roles, group, RANDOM, seed, given.cases) for group in short if group])
        everything = tuple(name for group in self.groups for name in group)
        seeds = self._seeds[:_TIMES_CHAINED]
        self._run_pieces(
            [Piece((role,), everything, CHAINS, seed, given.cases) for seed in seeds for role in self.roles]
        )

    def _run_pieces(self, pieces: Sequence[Piece]) -> None:
        missing = [piece for piece in pieces if all(done.piece != piece for done in self.passed)]
        with ThreadPoolExecutor(self._given.at_once) as pool:
            list(pool.map(self._run_piece, missing))

    def _is_short(self, name: str) -> bool:
        """Whether an operation that takes anything was asked less often than it was to be."""
        sent = cases_of(self.passed)
        return name in self._takers and any(sent[name, role] < self._given.cases for role in self.roles)

    def _run_piece(self, piece: Piece) -> None:
        if time.monotonic() > self._ends:
            with self._lock:
                self.left += 1
            return
        sent = cases_of([*self.passed, *self.failed])
        least = piece.cases // _LEAST_AT_RANDOM
        missing = {name: piece.cases - min(sent[name, role] for role in piece.roles) for name in piece.operations}
        is_first = piece.seed == self._given.seed
        examples = {name: max(least, many) if is_first else min(least, many) for name, many in missing.items()}
        began = time.monotonic()
        address = self._up.ready["api"]
        # a chain asks for what it has made
        asking = asyncio.run(make_asking(self._up, piece.roles, with_things=piece.phases != CHAINS))
        with tempfile.TemporaryDirectory() as folder:
            first, *others = piece.roles
            askers, tally = (Path(folder, name) for name in ("askers.json", "tally.json"))
            told_of = Askers(
                role=first,
                others={role: asking.keys[role] for role in others},
                spared=asking.spared,
                things=asking.things,
                tally=str(tally),
            )
            askers.write_bytes(msgspec.json.encode(told_of))
            words = ["--seed", str(piece.seed), "--phases", piece.phases, "--max-examples", str(piece.cases)]
            if piece.phases != CHAINS:
                words += ["--include-operation-id-regex", f"^({'|'.join(piece.operations)})$"]
            done = run_schemathesis(
                address,
                asking.keys[first],
                words,
                is_heard=False,
                askers=askers,
                examples=examples if piece.phases == RANDOM else None,
            )
            told = msgspec.json.decode(tally.read_bytes(), type=tuple[Told, ...]) if tally.exists() else ()
        is_whole = all(
            httpx.get(f"{address}/v1/me", headers={"Authorization": f"Bearer {key}"}).is_success
            for key in asking.keys.values()
        )
        one = Done(piece, told, round(time.monotonic() - began, 1), self._commit)
        is_failed = bool(done.returncode) or not is_whole
        with self._lock:
            if is_failed:
                print(done.stdout)
                if not is_whole:
                    print("One of those who asked may not ask any more: what came after that says nothing.")
                self.failed.append(one)
            else:
                self.passed.append(one)
                if self._given.record is not None:
                    with self._given.record.open("ab") as record:
                        record.write(msgspec.json.encode(one) + b"\n")
            print(self._spell(one, is_failed=is_failed), flush=True)

    def _spell(self, done: Done, *, is_failed: bool) -> str:
        piece = done.piece
        what = (
            ", ".join(piece.operations) if piece.phases != CHAINS else f"chains of {len(piece.operations)} operations"
        )
        statuses: Counter[int] = Counter()
        for told in done.told:
            statuses[told.status] += told.times
        spelled = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
        how = "FAILED" if is_failed else "passed"
        return f"{how} ({piece.phases} as {', '.join(piece.roles)}) in {done.seconds:.0f} s: {what}: {spelled}."


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--cases", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--roles", required=True)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--record", type=Path)
    arguments.add_argument("--ledger", type=Path)
    arguments.add_argument("--at-once", type=int, default=1)
    arguments.add_argument("--within", type=float, default=float("inf"), help="seconds")
    given = arguments.parse_args()
    roles = tuple(map(Role, given.roles.split(",")))
    with own_data_dir() as folder, running_up(folder, *NOBODY_WORKS, HEADRACE_LOG_FORMAT="json") as up:
        campaign = Campaign(up, given, roles)
        campaign.run()
    passed = campaign.passed
    cases = cases_of(passed)
    print(f"{cases.total()} cases passed, in {len(passed)} pieces; {campaign.left} pieces are left.")
    if fewer := sorted({name for (name, _), times in cases.items() if times < given.cases}):
        print(f"Fewer than {given.cases}: {', '.join(fewer)}.")
    if given.ledger is not None and passed:
        append(given.ledger, spell_line(passed, failed=len(campaign.failed), left=campaign.left))
    for done in campaign.failed:
        print(f"Failed: {', '.join(done.piece.operations)} ({done.piece.phases}).")
    if not campaign.failed and not campaign.left:
        print("Everything that was answered is told of.")
    return 1 if campaign.failed else 0


def operations_of(client: httpx.Client) -> list[list[str]]:
    """The names of all operations that are asked, few at a time; those first of which most can be said.

    Those about one sort of thing stay together: what one of them makes, the others are asked for.
    """
    paths: Mapping[str, Mapping[str, Any]] = client.get("/schema/openapi.json").json()["paths"]
    weighed: list[tuple[int, list[str]]] = []
    for _, group in groupby(paths.items(), key=lambda item: re.findall("^/v1/[^/]*", item[0])):
        told = [one for _, path in group for one in path.values() if "operationId" in one]
        for at in range(0, len(told), _OPERATIONS_A_PIECE):
            piece = told[at : at + _OPERATIONS_A_PIECE]
            weight = sum(len(one.get("parameters", ())) + _BODY_WEIGHS * ("requestBody" in one) for one in piece)
            weighed.append((weight, [one["operationId"] for one in piece]))
    return [names for _, names in sorted(weighed, key=lambda one: one[0], reverse=True)]


def takers_of(client: httpx.Client) -> frozenset[str]:
    """The names of the operations that take a parameter or a body: of the others no two requests differ."""
    paths: Mapping[str, Mapping[str, Any]] = client.get("/schema/openapi.json").json()["paths"]
    return frozenset(
        one["operationId"]
        for path in paths.values()
        for one in path.values()
        if "operationId" in one and (one.get("parameters") or "requestBody" in one)
    )


async def make_asking(up: RunningUp, roles: Sequence[Role], *, with_things: bool) -> Asking:
    """A fresh tenant with a user of each role, and one thing of each sort, made by one more admin.

    The conversation is of the first role that may have one: nobody else sees it.

    Nothing of what a piece does bears on another: what is full, banned, or permitted no more.
    """
    tenant_id = new_id("tenant")
    keys: dict[str, str] = {}
    made: list[str] = []
    database = open_database(up.ready["database_url"], name="fuzz")
    async with database.begin() as tx:
        await add_tenant(tx, tenant_id, tenant_id)
        for name, role in (*((str(role), role) for role in roles), (_MAKER, Role.ADMIN)):
            key, user_id, key_id = make_key(os.urandom(40)), new_id("user"), new_id("key")
            await add_user(tx, user_id, tenant_id=tenant_id, email=f"{user_id}@example.com", name=name, role=role.value)
            new = NewKey(
                id=key_id,
                tenant_id=tenant_id,
                user_id=user_id,
                name="fuzz",
                public_id=key.public_id,
                secret_sha256=key.secret_sha256,
                permissions=ROLE_PERMISSIONS[role],
                requests_per_minute=_PER_MINUTE,
            )
            await add_key(tx, new)
            keys[name] = str(key)
            made += [user_id, key_id]
    await database.close()
    maker = keys.pop(_MAKER)
    things: dict[str, str] = {}
    if with_things:
        async with _client(up, maker) as client:
            things |= await make_things(client)
        if talker := next((role for role in roles if "chat:use" in ROLE_PERMISSIONS[role]), None):
            async with _client(up, keys[talker]) as client:
                things |= await make_talk(client)
    return Asking(keys, frozenset({*made, *roles}), things)


def _client(up: RunningUp, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=up.ready["api"], headers={"Authorization": f"Bearer {key}"}, timeout=60)


if __name__ == "__main__":
    sys.exit(main())
