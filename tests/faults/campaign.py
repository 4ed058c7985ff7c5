"""A campaign: a platform of its own, a load, faults; then silence, and the invariants against the outside log.

Run by `headrace faults`. Exits 1 on any violation and leaves everything where it was, to be looked at.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
import redis
from msgspec import Struct
from msgspec.structs import replace

from tests.faults.hearing import Hearing, hearing
from tests.faults.invariants import Evidence, Violation, violations
from tests.faults.ledger import Entry, commit_now
from tests.faults.load import Load
from tests.faults.outside_log import OutsideLog, Told, read_log
from tests.faults.scenarios import SCENARIOS
from tests.faults.scene import REAL, TENTH, Campaign, Harm, Scenario, Scene, Tell
from tests.faults.verdict import tell, tell_verdict
from tests.support.running_up import RunningUp, running_up
from tests.support.servers import memory_folder

_SHELF: Final = 5  # products on sale
_POLL_SECONDS: Final = 0.1

_UNSETTLED: Final = """
SELECT (SELECT count(*) FROM jobs WHERE state IN ('scheduled', 'queued', 'running')) + (SELECT count(*) FROM outbox)
"""


class Findings(Struct, frozen=True, kw_only=True):
    """What came of it."""

    entry: Entry
    violations: list[Violation]
    figures: dict[str, Any]


class _Lived(Struct, frozen=True, kw_only=True):
    harm: Harm
    told: Told
    violations: list[Violation]
    figures: dict[str, Any]


def run_campaign(campaign: Campaign, folder: Path, tell: Tell = lambda _: None) -> Findings:
    """Run a campaign in `folder`, which is empty; it keeps the outside log, the logs of all processes and the data."""
    begun = time.monotonic()
    scenario = SCENARIOS[campaign.scenario]
    lanes = min(scenario.lanes, campaign.times)
    if lanes > 1:
        with ThreadPoolExecutor(lanes) as threads:
            lived = list(
                threads.map(lambda lane: _live(campaign, scenario, folder, lane, lanes, tell), range(1, lanes + 1))
            )
    else:
        lived = [_live(campaign, scenario, folder, 1, 1, tell)]
    harms = [one.harm for one in lived]
    found = [violation for one in lived for violation in one.violations]
    jobs = sum(len(one.told.accepted) + sum(one.told.batches.values()) for one in lived)
    figures = scenario.merge(harms)
    entry = Entry(
        commit=commit_now(),
        seed=campaign.seed,
        jobs=jobs,
        kills=dict(sorted(sum((harm.kills for harm in harms), Counter()).items())),
        stops=sum(harm.stops for harm in harms),
        flushes=sum(harm.flushes for harm in harms),
        section=scenario.section,
        clock=campaign.clock.name,
        figures=figures | {"jobs accepted": jobs},
        violations=len(found),
        seconds=round(time.monotonic() - begun),
    )
    return Findings(entry=entry, violations=found, figures=_together([one.figures for one in lived]) | figures)


def _live(campaign: Campaign, scenario: Scenario, folder: Path, lane: int, lanes: int, tell: Tell) -> _Lived:  # noqa: PLR0913, PLR0917 - one lane of so many
    """One platform's life, from its start to its quiet end."""
    if lanes > 1:
        folder = folder / f"lane-{lane}"
        folder.mkdir(mode=0o711)
        # the work is shared out, and no two lanes do the same
        times = campaign.times // lanes + (lane <= campaign.times % lanes)
        campaign = replace(campaign, seed=campaign.seed * 1000 + lane, times=times)
    told_to = (lambda line: tell(f"{lane}: {line}")) if lanes > 1 else tell
    begun = time.monotonic()
    log_path = folder / "outside.jsonl"
    settings = campaign.clock.settings | scenario.settings(folder)
    with hearing() as ear, running_up(folder, "--no-flower", "--workers", str(scenario.workers), **settings) as up:
        told_to(f"up after {time.monotonic() - begun:.0f} s, seed {campaign.seed}")
        harm = asyncio.run(_hurt(campaign, scenario, up, ear, log_path, told_to))
        hurt_at = time.monotonic()
        is_quiet = _wait_until_quiet(up, campaign.quiet_seconds)
        told_to(f"{'quiet' if is_quiet else 'NOT quiet'} {time.monotonic() - hurt_at:.0f} s after the last fault")
        told = read_log(log_path)
        evidence = Evidence(
            database_url=up.ready["database_url"], told=told, inbox=tuple(_inbox(folder)), heard=tuple(ear.heard)
        )
        found = violations(evidence) + harm.violations
        figures = _figures(evidence, up) | {"quiet_after_seconds": round(time.monotonic() - hurt_at, 1)}
    return _Lived(harm=harm, told=told, violations=found, figures=figures)


async def _hurt(  # noqa: PLR0913, PLR0917 - what a scenario is given
    campaign: Campaign, scenario: Scenario, up: RunningUp, ear: Hearing, log_path: Path, tell: Tell
) -> Harm:
    log = OutsideLog(log_path)
    headers = {"Authorization": f"Bearer {up.ready['api_key']}"}
    limits = httpx.Limits(max_keepalive_connections=0)  # a connection of its own each: none of them half dead
    async with httpx.AsyncClient(base_url=up.ready["api"], headers=headers, timeout=15, limits=limits) as client:
        products = await _shelf(client, is_scarce=scenario.sells_out)
        await _listen(client, ear)
        load = Load(client, log, products, seed=campaign.seed, jobs=campaign.jobs, webhook_url=ear.url)
        try:
            return await scenario.hurt(Scene(campaign=campaign, up=up, client=client, load=load, tell=tell))
        finally:
            log.close()


async def _listen(client: httpx.AsyncClient, ear: Hearing) -> None:
    """Be told of every job that fails; and know what deliveries to single jobs are signed with."""
    body = {"url": ear.url, "events": ["job.failed"]}
    for answer in (await client.post("/v1/webhooks", json=body), await client.get("/v1/webhooks/signing-secret")):
        assert answer.is_success, answer.text
        ear.secrets.append(answer.json()["secret"])


async def _shelf(client: httpx.AsyncClient, *, is_scarce: bool) -> list[str]:
    products = (await client.get("/v1/products", params={"in_stock": "true", "limit": 100})).json()["items"]
    return [
        product["id"]
        for product in sorted(products, key=lambda one: (one["stock"], one["sku"]), reverse=not is_scarce)[:_SHELF]
    ]


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
        "ends": Counter({f"{row['kind']} {row['state']} {row['code'] or ''}".strip(): row["count"] for row in ends}),
        "crash counts": Counter({row["crashes"]: row["count"] for row in crashes}),
        "answers": Counter(str(answer.status) for answer in evidence.told.answers.values()),
        "mails": len(evidence.inbox),
        "deliveries": len({one.webhook_id for one in evidence.heard}),
        "deliveries_doubled": len(evidence.heard) - len({one.webhook_id for one in evidence.heard}),
        "mails_doubled": len(evidence.inbox) - len(set(evidence.inbox)),
        "unacked": _unacked(up),
    }


def _together(figures: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of all lanes: counts added up, the longest of times."""
    shared: dict[str, Any] = {}
    for name, first in figures[0].items():
        values = [one[name] for one in figures]
        if isinstance(first, Counter):
            shared[name] = dict(sum(values, Counter()))
        else:
            shared[name] = max(values) if name.endswith("seconds") else sum(values)
    return shared


def _unacked(up: RunningUp) -> int:
    """Messages of dead workers that the broker still keeps: harmless, for their jobs are done."""
    try:
        with redis.Redis.from_url(up.ready["redis_url"], socket_timeout=5) as store:
            return int(store.hlen("hr:unacked"))
    except redis.RedisError:
        return 0


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--scenario", required=True)
    arguments.add_argument("--seed", type=int, required=True)
    for name in ("jobs", "kills", "times"):
        arguments.add_argument(f"--{name}", type=int, default=0)
    arguments.add_argument("--points", default="")
    arguments.add_argument("--kinds", default="")
    arguments.add_argument("--clock", choices=("tenth", "real"), default="tenth")
    arguments.add_argument("--ledger", type=Path, required=True)
    given = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="headrace-faults-", dir=memory_folder()))
    folder.chmod(0o711)  # the servers' account reaches it when root runs the campaign
    campaign = Campaign(
        scenario=given.scenario,
        seed=given.seed,
        jobs=given.jobs,
        kills=given.kills,
        times=given.times,
        points=tuple(filter(None, given.points.split(","))),
        kinds=tuple(filter(None, given.kinds.split(","))),
        clock=REAL if given.clock == "real" else TENTH,
    )
    findings = run_campaign(campaign, folder, tell)
    return tell_verdict(findings.entry, findings.figures, findings.violations, ledger=given.ledger, folder=folder)


if __name__ == "__main__":
    sys.exit(main())
