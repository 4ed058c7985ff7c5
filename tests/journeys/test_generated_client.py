"""A client that a public generator makes from the description: it submits, polls, pages and follows a stream."""

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.running_up import RunningUp, own_data_dir, running_up

PACKAGE = "made_for_headrace"
CONFIG = """\
post_hooks: []
package_name_override: made_for_headrace
# what the generator has no words for, it hands over as it comes
content_type_overrides:
  application/x-ndjson: application/octet-stream
  text/event-stream: text/plain
"""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def up() -> Generator[RunningUp]:
    with own_data_dir() as folder, running_up(folder, "--no-flower") as up:
        yield up


@pytest.fixture(scope="module")
def generated(up: RunningUp, tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """The package, importable; the generator had nothing to warn of."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_bytes(httpx.get(f"{up.ready['api']}/schema/openapi.json").content)
    (folder / "config.yml").write_text(CONFIG)
    done = subprocess.run(  # noqa: S603 - our own words
        [
            Path(sys.executable).parent / "openapi-python-client",
            "generate",
            "--path",
            folder / "openapi.json",
            "--config",
            folder / "config.yml",
            "--output-path",
            folder / PACKAGE,
            "--meta",
            "none",
            "--fail-on-warning",
        ],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def called(module: str) -> Any:  # noqa: ANN401 - what was generated a moment ago has no types yet
    return importlib.import_module(f"{PACKAGE}.{module}")


@pytest.fixture
def client(up: RunningUp, generated: Path) -> Generator[Any]:
    with called("client").AuthenticatedClient(base_url=up.ready["api"], token=up.ready["api_key"]) as client:
        yield client


def summarize(text: str) -> Any:  # noqa: ANN401 - as above
    models = called("models")
    wanted = models.Summarize(text=text, max_chars=40)
    return models.TextSummarizeSubmission(kind=models.TextSummarizeSubmissionKind.TEXT_SUMMARIZE, input_=wanted)


def test_a_generated_client_submits_and_polls(client: Any) -> None:  # noqa: ANN401 - as above
    submit_job, get_job, get_job_result = (
        called(f"api.jobs.{name}") for name in ("submit_job", "get_job", "get_job_result")
    )
    job = submit_job.sync(client=client, body=summarize("The bridge reopened. Ferries return to their timetable."))
    patience_ends = time.monotonic() + 60
    while job.state.value not in {"succeeded", "failed"} and time.monotonic() < patience_ends:
        job = get_job.sync(job.id, client=client, prefer="wait=5")
    assert job.state.value == "succeeded"
    result = get_job_result.sync_detailed(job.id, client=client)
    assert len(json.loads(result.content)["summary"]) <= 40


def test_a_generated_client_follows_a_stream(client: Any) -> None:  # noqa: ANN401 - as above
    submit_job, stream = called("api.jobs.submit_job"), called("api.jobs.stream_job_events")
    job = submit_job.sync(client=client, body=summarize("Another story, which is short."), idempotency_key="streamed")
    with client.get_httpx_client().stream(**stream._get_kwargs(job.id)) as answer:  # noqa: SLF001 - its way to a request
        names = [line.removeprefix("event: ") for line in answer.iter_lines() if line.startswith("event: ")]
    assert (names[0], names[-1]) == ("snapshot", "succeeded")
    # and whole, where nobody is in a hurry
    assert "event: succeeded" in stream.sync(job.id, client=client)


def test_a_generated_client_pages_and_reads_problems(client: Any) -> None:  # noqa: ANN401 - as above
    submit_batch, list_jobs, get_job = (
        called(f"api.{name}") for name in ("batches.submit_batch", "jobs.list_jobs", "jobs.get_job")
    )
    models = called("models")
    jobs = [summarize(f"Story {number}.") for number in range(3)]
    batch = submit_batch.sync(client=client, body=models.BatchBody(jobs=jobs))
    seen, cursor = [], called("types").UNSET
    while True:
        page = list_jobs.sync(client=client, batch_id=batch.id, limit=2, cursor=cursor)
        seen += [job.id for job in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(set(seen)) == len(seen) == 3
    problem = get_job.sync("job_nowhere", client=client)
    assert (problem.status, problem.code) == (404, "job_not_found")
