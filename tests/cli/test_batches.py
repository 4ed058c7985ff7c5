import io
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.batches import _Progress
from cli.replies import BatchReply
from tests.cli.conftest import Run
from tests.support.api_stand_in import ApiStandIn

BATCH = "batch_0198"
LINES = '{"kind":"text.moderate","input":{"text":"a"}}\n\n{"kind":"text.moderate","input":{"text":"b"}}'


def batch(total: int = 4, **counts: int) -> dict[str, Any]:
    live = total - sum(counts.values())
    return {
        "id": BATCH,
        "total": total,
        "counts": {"queued": live, "succeeded": 0, "failed": 0, "cancelled": 0, "expired": 0, **counts},
        "finished_at": None if live else "2026-11-23T06:00:00Z",
    }


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "jobs.ndjson").write_text(LINES)
    return str(tmp_path / "jobs.ndjson")


def test_a_file_is_sent_line_by_line_as_it_is(api: ApiStandIn, run: Run, file: str) -> None:
    api.answers("POST", "/v1/batches", batch(), 202)
    result = run("batches", "submit", file, "--idempotency-key", "k", "-o", "json")
    assert (result.exit_code, msgspec.json.decode(result.stdout)) == (0, batch()), result.stderr
    assert result.stderr == f"{BATCH}: 4 jobs accepted\n"
    asked = api.last("POST", "/v1/batches")
    assert (asked.headers["content-type"], asked.headers["idempotency-key"]) == ("application/x-ndjson", "k")
    assert asked.body == LINES.encode()


def test_standard_input_with_a_job_to_follow_is_sent_as_one_object(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/batches", batch(), 202)
    following = {"kind": "text.moderate", "input": {"text": "c"}}
    result = run("batches", "submit", "-", "--on-finished", msgspec.json.encode(following).decode(), stdin=LINES)
    assert result.exit_code == 0, result.stderr
    asked = api.last("POST", "/v1/batches")
    assert asked.headers["content-type"] == "application/json"
    assert asked.json() == {
        "jobs": [msgspec.json.decode(line) for line in LINES.split("\n\n")],
        "on_finished": following,
    }


@pytest.mark.parametrize("mode", ["economy", "standard"])
def test_economy_is_asked_for_and_said_where_it_is_not_to_be_had(
    api: ApiStandIn, run: Run, file: str, mode: str
) -> None:
    api.answers("POST", "/v1/batches", {**batch(), "mode": mode}, 202)
    result = run("batches", "submit", file, "--economy")
    assert result.exit_code == 0, result.stderr
    assert api.last("POST", "/v1/batches").json()["mode"] == "economy"
    assert ("has no economy" in result.stderr) == (mode == "standard")


def test_waiting_tells_how_far_it_is_and_prints_the_end(api: ApiStandIn, run: Run, file: str) -> None:
    api.answers("POST", "/v1/batches", batch(), 202)
    for counts in ({}, {"succeeded": 1}, {"succeeded": 1}, {"succeeded": 3}, {"succeeded": 4}):
        headers = {"Preference-Applied": "wait=1"}
        api.answers("GET", f"/v1/batches/{BATCH}", batch(**counts), headers=headers)
    result = run("batches", "submit", file, "--wait", "-o", "jsonl")
    assert (result.exit_code, msgspec.json.decode(result.stdout)) == (0, batch(succeeded=4)), result.stderr
    assert [line.split(maxsplit=1)[1] for line in result.stderr.splitlines()] == [
        "4 jobs accepted",
        "0%  0 of 4",
        "25%  1 of 4",
        "75%  3 of 4",
        "100%  4 of 4",
    ]
    assert api.last("GET", f"/v1/batches/{BATCH}").headers["prefer"] == "wait=1"


def test_a_batch_of_which_a_job_did_not_succeed_ends_with_1(api: ApiStandIn, run: Run, file: str) -> None:
    api.answers("POST", "/v1/batches", batch(), 202)
    api.answers("GET", f"/v1/batches/{BATCH}", batch(succeeded=1, failed=2, cancelled=1))
    result = run("batches", "submit", file, "--wait")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        f"headrace: 3 of the 4 jobs of {BATCH} did not succeed: 2 failed, 1 cancelled."
    )
    assert BATCH in result.stdout


def test_a_batch_that_takes_too_long_ends_with_5_and_says_how_to_go_on(api: ApiStandIn, run: Run, file: str) -> None:
    api.answers("POST", "/v1/batches", batch(), 202)
    api.answers("GET", f"/v1/batches/{BATCH}", batch())
    result = run("batches", "submit", file, "--wait", "--timeout", "300ms")
    assert result.exit_code == 5
    assert f"headrace batches watch {BATCH}" in result.stderr


def test_a_batch_that_is_refused_ends_with_2_and_every_bad_line(api: ApiStandIn, run: Run, file: str) -> None:
    errors = [{"pointer": "/0/kind", "detail": "Line 1: no"}, {"pointer": "/1/input", "detail": "Line 3: needed"}]
    api.refuses("POST", "/v1/batches", 422, detail="/0/kind: Line 1: no", errors=errors)
    result = run("batches", "submit", file)
    assert result.exit_code == 2
    assert "Line 1" in result.stderr
    assert "Line 3" in result.stderr


@pytest.mark.parametrize("arguments", [("/nowhere/at/all",), (".",), ("-",), ("-", "--on-finished", "{")])
def test_what_cannot_be_read_ends_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    stdin = LINES if "--on-finished" in arguments else " \n"
    assert run("batches", "submit", *arguments, stdin=stdin).exit_code == 2


def test_watching_a_batch_waits_for_its_end(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", f"/v1/batches/{BATCH}", batch(succeeded=4))
    assert run("batches", "watch", BATCH).exit_code == 0
    assert run("batches", "watch", "batch_none").exit_code == 3


def test_batches_are_listed_shown_and_cancelled(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/v1/batches", {"items": [batch(succeeded=3)], "next_cursor": None})
    api.answers("GET", f"/v1/batches/{BATCH}", batch())
    api.answers("POST", f"/v1/batches/{BATCH}/cancel", batch(cancelled=4))
    listed = run("batches", "list").stdout.splitlines()
    assert listed[0].split()[:3] == ["id", "total", "counts.scheduled"]
    assert listed[1].split() == [BATCH, "4", "1", "3", "0", "0", "0"]
    assert BATCH in run("batches", "show", BATCH).stdout
    assert msgspec.json.decode(run("batches", "cancel", BATCH, "-o", "json").stdout) == batch(cancelled=4)
    assert run("batches", "cancel", "batch_none").exit_code == 3


def test_results_are_written_as_they_come(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", f"/v1/batches/{BATCH}/results", b'{"index":0}\n{"index":1}\n')
    assert run("batches", "results", BATCH).stdout == '{"index":0}\n{"index":1}\n'


def test_a_terminal_has_one_line_redrawn() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    progress = _Progress(terminal, BATCH)
    for counts in ({"succeeded": 1}, {"succeeded": 3, "failed": 1}):
        progress.show(msgspec.convert(batch(**counts), BatchReply))
    progress.end()
    first, second = terminal.getvalue().split("\r\x1b[2K")[1:]
    assert (first.endswith("1 of 4"), second.endswith("4 of 4, 1 failed\n")) == (True, True)
    assert (first.count("█"), second.count("█"), second.count("░")) == (6, 24, 0)
