import socket

import pytest

from tests.cli.conftest import Run
from tests.support.api_stand_in import ApiStandIn

JOB = "job_0198"


def test_a_job_that_is_there_ends_with_0(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", f"/v1/jobs/{JOB}", {"id": JOB, "kind": "emails.send", "state": "queued"})
    assert run("jobs", "show", JOB).exit_code == 0


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 2), (401, 4), (403, 4), (404, 3), (409, 1), (410, 3), (413, 2), (415, 2), (422, 2), (503, 1)],
)
def test_what_the_api_refuses_becomes_an_exit_code_and_a_sentence(
    api: ApiStandIn, run: Run, status: int, code: int
) -> None:
    api.refuses("GET", f"/v1/jobs/{JOB}", status, detail="It is like this.")
    result = run("jobs", "show", JOB)
    assert result.exit_code == code
    assert result.stderr.startswith("headrace: It is like this.")
    assert result.stdout == ""


def test_every_field_that_is_wrong_is_named(api: ApiStandIn, run: Run) -> None:
    errors = [{"pointer": "/input/to", "detail": "Needed."}, {"pointer": "/priority", "detail": "At most 100."}]
    api.refuses("POST", "/v1/jobs", 422, detail="Two fields are wrong", errors=errors)
    result = run("submit", "emails.send", "--input", "{}")
    assert result.stderr == "headrace: Two fields are wrong. /input/to: Needed; /priority: At most 100.\n"


def test_a_missing_key_is_asked_for(api: ApiStandIn, run: Run) -> None:
    api.refuses("GET", f"/v1/jobs/{JOB}", 401, detail="Who are you?")
    assert "--key or HEADRACE_API_KEY" in run("jobs", "show", JOB).stderr


def test_a_fault_of_the_platform_comes_with_the_id_of_the_request(api: ApiStandIn, run: Run) -> None:
    api.refuses("GET", f"/v1/jobs/{JOB}", 500, detail="Oh dear.", request_id="req_7")
    assert "(request req_7)" in run("jobs", "show", JOB).stderr


def test_an_answer_that_is_no_problem_document_is_told_by_its_status(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", f"/v1/jobs/{JOB}", b"<html>bad gateway</html>", status=502)
    assert "502" in run("jobs", "show", JOB).stderr


def test_nobody_at_the_address_says_how_to_start_one(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        result = run("jobs", "list", "--url", url)
    assert result.exit_code == 1
    assert result.stderr == f"headrace: No Headrace answers at {url}; start one with ./headrace up.\n"


@pytest.mark.parametrize(
    "arguments", [("frobnicate",), ("jobs", "list", "-o", "xml"), ("submit",), ("--timeout", "x", "jobs")]
)
def test_what_the_command_does_not_know_ends_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("url", ["ftp://example", "example.com", "http://", "http://[", "http://host:99999999"])
def test_an_address_that_is_none_ends_with_2(run: Run, url: str) -> None:
    result = run("jobs", "list", "--url", url)
    assert result.exit_code == 2
    assert "address" in result.stderr


def test_an_unknown_setting_ends_with_2_and_the_nearest_name(run: Run) -> None:
    result = run("jobs", "list", HEADRACE_API_KEI="x")
    assert result.exit_code == 2
    assert "HEADRACE_API_KEY" in result.stderr


@pytest.mark.parametrize("job_id", ["..", "", "."])
def test_an_id_that_would_lead_elsewhere_is_refused(api: ApiStandIn, run: Run, job_id: str) -> None:
    assert run("jobs", "cancel", job_id).exit_code == 2
    assert api.asked == []


def test_an_id_stays_one_segment_of_the_path(api: ApiStandIn, run: Run) -> None:
    run("jobs", "show", "../queues?x=1")
    assert api.asked[0].path == "/v1/jobs/..%2Fqueues%3Fx%3D1"


def test_control_characters_in_an_answer_do_not_reach_the_terminal(api: ApiStandIn, run: Run) -> None:
    api.refuses("GET", f"/v1/jobs/{JOB}", 404, detail="gone \x1b[2J\x07away")
    assert "\x1b" not in run("jobs", "show", JOB).stderr
