"""A day of mixed texts against a stand-in Gemini that throttles, fails, talks nonsense, is away and recovers.

A platform of its own, three tenants, workers that are killed; then silence, and the invariants against Gemini's own
books. Run by `headrace faults --scenario day`. Exits 1 on any violation and leaves everything where it was.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import msgspec
import psycopg
from msgspec import Struct

from domain.accounts.permissions import Role
from runtime.unique_ids import new_id
from storage.accounts import get_or_add_tenant
from storage.database import open_database
from tests.day.errands import EAST, NEVER, SOUTH, TENANTS, Errands
from tests.day.evidence import Day, Rules, leaks_in, log_of, read_rows, times_of
from tests.day.invariants import violations
from tests.day.ledger import Gemini
from tests.day.record import entry_of
from tests.day.weather import HANGS_IN, HOURS, Hour
from tests.faults.invariants import (
    Evidence,
    Violation,
    attempts_and_crashes_keep_to_their_limits,
    events_have_no_gaps_and_no_disorder,
    jobs_move_only_as_they_may,
    no_two_attempts_at_a_job_overlap,
    nothing_is_left_over,
)
from tests.faults.ledger import Entry
from tests.faults.outside_log import Told
from tests.faults.scene import TENTH, Tell
from tests.faults.verdict import tell, tell_verdict
from tests.support.people import Person, add_person
from tests.support.running_up import RunningUp, running_up
from tests.support.servers import memory_folder

MODEL: Final = "gemini-day"
INPUT_MICROS: Final = 300_000
OUTPUT_MICROS: Final = 2_500_000
FAILURES: Final = 3
REST_SECONDS: Final = 4.0
FALLBACK: Final = frozenset({"text.moderate", "text.classify", "chat.reply"})
KINDS: Final = ("text.summarize", "text.moderate", "text.classify", "text.generate", "chat.reply")
MOST_OUTPUT: Final = 200
A_ROUND: Final = 400
"""Jobs between one morning's hours and the next round of them."""

_TOKENS_A_JOB: Final = 30  # of South's budget: about half of what its jobs would use
_FEWEST_TOKENS: Final = 3_000
_A_SECOND: Final = 12.0  # errands at most
_FEW: Final = 6  # jobs that wait, when another hour may begin
_HOUR_SECONDS: Final = 20.0  # at most, past the last of its errands
_AT_ONCE: Final = 60
_POLL_SECONDS: Final = 0.1
_TOMORROW_SECONDS: Final = 60

_LIVE: Final = """
SELECT count(*) FROM jobs JOIN tenants ON tenants.id = jobs.tenant_id
WHERE tenants.name = ANY(%s) AND state IN ('scheduled', 'queued', 'running') AND NOT (
    state = 'scheduled' AND run_at > now() + make_interval(secs => %s)
)
"""
_WAITING: Final = "SELECT count(*) FROM jobs WHERE state = 'queued'"
_PUT_OFF: Final = """
SELECT jobs.id, tenants.name FROM jobs JOIN tenants ON tenants.id = jobs.tenant_id
WHERE tenants.name = ANY(%s) AND state = 'scheduled' AND error ->> 'code' = 'budget_exhausted'
"""


class Findings(Struct, frozen=True, kw_only=True):
    """What came of it."""

    day: Day
    entry: Entry
    violations: list[Violation]


async def run_day(
    *, jobs: int, seed: int, folder: Path, quiet_seconds: float = 300.0, tell: Tell = lambda _: None
) -> Findings:
    """Live a day of so many errands in `folder`, which is empty, and look at what it left."""
    begun = time.monotonic()
    caps = {"": max(_FEWEST_TOKENS, jobs * _TOKENS_A_JOB), NEVER: 0}
    gemini = Gemini(seed, HOURS[0])
    await gemini.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(gemini.stop)
        # it blocks this loop while it starts, and nobody asks Gemini anything yet
        up = stack.enter_context(running_up(folder, "--no-flower", "--workers", "2", **settings_for(gemini.url)))
        tell(f"up after {time.monotonic() - begun:.0f} s, seed {seed}")
        clients = await stack.enter_async_context(_tenants(up, caps))
        errands = Errands(seed)
        kills = await _live(errands, clients, gemini, up, jobs=jobs, seed=seed, tell=tell)
        over = time.monotonic()
        put_off = await _wait_until_quiet(up, clients, quiet_seconds)
        tell(f"quiet {time.monotonic() - over:.0f} s after the last errand")
        log = log_of(folder)
        rows = await read_rows(up.ready["database_url"], TENANTS)
        rows["leaks"] += leaks_in(log)
        day = Day(
            rules=Rules(
                failures=FAILURES,
                rest_seconds=REST_SECONDS,
                fallback=FALLBACK,
                caps=caps,
                micros_a_prompt_token=INPUT_MICROS,
                micros_an_output_token=OUTPUT_MICROS,
            ),
            errands=errands.made,
            wrong=errands.wrong,
            calls=gemini.calls,
            put_off=put_off,
            cacheless_at=times_of("cache.lost", log),
            kills=kills.total(),
            **rows,
        )
        # both to be looked at where something is wrong
        (folder / "questions.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, day.calls)))
        (folder / "errands.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, day.errands)))
        found = violations(day) + _of_the_platform(up.ready["database_url"])
    entry = entry_of(day, seed, kills, violations=len(found), seconds=time.monotonic() - begun)
    return Findings(day=day, entry=entry, violations=found)


def settings_for(gemini_url: str) -> dict[str, str]:
    """What the platform is told of Gemini. Silence is met in one kind alone, whose time is short."""
    parameters: dict[str, dict[str, float]] = {kind: {"most_output_tokens": MOST_OUTPUT} for kind in KINDS}
    parameters[HANGS_IN]["timeout_seconds"] = 1.5
    return TENTH.settings | {
        "HEADRACE_GEMINI_API_KEY": "any",
        "HEADRACE_GEMINI_BASE_URL": gemini_url,
        "HEADRACE_GEMINI_MODEL": MODEL,
        "HEADRACE_GEMINI_TIMEOUT_SECONDS": "15",
        "HEADRACE_GEMINI_KINDS": json.dumps(parameters),
        "HEADRACE_GEMINI_BREAKER_FAILURES": str(FAILURES),
        "HEADRACE_GEMINI_BREAKER_SECONDS": str(REST_SECONDS),
        "HEADRACE_TEXT_FALLBACK": ",".join(sorted(FALLBACK)),
        "HEADRACE_TEXT_PRICES": json.dumps({MODEL: {"input": INPUT_MICROS, "output": OUTPUT_MICROS}}),
    }


@asynccontextmanager
async def _tenants(up: RunningUp, caps: Mapping[str, int]) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """A client for an administrator of each tenant, whose budgets and policies are set."""
    people: dict[str, Person] = {}
    database = open_database(up.ready["database_url"], name="day", size=1)
    try:
        for name in TENANTS:
            async with database.begin() as tx:
                tenant_id = await get_or_add_tenant(tx, new_id("tenant"), name)
            people[name] = await add_person(database, tenant_id, Role.ADMIN, password=None, per_minute=1_000_000)
    finally:
        await database.close()
    async with AsyncExitStack() as stack:
        clients = {
            name: await stack.enter_async_context(
                httpx.AsyncClient(base_url=up.ready["api"], headers=person.headers, timeout=60)
            )
            for name, person in people.items()
        }
        budgets = [{"kind": kind or None, "tokens": tokens} for kind, tokens in caps.items()]
        for answer in (
            await clients[SOUTH].put("/v1/budgets", json={"budgets": budgets}),
            await clients[EAST].put("/v1/safety", json={"injection": "block"}),
        ):
            assert answer.is_success, answer.text
        yield clients


async def _live(  # noqa: PLR0913 - what a day is made of
    errands: Errands,
    clients: Mapping[str, httpx.AsyncClient],
    gemini: Gemini,
    up: RunningUp,
    *,
    jobs: int,
    seed: int,
    tell: Tell,
) -> Counter[str]:
    kills: Counter[str] = Counter()
    chance = random.Random(seed)  # noqa: S311 - a seed, not a secret
    rounds = max(1, round(jobs / A_ROUND))
    room = asyncio.Semaphore(_AT_ONCE)
    async with asyncio.TaskGroup() as running:
        for at in range(rounds):
            for hour in HOURS:
                gemini.hour = hour
                count = max(1, round(jobs * hour.share / rounds))
                tell(f"round {at + 1}: {hour.name}, {count} errands")
                await _pass(errands, clients, hour, count, room, running, chance, up, kills)
                await _until_few_wait(up)
    gemini.hour = HOURS[-1]
    return kills


async def _pass(  # noqa: PLR0913, PLR0917 - as above
    errands: Errands,
    clients: Mapping[str, httpx.AsyncClient],
    hour: Hour,
    count: int,
    room: asyncio.Semaphore,
    running: asyncio.TaskGroup,
    chance: random.Random,
    up: RunningUp,
    kills: Counter[str],
) -> None:
    """One hour: its errands, evenly over its time, and in the middle of it a worker that is killed."""

    async def send() -> None:
        errand = errands.make()
        async with room:
            await errands.run(errand, clients[errand.tenant])

    pause = max(hour.seconds / count, 1 / _A_SECOND)
    for nth in range(count):
        if hour.kills and nth == count // 2:
            name = chance.choice(("worker-1", "worker-2"))
            if (pid := up.pid_now(name)) is not None:
                os.kill(pid, signal.SIGKILL)
                kills[name] += 1
        running.create_task(send())
        await asyncio.sleep(pause)


async def _until_few_wait(up: RunningUp) -> None:
    """On a slow machine the hours are longer: what was asked for in one meets its weather."""
    patience_ends = time.monotonic() + _HOUR_SECONDS
    async with await psycopg.AsyncConnection.connect(up.ready["database_url"], autocommit=True) as connection:
        while time.monotonic() < patience_ends:
            [(waiting,)] = await (await connection.execute(_WAITING.encode())).fetchall()
            if waiting <= _FEW:
                return
            await asyncio.sleep(_POLL_SECONDS)


async def _wait_until_quiet(up: RunningUp, clients: Mapping[str, httpx.AsyncClient], seconds: float) -> frozenset[str]:
    """Wait until no job is live but those that wait for tomorrow's budget; these are cancelled, and answered."""
    patience_ends = time.monotonic() + seconds
    async with await psycopg.AsyncConnection.connect(up.ready["database_url"], autocommit=True) as connection:
        while time.monotonic() < patience_ends:
            [(live,)] = await (await connection.execute(_LIVE.encode(), (list(TENANTS), _TOMORROW_SECONDS))).fetchall()
            if not live:
                break
            await asyncio.sleep(_POLL_SECONDS)
        waiting = await (await connection.execute(_PUT_OFF.encode(), (list(TENANTS),))).fetchall()
    for job_id, tenant in waiting:
        await clients[tenant].post(f"/v1/jobs/{job_id}/cancel")
    return frozenset(job_id for job_id, _ in waiting)


def _of_the_platform(database_url: str) -> list[Violation]:
    """What holds of any jobs, whatever they ask for."""
    evidence = Evidence(database_url=database_url, told=Told({}, {}), inbox=())
    checks = {
        "I5 no two attempts at a job overlap": no_two_attempts_at_a_job_overlap,
        "I6 attempts and crashes keep to their limits": attempts_and_crashes_keep_to_their_limits,
        "I7 jobs move only as they may": jobs_move_only_as_they_may,
        "I8 events have no gaps and no disorder": events_have_no_gaps_and_no_disorder,
        "I16 nothing is left over": nothing_is_left_over,
    }
    return [Violation(name, what) for name, check in checks.items() for what in check(evidence)]


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--jobs", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--ledger", type=Path, required=True)
    given = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="headrace-day-", dir=memory_folder()))
    folder.chmod(0o711)  # the servers' account reaches it when root runs the campaign
    findings = asyncio.run(run_day(jobs=given.jobs, seed=given.seed, folder=folder, tell=tell))
    return tell_verdict(findings.entry, findings.entry.figures, findings.violations, ledger=given.ledger, folder=folder)


if __name__ == "__main__":
    sys.exit(main())
