"""The small campaign that runs with every change; larger ones run by name: `headrace faults --kills N --jobs N`."""

from pathlib import Path

import pytest

from tests.faults.campaign import run_campaign
from tests.faults.killer import make_plan
from tests.faults.ledger import HEAD, Entry, append
from tests.faults.scene import Campaign
from tests.support.running_up import own_data_dir

NAMES = ["postgres", "redis", "mail", "api", "relay", "worker-1", "worker-2", "beat"]


@pytest.mark.timeout(300)
def test_nothing_is_lost_or_doubled_though_twelve_processes_are_killed() -> None:
    with own_data_dir() as folder:
        findings = run_campaign(Campaign(seed=1, jobs=300, kills=12, quiet_seconds=120), folder)
    assert findings.violations == []
    assert sum(findings.entry.kills.values()) == 12
    assert findings.entry.jobs >= 300


def test_a_plan_follows_from_its_seed() -> None:
    assert make_plan(NAMES, kills=60, seed=7) == make_plan(NAMES, kills=60, seed=7)
    assert make_plan(NAMES, kills=60, seed=7) != make_plan(NAMES, kills=60, seed=8)


def test_a_plan_kills_every_process_about_as_often() -> None:
    kills = [fault.name for fault in make_plan(NAMES, kills=60, seed=7) if fault.what == "kill"]
    assert len(kills) == 60
    assert {kills.count(name) for name in NAMES} == {7, 8}


def test_the_ledger_gains_a_line_and_keeps_the_others(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.md"
    entry = Entry(commit="abc", seed=1, jobs=10, kills={"api": 2}, violations=3, seconds=9, date="d")
    for _ in range(2):
        append(ledger, entry)
    assert ledger.read_text() == HEAD + "| d | abc | 1 | 10 | 2 | api 2 | 0 | 0 | 3 | 9 |\n" * 2
