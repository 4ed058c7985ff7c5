# ruff: noqa: ANN401 - JSON is anything

import csv
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Run
from tests.support.api_stand_in import ApiStandIn

JOB = "job_0198"


def job(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {"id": f"job_{number:032x}", "kind": "emails.send", "state": "queued", "attempt": 0, "error": None} | changes


def test_a_list_goes_on_over_its_pages_until_the_limit(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/v1/jobs", {"items": [job(1), job(2)], "next_cursor": "more"})
    api.answers("GET", "/v1/jobs", {"items": [job(3), job(4)], "next_cursor": "evenmore"})
    result = run(
        "jobs", "list", "-n", "3", "-o", "jsonl", "--kind", "emails.send", "--state", "queued", "--state", "running"
    )
    assert [msgspec.json.decode(line)["id"][-1] for line in result.stdout.splitlines()] == ["1", "2", "3"]
    assert api.asked[0].query == {"limit": ["3"], "kind": ["emails.send"], "state": ["queued", "running"]}
    assert api.asked[1].query["cursor"] == ["more"]


def test_a_list_is_one_array_as_json(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/v1/jobs", {"items": [job(1), job(2)], "next_cursor": None})
    assert msgspec.json.decode(run("jobs", "list", "-o", "json").stdout) == [job(1), job(2)]


def test_a_table_that_is_piped_keeps_ids_whole_and_has_no_colour(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/v1/jobs", {"items": [job(7)], "next_cursor": None})
    result = run("jobs", "list")
    assert result.stdout.splitlines()[0].split() == [
        *("id", "kind", "state", "attempt", "created_at", "finished_at", "error.code"),
    ]
    assert result.stdout.splitlines()[1].split() == [job(7)["id"], "emails.send", "queued", "0"]


def test_square_brackets_in_a_cell_are_no_markup(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/v1/jobs", {"items": [job(kind="[red]x[/red]")]})
    assert "[red]x[/red]" in run("jobs", "list").stdout


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_csv_cell_that_starts_like_a_formula_is_defused(api: ApiStandIn, run: Run, start: str) -> None:
    api.answers("GET", "/v1/jobs", {"items": [job(kind=f'{start}cmd|"x"')]})
    result = run("jobs", "list", "-o", "csv")
    rows = list(csv.DictReader(result.stdout_bytes.decode().split("\n")))
    assert rows[0]["kind"] == f'\'{start}cmd|"x"'


def test_watching_a_job_that_fails_ends_with_1(api: ApiStandIn, run: Run) -> None:
    failed = job(state="failed", error={"code": "bad_address", "title": "Bad", "detail": "No such host."})
    api.streams(f"/v1/jobs/{JOB}/events", f"event: snapshot\nid: 9\ndata: {msgspec.json.encode(failed).decode()}")
    api.answers("GET", f"/v1/jobs/{JOB}", failed)
    result = run("jobs", "watch", JOB)
    assert result.exit_code == 1
    assert "is failed" in result.stdout
    assert "No such host (bad_address)" in result.stderr


def test_a_broken_stream_is_taken_up_after_the_last_event(api: ApiStandIn, run: Run) -> None:
    path = f"/v1/jobs/{JOB}/events"
    snapshot = msgspec.json.encode(job()).decode()
    api.streams(path, f"event: snapshot\nid: 3\ndata: {snapshot}", ": heartbeat", "event: log\nid: 4\ndata: {}")
    api.streams(path, f"event: snapshot\nid: 4\ndata: {snapshot}", 'event: succeeded\nid: 5\ndata: {"attempt":1}')
    api.answers("GET", f"/v1/jobs/{JOB}", job(state="succeeded"))
    result = run("jobs", "watch", JOB, "-o", "jsonl")
    assert result.exit_code == 0
    told = [msgspec.json.decode(line) for line in result.stdout.splitlines()]
    assert [each["event"] for each in told] == ["snapshot", "log", "succeeded"]
    assert [each.headers.get("last-event-id") for each in api.asked if each.path == path] == [None, "4"]


def test_a_separator_of_unicode_ends_no_line_of_a_stream(api: ApiStandIn, run: Run) -> None:
    path = f"/v1/jobs/{JOB}/events"
    api.streams(path, 'event: log\r\nid: 1\r\ndata: {"message": "a\u2028b\x85c"}', "event: cancelled\nid: 2\ndata: {}")
    api.answers("GET", f"/v1/jobs/{JOB}", job(state="cancelled"))
    result = run("jobs", "watch", JOB, "-o", "jsonl")
    assert msgspec.json.decode(result.stdout.split("\n")[0])["data"] == {"message": "a\u2028b\x85c"}
    assert result.exit_code == 1


def test_watching_an_unknown_job_ends_with_3(run: Run) -> None:
    assert run("jobs", "watch", JOB).exit_code == 3


def test_watching_too_long_ends_with_5(api: ApiStandIn, run: Run) -> None:
    api.streams(f"/v1/jobs/{JOB}/events", f"event: snapshot\nid: 1\ndata: {msgspec.json.encode(job()).decode()}")
    assert run("jobs", "watch", JOB, "--timeout", "0.3").exit_code == 5


def test_several_jobs_are_cancelled_and_those_that_refuse_are_named(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/jobs/job_a/cancel", job(state="cancelled"))
    api.refuses("POST", "/v1/jobs/job_b/cancel", 409, detail="It has succeeded.")
    result = run("jobs", "cancel", "job_a", "job_b")
    assert result.exit_code == 1
    assert "cancelled" in result.stdout
    assert "job_b: It has succeeded." in result.stderr


def test_an_export_passes_through_as_it_comes(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/v1/jobs/export", b"id,kind\njob_1,'=x\n", headers={"Content-Type": "text/csv"})
    result = run("jobs", "export", "--tag", "a")
    assert result.stdout_bytes == b"id,kind\njob_1,'=x\n"
    assert api.asked[0].query == {"format": ["csv"], "tag": ["a"]}


def test_a_schedule_is_triggered_by_its_name(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/v1/schedules", {"items": [{"id": "sched_1", "name": "digest"}], "next_cursor": None})
    api.answers("POST", "/v1/schedules/sched_1/trigger", job(), 202)
    result = run("schedules", "trigger", "digest")
    assert result.exit_code == 0, result.stderr
    assert run("schedules", "trigger", "nothing").exit_code == 3


def test_a_schedule_is_made_and_deleted(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/schedules", {"id": "sched_1", "name": "digest"}, 201)
    api.answers("DELETE", "/v1/schedules/sched_1", b"", 204)
    made = run(
        *("schedules", "create", "digest", "text.summarize", "--every", "90m", "--overlap", "allow"),
        *("--input", '{"text": "a"}', "-o", "csv"),
    )
    assert made.stdout == "id,name\nsched_1,digest\n", made.stderr
    assert api.asked[0].json() == {
        "name": "digest",
        "job": {"kind": "text.summarize", "input": {"text": "a"}},
        "every": "5400s",
        "overlap": "allow",
        "paused": False,
    }
    assert api.asked[0].headers["idempotency-key"]
    assert "sched_1 is deleted" in run("schedules", "delete", "sched_1").stderr


def test_a_window_of_a_schedule_is_run_once_however_often_it_is_sent(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/schedules/sched_1/backfill", {"firings": 5, "ran_before": 2, "submitted": 3}, 202)
    result = run("schedules", "backfill", "sched_1", "--from", "2030-01-01T00:00:00Z", "-o", "csv")
    assert result.stdout == "firings,ran_before,submitted\n5,2,3\n"
    [asked] = api.asked
    assert msgspec.json.decode(asked.body) == {
        "starts_at": "2030-01-01T00:00:00Z",
        "ends_at": None,
        "dry_run": False,
    }
    assert asked.headers["idempotency-key"]


def test_the_runs_of_a_schedule_are_listed(api: ApiStandIn, run: Run) -> None:
    shown = {"fire_at": "2030-01-01T00:00:00Z", "outcome": "submitted", "job_id": JOB, "backfilled": True}
    api.answers("GET", "/v1/schedules/sched_1/runs", {"items": [shown], "next_cursor": None})
    assert JOB in run("schedules", "runs", "sched_1").stdout


def test_a_queue_is_paused(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/queues/text/pause", {"name": "text", "paused": True})
    result = run("queues", "pause", "text", "-o", "csv")
    assert result.stdout == "name,paused\ntext,true\n"


def test_a_queue_is_limited_by_what_is_given_and_by_nothing_else(api: ApiStandIn, run: Run) -> None:
    api.answers("PUT", "/v1/queues/text/limits", {"name": "text", "paused": False})
    given = ["--max-running", "8", "--rate", "100/1m", "--kind-rate", "text.generate=5/1s", "--key-max-running", "2"]
    assert run("queues", "limit", "text", *given).exit_code == 0
    assert run("queues", "limit", "text", "--none").exit_code == 0
    assert [msgspec.json.decode(asked.body) for asked in api.asked] == [
        {
            "max_running": 8,
            "rate": {"count": 100, "per": "1m"},
            "per_kind": {"text.generate": {"rate": {"count": 5, "per": "1s"}}},
            "per_key": {"max_running": 2},
        },
        {},
    ]
    for wrong in ([], ["--none", "--max-running", "1"], ["--rate", "fast"], ["--kind-rate", "5/1s"]):
        assert run("queues", "limit", "text", *wrong).exit_code == 2


def test_the_story_of_a_job_queued_again_goes_on_after_its_first_end(api: ApiStandIn, run: Run) -> None:
    api.streams(
        f"/v1/jobs/{JOB}/events",
        f"event: snapshot\ndata: {msgspec.json.encode(job()).decode()}",
        'event: failed\nid: 2\ndata: {"data": {"code": "x"}}',
        "event: queued\nid: 3\ndata: {}",
        "event: succeeded\nid: 4\ndata: {}",
    )
    api.answers("GET", f"/v1/jobs/{JOB}", job(state="succeeded"))
    result = run("jobs", "watch", JOB)
    assert result.exit_code == 0
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["emails.send", "failed", "queued", "succeeded"]
