"""A campaign: a platform of its own, a load, a killer; then silence, and the invariants against the outside log.

Run by `headrace faults`. Exits 1 on any violation and leaves everything where it was, to be looked at.
"""

# ruff: noqa: T201 - run by its name, and prints what it found

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
import redis
from msgspec import Struct

from tests.faults.invariants import Evidence, Violation, violations
from tests.faults.killer import Killer, make_plan
from tests.faults.ledger import Entry, append, commit_now
from tests.faults.load import Load
from tests.faults.outside_log import OutsideLog, read_log
from tests.faults.points import ALL, PointKiller
from tests.support.running_up import RunningUp, running_up
from tests.support.servers import memory_folder

# A tenth of the real times.
SCALED: Final = {
    "HEADRACE_LEASE_SECONDS": "3",
    "HEADRACE_HEARTBEAT_SECONDS": "1",
    "HEADRACE_RESEND_SECONDS": "1.5",
    "HEADRACE_LOG_LEVEL": "warning",
}
_STOP_SECONDS: Final = 4.5  # longer than a lease
_WORKERS: Final = 2
_SHELF: Final = 5  # products on sale: the scarcest of the catalogue, which run out
_POLL_SECONDS: Final = 0.1

_UNSETTLED: Final = """
SELECT (SELECT count(*) FROM jobs WHERE state IN ('scheduled', 'queued', 'running')) + (SELECT count(*) FROM outbox)
"""


class Campaign(Struct, frozen=True, kw_only=True):
    """What to do. After the last fault the platform has `quiet_seconds` to become quiet."""

    seed: int
    jobs: int
    kills: int
    points: tuple[str, ...] = ()  # where to kill; none: anywhere, at random
    quiet_seconds: float = 300.0


class Findings(Struct, frozen=True, kw_only=True):
    """What came of it."""

    entry: Entry
    violations: list[Violation]
    figures: dict[str, Any]


def run_campaign(campaign: Campaign, folder: Path, tell: Callable[[str], None] = lambda _: None) -> Findings:
    """Run a campaign in `folder`, which is empty; it keeps the outside log, the logs of all processes and the data."""
    begun = time.monotonic()
    log_path = folder / "outside.jsonl"
    with running_up(folder, "--no-flower", "--workers", str(_WORKERS), **SCALED) as up:
        tell(f"up after {time.monotonic() - begun:.0f} s, seed {campaign.seed}")
        killer = asyncio.run(_hurt(campaign, up, log_path, tell))
        hurt_at = time.monotonic()
        is_quiet = _wait_until_quiet(up, campaign.quiet_seconds)
        tell(f"{'quiet' if is_quiet else 'NOT quiet'} {time.monotonic() - hurt_at:.0f} s after the last fault")
        told = read_log(log_path)
        evidence = Evidence(database_url=up.ready["database_url"], told=told, inbox=tuple(_inbox(folder)))
        found = violations(evidence)
        if isinstance(killer, PointKiller):
            found += [Violation("every point is reached", point) for point in killer.missed]
        figures = _figures(evidence, up) | {"quiet_after_seconds": round(time.monotonic() - hurt_at, 1)}
    entry = Entry(
        commit=commit_now(),
        seed=campaign.seed,
        jobs=len(told.accepted),
        kills=dict(sorted(killer.kills.items())),
        stops=killer.done["stop"],
        flushes=killer.done["flush"],
        violations=len(found),
        seconds=round(time.monotonic() - begun),
    )
    return Findings(entry=entry, violations=found, figures=figures)


async def _hurt(campaign: Campaign, up: RunningUp, log_path: Path, tell: Callable[[str], None]) -> Killer | PointKiller:
    log = OutsideLog(log_path)
    headers = {"Authorization": f"Bearer {up.ready['api_key']}"}
    limits = httpx.Limits(max_keepalive_connections=0)  # a connection of its own each: none of them half dead
    async with httpx.AsyncClient(base_url=up.ready["api"], headers=headers, timeout=15, limits=limits) as client:
        load = Load(client, log, await _scarce(client), seed=campaign.seed, jobs=campaign.jobs)
        if campaign.points:
            at_points = PointKiller(up, campaign.points, kills=campaign.kills, seed=campaign.seed, settings=SCALED)
            await at_points.run(load, client, tell)
            log.close()
            return at_points
        plan = make_plan(list(up.pids), kills=campaign.kills, seed=campaign.seed)
        killer = Killer(up, plan, stop_seconds=_STOP_SECONDS)
        telling = asyncio.create_task(_tell_progress(load, killer, tell))
        # the load stays a step ahead of the killer, and goes on after the last fault
        step = 1 / (campaign.kills + 1)
        await asyncio.gather(load.run(lambda: killer.share + step), killer.run(lambda: load.share))
        telling.cancel()
    log.close()
    return killer


async def _tell_progress(load: Load, killer: Killer, tell: Callable[[str], None], every_seconds: float = 15) -> None:
    while True:
        await asyncio.sleep(every_seconds)
        tell(f"{load.accepted} jobs accepted, {killer.done.total()} faults done")


async def _scarce(client: httpx.AsyncClient) -> list[str]:
    products = (await client.get("/v1/products", params={"in_stock": "true", "limit": 100})).json()["items"]
    return [product["id"] for product in sorted(products, key=lambda one: (one["stock"], one["sku"]))[:_SHELF]]


def _wait_until_quiet(up: RunningUp, seconds: float) -> bool:
    patience_ends = time.monotonic() + seconds
    while time.monotonic() < patience_ends:
        try:
            with psycopg.connect(up.ready["database_url"]) as connection:
                if connection.execute(_UNSETTLED).fetchone() == (0,):
                    return True
        except psycopg.OperationalError:
            pass  # it was the last one killed, and is on its way up
        time.sleep(_POLL_SECONDS)
    return False


def _inbox(folder: Path) -> list[str]:
    parser = BytesHeaderParser()
    mails = sorted((folder / "inbox").glob("*.eml"))
    return [str(parser.parsebytes(mail.read_bytes())["Message-ID"]).strip() for mail in mails]


def _figures(evidence: Evidence, up: RunningUp) -> dict[str, Any]:
    ends = evidence.rows("""
        SELECT kind, state, error ->> 'code' AS code, count(*) FROM jobs GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """)
    crashes = evidence.rows("SELECT crashes, count(*) FROM jobs WHERE crashes > 0 GROUP BY 1 ORDER BY 1")
    return {
        "ends": {f"{row['kind']} {row['state']} {row['code'] or ''}".strip(): row["count"] for row in ends},
        "crashes": {row["crashes"]: row["count"] for row in crashes},
        "answers": dict(Counter(str(answer.status) for answer in evidence.told.answers.values())),
        "mails": len(evidence.inbox),
        "mails_doubled": len(evidence.inbox) - len(set(evidence.inbox)),
        "unacked": _unacked(up),
    }


def _unacked(up: RunningUp) -> int | None:
    """Messages of dead workers that the broker still keeps: harmless, for their jobs are done."""
    try:
        with redis.Redis.from_url(up.ready["redis_url"], socket_timeout=5) as store:
            return int(store.hlen("hr:unacked"))
    except redis.RedisError:
        return None


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--jobs", type=int, required=True)
    arguments.add_argument("--kills", type=int, required=True)
    arguments.add_argument("--points", default="")
    arguments.add_argument("--ledger", type=Path, required=True)
    given = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="headrace-faults-", dir=memory_folder()))
    folder.chmod(0o711)  # the servers' account reaches it when root runs the campaign
    points = ALL if given.points == "all" else tuple(filter(None, given.points.split(",")))
    campaign = Campaign(seed=given.seed, jobs=given.jobs, kills=given.kills, points=points)
    findings = run_campaign(campaign, folder, tell=lambda line: print(line, file=sys.stderr, flush=True))
    append(given.ledger, findings.entry)
    for name, figure in findings.figures.items():
        print(f"{name}: {figure}")
    for violation in findings.violations:
        print(f"VIOLATED {violation.invariant}: {violation.what}")
    print(findings.entry.line)
    if findings.violations:
        print(f"seed {given.seed}: {len(findings.violations)} violations; everything is in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
