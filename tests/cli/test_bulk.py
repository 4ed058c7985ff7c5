# ruff: noqa: ANN401 - JSON is anything

from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Run
from tests.support.api_stand_in import ApiStandIn

BULK = "bulk_" + "0" * 32
DEAD = ["attempts_exhausted", "crashed"]


def action(**changes: Any) -> dict[str, Any]:
    return {"id": BULK, "action": "retry", "state": "pending", "matched": 0, "done": 0, "skipped": 0} | changes


def test_dead_letters_are_listed(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/v1/jobs", {"items": []})
    assert run("deadletters", "list", "--kind", "emails.send").exit_code == 0
    assert api.asked[0].query == {
        "state": ["failed"],
        "error_code": DEAD,
        "kind": ["emails.send"],
        "limit": ["50"],
    }


def test_dead_letters_are_redriven_by_what_they_match_and_waited_for(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/bulk-actions", action(), status=202)
    api.answers("GET", f"/v1/bulk-actions/{BULK}", action(state="done", matched=9, done=8, skipped=1))
    result = run("deadletters", "redrive", "--kind", "emails.send", "--rate", "7", "--wait", "-o", "json")
    assert result.exit_code == 0, result.output
    assert api.asked[0].json() == {
        "action": "retry",
        "filter": {"state": ["failed"], "error_code": DEAD, "kind": "emails.send"},
        "dry_run": False,
        "rate_per_second": 7,
    }
    assert msgspec.json.decode(result.stdout)["done"] == 8
    assert result.stderr == f"{BULK} done: 8 jobs done, 1 skipped\n"


def test_a_dry_run_tells_how_many_match(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/bulk-actions", action(dry_run=True), status=202)
    api.answers("GET", f"/v1/bulk-actions/{BULK}", action(dry_run=True, state="done", matched=9))
    result = run("jobs", "cancel", "--state", "queued", "--queue", "emails", "--dry-run")
    assert api.asked[0].json()["filter"] == {"state": ["queued"], "queue": "emails"}
    assert api.asked[0].json()["action"] == "cancel"
    assert api.asked[0].json()["dry_run"] is True
    assert result.stderr == f"{BULK} done: 9 jobs match\n"


def test_an_action_that_somebody_aborted_ends_with_1(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/bulk-actions", action(), status=202)
    api.answers("GET", f"/v1/bulk-actions/{BULK}", action(state="aborted", done=2))
    result = run("jobs", "retry", "--kind", "emails.send", "--wait")
    assert result.exit_code == 1
    assert f"{BULK} was aborted." in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("jobs", "cancel"),
        ("jobs", "retry"),
        ("deadletters", "redrive"),
        ("jobs", "cancel", "job_1", "--kind", "emails.send"),
        ("deadletters", "redrive", "job_1", "--all"),
    ],
)
def test_jobs_are_either_named_or_described(api: ApiStandIn, run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
    assert api.asked == []


def test_a_dead_letter_named_is_queued_again(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/jobs/job_1/retry", {"id": "job_1"}, status=202)
    assert run("deadletters", "redrive", "job_1").exit_code == 0


def test_an_action_is_listed_shown_and_aborted(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/v1/bulk-actions", {"items": [action()]})
    api.answers("GET", f"/v1/bulk-actions/{BULK}", action())
    api.answers("POST", f"/v1/bulk-actions/{BULK}/abort", action(state="aborted"))
    assert BULK in run("bulk", "list").stdout
    assert BULK in run("bulk", "show", BULK).stdout
    assert "aborted" in run("bulk", "abort", BULK).stdout


def test_jobs_are_listed_by_the_codes_of_their_errors(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/v1/jobs", {"items": []})
    assert run("jobs", "list", "--error-code", "crashed", "--error-code", "timeout").exit_code == 0
    assert api.asked[0].query["error_code"] == ["crashed", "timeout"]


def test_an_action_that_takes_longer_than_is_waited_ends_with_5_and_goes_on(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/bulk-actions", action(), status=202)
    api.answers("GET", f"/v1/bulk-actions/{BULK}", action(state="running", done=2))
    result = run("jobs", "retry", "--kind", "emails.send", "--wait", "--timeout", "1s")
    assert result.exit_code == 5
    assert f"{BULK} is not finished yet." in result.stderr
