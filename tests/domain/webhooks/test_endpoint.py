"""Which events an endpoint is told of, and when a delivery is tried again."""

from datetime import timedelta

import pytest

from domain.jobs.retry import backoff
from domain.webhooks.deliver_webhook import DELIVER_WEBHOOK, LANES, lane_of, wait_asked
from domain.webhooks.endpoint import PATTERNS, unknown_patterns, wants


@pytest.mark.parametrize(
    ("pattern", "event", "is_told"),
    [
        ("*", "job.failed", True),
        ("job.*", "job.failed", True),
        ("job.failed", "job.failed", True),
        ("job.succeeded", "job.failed", False),
        ("order.*", "job.failed", False),
        ("order.paid", "order.payment_failed", False),
    ],
)
def test_a_pattern_is_all_or_all_of_a_subject_or_one_type(*, pattern: str, event: str, is_told: bool) -> None:
    assert wants([pattern], event) is is_told


def test_patterns_that_nothing_can_match_are_known_by_their_places() -> None:
    assert unknown_patterns(["job.*", "job", "job.finished", "**", "Job.failed", "*"]) == [1, 2, 3, 4]
    assert not unknown_patterns(PATTERNS)
    assert {"*", "job.*", "job.succeeded", "order.*", "stock.low"} < set(PATTERNS)


def test_a_delivery_is_tried_ten_times_in_three_days_and_a_few_hours() -> None:
    policy = DELIVER_WEBHOOK.retry
    assert DELIVER_WEBHOOK.max_attempts == 10
    waits = [[backoff(policy, attempt, spread) for attempt in range(1, 10)] for spread in (0.0, 0.5, 1.0)]
    least, middle, most = (sum(each, timedelta(0)) / timedelta(hours=1) for each in waits)
    assert middle == pytest.approx(75.6, abs=0.05)
    assert least == pytest.approx(0.9 * middle)
    assert most == pytest.approx(1.1 * middle)


def test_who_asks_for_more_time_gets_it_up_to_a_day() -> None:
    assert wait_asked(None, 1) is None
    assert wait_asked(timedelta(seconds=4), 1) is None
    assert wait_asked(timedelta(minutes=-4), 1) is None
    assert wait_asked(timedelta(seconds=60), 1) == timedelta(seconds=60)
    assert wait_asked(timedelta(hours=23), 8) == timedelta(hours=23)
    assert wait_asked(timedelta(hours=10), 8) is None
    assert wait_asked(timedelta(days=400), 1) == timedelta(hours=24)


def test_deliveries_to_one_address_share_a_few_lanes() -> None:
    lanes = {lane_of("hook_1", f"dlv_{number:032x}") for number in range(1000)}
    assert len(lanes) == LANES
    assert not lanes & {lane_of("hook_2", f"dlv_{number:032x}") for number in range(1000)}
