"""The small tier of streams over restarts; larger ones run by name: `headrace faults --scenario streams --times N`."""

import pytest

from tests.faults.campaign import run_campaign
from tests.faults.scene import Campaign
from tests.support.running_up import own_data_dir


@pytest.mark.timeout(300)
def test_no_event_is_missed_or_told_twice_though_the_api_is_stopped_and_killed() -> None:
    with own_data_dir() as folder:
        findings = run_campaign(Campaign(scenario="streams", seed=1, times=3, quiet_seconds=120), folder)
    assert findings.violations == []
    assert findings.figures["restarts"] == 3
    assert findings.figures["connections"] > findings.figures["streams of jobs"] + 3
