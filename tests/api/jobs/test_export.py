"""GET /v1/jobs/export: all of a list in one file, which no spreadsheet takes for a program."""

import csv
import io
import json

import httpx
import pytest

from api.jobs import export
from domain.jobs.job import JobError
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from storage import job_lists
from tests.api.conftest import House, Problem

DONE = Verdict(state=State.SUCCEEDED, result=b'{"summary":"short"}')


@pytest.fixture(autouse=True)
def _short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_AT_ONCE", 3)
    monkeypatch.setattr(job_lists, "_MOST_LOOKED_AT", 4)


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


@pytest.mark.parametrize("count", [0, 2, 3, 7])
async def test_every_job_of_the_list_is_in_the_file_once(house: House, count: int) -> None:
    ids = [(await house.submit())["id"] for _ in range(count)]
    answer = await house.client.get("/v1/jobs/export?format=csv&sort=created_at")
    assert [row["id"] for row in rows(answer)] == ids
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="jobs.csv"'
    lines = (await house.client.get("/v1/jobs/export?format=ndjson")).text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids[::-1]


async def test_a_line_is_the_job_as_it_is_shown_alone(house: House) -> None:
    job = await house.submit(max_attempts=1)
    error = JobError(code="rejected", title="No", detail="Not this one.")
    await house.run(job["id"], Verdict(state=State.FAILED, error=error))
    answer = await house.client.get("/v1/jobs/export?format=ndjson")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert json.loads(answer.text) == (await house.client.get(f"/v1/jobs/{job['id']}")).json()
    [row] = rows(await house.client.get("/v1/jobs/export"))
    assert (row["state"], row["error_code"], row["error_detail"]) == ("failed", "rejected", "Not this one.")


async def test_a_row_tells_what_became_of_the_job(house: House) -> None:
    job = await house.submit(tags=["a b", "ü,\n"], metadata={"k": 'say "hi"'})
    await house.run(job["id"], DONE)
    [row] = rows(await house.client.get("/v1/jobs/export"))
    shown = (await house.client.get(f"/v1/jobs/{job['id']}")).json()
    assert (row["id"], row["kind"], row["state"], row["attempt"]) == (job["id"], "text.summarize", "succeeded", "1")
    assert json.loads(row["tags"]) == ["a b", "ü,\n"]
    assert json.loads(row["metadata"]) == {"k": 'say "hi"'}
    assert (json.loads(row["input"]), json.loads(row["result"])) == (shown["input"], shown["result"])
    assert row["finished_at"] == shown["finished_at"]


@pytest.mark.parametrize("detail", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
async def test_cells_that_would_be_formulas_are_defused(house: House, detail: str) -> None:
    job = await house.submit(priority=-5)
    error = JobError(code="rejected", title="No", detail=detail)
    await house.run(job["id"], Verdict(state=State.FAILED, error=error))
    [row] = rows(await house.client.get("/v1/jobs/export"))
    assert (row["error_detail"], row["priority"]) == (f"'{detail}", "'-5")


async def test_filters_and_search_narrow_the_file(house: House) -> None:
    wanted = [(await house.submit(tags=["a"], metadata={"n": "wanted"}))["id"] for _ in range(5)]
    for _ in range(5):
        await house.submit(tags=["a"])
        await house.submit(tags=["b"], metadata={"n": "wanted"})
    answer = await house.client.get("/v1/jobs/export?tag=a&q=wanted&sort=created_at")
    assert [row["id"] for row in rows(answer)] == wanted
    assert rows(await house.stranger.get("/v1/jobs/export")) == []


@pytest.mark.parametrize(("query", "name"), [("format=xml", "format"), ("limit=5", "limit"), ("sort=id", "sort")])
async def test_what_no_export_takes_is_refused(house: House, problem: Problem, query: str, name: str) -> None:
    answer = await house.client.get(f"/v1/jobs/export?{query}")
    assert (answer.status_code, problem(answer)["errors"][0]["pointer"]) == (422, f"query:{name}")


async def test_exporting_takes_the_permission(house: House, problem: Problem) -> None:
    key = await house.key(permissions=("jobs:submit",))
    answer = await house.client.get("/v1/jobs/export", headers={"Authorization": f"Bearer {key}"})
    assert (answer.status_code, problem(answer)["code"]) == (403, "permission_missing")
