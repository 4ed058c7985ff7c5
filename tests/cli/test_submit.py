# ruff: noqa: ANN401 - JSON is anything

from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.text.generate import Generate
from domain.text.summarize import Summarize
from tests.cli.conftest import Run
from tests.support.api_stand_in import ApiStandIn

JOB = "job_0198"
LIVE: dict[str, Any] = {"id": JOB, "kind": "text.summarize", "state": "queued", "queue": "text", "attempt": 0}
DONE = LIVE | {
    "state": "succeeded",
    "attempt": 1,
    "result": {"summary": "A mill turns.", "engine": "local", "cached": False},
    "created_at": "2026-11-23T06:00:00Z",
    "finished_at": "2026-11-23T06:00:00.250Z",
}
LOST = LIVE | {"state": "failed", "error": {"code": "out_of_stock", "title": "Out of stock", "detail": "None is left."}}


@pytest.fixture
def kinds(api: ApiStandIn) -> None:
    items = [
        {"name": "text.summarize", "queue": "text", "input": msgspec.json.schema(Summarize)},
        {"name": "text.generate", "queue": "text", "input": msgspec.json.schema(Generate)},
        {
            "name": "orders.cancel",
            "queue": "orders",
            "input": {"type": "object", "properties": {"lines": {"type": "array"}}},
        },
    ]
    api.answers("GET", "/v1/kinds", {"items": items, "next_cursor": None})


def sent(api: ApiStandIn) -> Any:
    return api.last("POST", "/v1/jobs").json()


def test_a_job_is_submitted_with_its_options(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/jobs", LIVE, 202)
    result = run(
        *("submit", "text.summarize", "--input", '{"text": "a"}', "--priority", "-3", "--delay", "1h30m"),
        *("--tag", "x", "--tag", "y", "--metadata", "ticket=4=2", "--max-attempts", "2", "--attempt-timeout", "1.5s"),
        *("--idempotency-key", "k"),
    )
    assert result.exit_code == 0, result.stderr
    assert sent(api) == {
        "kind": "text.summarize",
        "input": {"text": "a"},
        "priority": -3,
        "delay": "5400s",
        "timeout": "1500ms",
        "max_attempts": 2,
        "tags": ["x", "y"],
        "metadata": {"ticket": "4=2"},
    }
    asked = api.last("POST", "/v1/jobs")
    assert asked.headers["idempotency-key"] == "k"
    assert asked.headers["authorization"] == "Bearer hr_key"
    assert JOB in result.stdout


@pytest.mark.usefixtures("kinds")
def test_a_file_of_plain_text_becomes_the_kinds_text(api: ApiStandIn, run: Run, tmp_path: Path) -> None:
    article = tmp_path / "article.txt"
    article.write_bytes("\ufeffDie Mühle dreht sich.\n{nicht JSON}\n".encode())
    api.answers("POST", "/v1/jobs", LIVE, 202)
    result = run("submit", "text.summarize", "--input", f"@{article}", "--set", "max_chars=40")
    assert result.exit_code == 0, result.stderr
    assert sent(api)["input"] == {"text": "Die Mühle dreht sich.\n{nicht JSON}", "max_chars": 40}


def test_a_file_of_json_is_the_input(api: ApiStandIn, run: Run, tmp_path: Path) -> None:
    (tmp_path / "input.json").write_text(' {"text": "a"}\n')
    api.answers("POST", "/v1/jobs", LIVE, 202)
    run("submit", "text.summarize", "--input", f"@{tmp_path / 'input.json'}")
    assert sent(api)["input"] == {"text": "a"}


@pytest.mark.usefixtures("kinds")
def test_plain_text_on_standard_input_becomes_the_brief_of_a_text_to_write(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/jobs", LIVE, 202)
    run("submit", "text.generate", "--input", "-", "--set", "format=blog", stdin="42\n")
    assert sent(api)["input"] == {"brief": "42", "format": "blog"}


@pytest.mark.usefixtures("kinds")
def test_text_for_a_kind_without_a_text_field_ends_with_2(run: Run) -> None:
    result = run("submit", "orders.cancel", "--input", "hello")
    assert result.exit_code == 2
    assert "JSON object" in result.stderr


@pytest.mark.parametrize("spelled", ['{"text": ', "@/nowhere/at/all", "@."])
def test_an_input_that_cannot_be_read_ends_with_2(api: ApiStandIn, run: Run, spelled: str) -> None:
    api.answers("GET", "/v1/kinds", {"items": []})
    assert run("submit", "text.summarize", "--input", spelled).exit_code == 2


@pytest.mark.usefixtures("kinds")
def test_a_file_that_is_not_utf_8_ends_with_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    result = run("submit", "text.summarize", "--input", f"@{tmp_path / 'latin.txt'}")
    assert result.exit_code == 2
    assert "UTF-8" in result.stderr


def test_waiting_prints_the_result_alone(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/jobs", DONE, 200, {"Preference-Applied": "wait=30"})
    result = run("submit", "text.summarize", "--input", '{"text": "a"}', "--wait")
    assert result.exit_code == 0
    assert result.stdout == "summary  A mill turns.\nengine   local\ncached   false\n"
    assert result.stderr == f"{JOB} succeeded after 0.25 s\n"
    assert api.last("POST", "/v1/jobs").headers["prefer"] == "wait=30"


def test_waiting_goes_on_until_the_job_is_finished(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/jobs", LIVE, 202)
    api.answers("GET", f"/v1/jobs/{JOB}", LIVE, headers={"Preference-Applied": "wait=30"})
    api.answers("GET", f"/v1/jobs/{JOB}", DONE)
    result = run("submit", "text.summarize", "--input", '{"text": "a"}', "--wait", "-o", "json")
    assert msgspec.json.decode(result.stdout) == DONE


def test_a_job_that_failed_ends_with_1_and_the_reason(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/jobs", LOST)
    result = run("submit", "text.summarize", "--input", '{"text": "a"}', "--wait")
    assert result.exit_code == 1
    assert result.stderr == f"headrace: {JOB} (text.summarize) failed: None is left (out_of_stock).\n"


def test_a_job_that_takes_too_long_ends_with_5_and_says_how_to_go_on(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/jobs", LIVE, 202)
    api.answers("GET", f"/v1/jobs/{JOB}", LIVE)
    result = run("submit", "text.summarize", "--input", '{"text": "a"}', "--wait", "--timeout", "300ms")
    assert result.exit_code == 5
    assert f"headrace jobs watch {JOB}" in result.stderr


def test_following_tells_the_events_on_stderr_and_prints_the_result(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/jobs", LIVE, 202)
    snapshot = msgspec.json.encode(LIVE).decode()
    api.streams(
        f"/v1/jobs/{JOB}/events",
        f"event: snapshot\nid: 1\ndata: {snapshot}",
        'event: started\nid: 2\ndata: {"attempt": 1}',
        'event: progress\nid: 3\ndata: {"progress": 0.5}',
        'event: succeeded\nid: 4\ndata: {"state": "succeeded"}',
    )
    api.answers("GET", f"/v1/jobs/{JOB}", DONE)
    result = run("submit", "text.summarize", "--input", '{"text": "a"}', "--follow")
    assert result.exit_code == 0
    assert result.stdout.startswith("summary  A mill turns.")
    assert [line.split(maxsplit=1)[1] for line in result.stderr.splitlines()[:-1]] == [
        "text.summarize is queued",
        "started  attempt 1",
        "progress   50%",
        "succeeded",
    ]


@pytest.mark.parametrize("arguments", [("-o", "json", "submit"), ("submit", "-o", "json")])
def test_an_option_may_stand_before_or_after_the_command(api: ApiStandIn, run: Run, arguments: tuple[str, ...]) -> None:
    api.answers("POST", "/v1/jobs", LIVE, 202)
    result = run(*arguments, "text.summarize", "--input", '{"text": "a"}')
    assert msgspec.json.decode(result.stdout) == LIVE
