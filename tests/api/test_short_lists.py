"""The lists that are short are taken page by page as all others are, by name."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.api.conftest import House, Problem

SHORT = ("/v1/kinds", "/v1/permissions", "/v1/queues", "/v1/workers")


@pytest.fixture
async def workers(house: House) -> None:
    async with house.database.begin() as tx:
        for name in ("w-2", "w-1", "w-3"):
            given = {"name": name, "queues": ["text"]}
            await tx.execute(
                text(
                    "INSERT INTO workers (name, pid, queues, concurrency, running, stopping, started_at, seen_at)"
                    " VALUES (:name, 1, :queues, 1, 0, false, now(), now())"
                ),
                given,
            )


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("path", SHORT)
async def test_pages_of_a_short_list_are_the_whole_of_it_by_name(house: House, path: str) -> None:
    whole = (await house.client.get(path)).json()
    names = [one["name"] for one in whole["items"]]
    assert names == sorted(names)
    assert len(names) > 2
    assert whole["next_cursor"] is None
    found: list[Any] = []
    url: str | None = f"{path}?limit=2"
    while url is not None:
        answer = await house.client.get(url)
        page = answer.json()
        assert 0 < len(page["items"]) <= 2
        found += [one["name"] for one in page["items"]]
        url = answer.links["next"]["url"] if "next" in answer.links else None
        assert (url is None) == (page["next_cursor"] is None)
    assert found == names


@pytest.mark.parametrize(
    ("path", "missing"),
    [("/v1/kinds", "kind_not_found"), ("/v1/queues", "queue_not_found")],
)
async def test_each_of_a_short_list_is_shown_alone_too(house: House, problem: Problem, path: str, missing: str) -> None:
    items = (await house.client.get(path)).json()["items"]
    for one in items:
        assert (await house.client.get(f"{path}/{one['name']}")).json() == one
    answer = await house.client.get(f"{path}/none")
    assert (answer.status_code, problem(answer)["code"]) == (404, missing)
    assert items[0]["name"] in problem(answer)["detail"]


@pytest.mark.parametrize("path", SHORT)
async def test_a_short_list_refuses_bounds_and_cursors_that_are_none(house: House, problem: Problem, path: str) -> None:
    for query, code in (
        ("limit=0", "parameter_invalid"),
        ("limit=201", "parameter_invalid"),
        ("cursor=%25", "cursor_invalid"),
    ):
        answer = await house.client.get(f"{path}?{query}")
        assert (answer.status_code, problem(answer)["code"]) == (422, code)
        assert problem(answer)["errors"][0]["pointer"] == f"query:{query.partition('=')[0]}"


async def test_the_page_after_a_worker_that_is_gone_goes_on_where_it_stood(house: House, workers: None) -> None:
    cursor = (await house.client.get("/v1/workers?limit=1")).json()["next_cursor"]
    async with house.database.begin() as tx:
        await tx.execute(text("DELETE FROM workers WHERE name = 'w-1'"))
    items = (await house.client.get(f"/v1/workers?cursor={cursor}")).json()["items"]
    assert [one["name"] for one in items] == ["w-2", "w-3"]
