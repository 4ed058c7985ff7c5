"""Lists of jobs: their order, searching them, and what may be asked of them."""

import pytest
from sqlalchemy import text

from domain.jobs.job import JobError
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from storage import job_lists
from tests.api.conftest import House, Problem

DONE = Verdict(state=State.SUCCEEDED, result=b'{"summary":"short"}')


async def read_all(house: House, query: str, limit: int = 2) -> list[str]:
    """The ids on all pages."""
    found: list[str] = []
    url = f"/v1/jobs?limit={limit}&{query}"
    while url:
        answer = await house.client.get(url)
        assert answer.status_code == 200, answer.text
        found += [job["id"] for job in answer.json()["items"]]
        url = answer.links.get("next", {}).get("url", "")
        assert bool(url) == (answer.json()["next_cursor"] is not None)
    return found


async def test_jobs_are_listed_by_their_age(house: House) -> None:
    ids = [(await house.submit())["id"] for _ in range(5)]
    assert await read_all(house, "sort=created_at") == ids
    assert await read_all(house, "sort=-created_at") == await read_all(house, "") == ids[::-1]


async def test_jobs_are_listed_by_their_priority(house: House) -> None:
    ids = {number: (await house.submit(priority=number // 2))["id"] for number in (5, -3, 4, 0, 1, -4)}
    lowest = [ids[number] for number in (-3, -4, 0, 1, 5, 4)]
    assert [number // 2 for number in (-3, -4, 0, 1, 5, 4)] == [-2, -2, 0, 0, 2, 2]
    assert await read_all(house, "sort=priority") == lowest
    assert await read_all(house, "sort=-priority") == lowest[::-1]
    assert await read_all(house, "sort=priority", limit=1) == lowest


async def test_jobs_are_listed_by_when_they_finished_those_unfinished_last(house: House) -> None:
    ids = [(await house.submit())["id"] for _ in range(6)]
    for index in (3, 0, 4):
        await house.run(ids[index], DONE)
    async with house.database.begin() as tx:
        # two at the very same time
        await tx.execute(text("UPDATE jobs SET finished_at = date_trunc('day', now()) WHERE id = ANY(:ids)"),
                         {"ids": [ids[3], ids[0]]})  # fmt: skip
    assert await read_all(house, "sort=finished_at") == [ids[i] for i in (0, 3, 4, 1, 2, 5)]
    assert await read_all(house, "sort=-finished_at") == [ids[i] for i in (4, 3, 0, 5, 2, 1)]
    assert await read_all(house, "sort=finished_at", limit=1) == [ids[i] for i in (0, 3, 4, 1, 2, 5)]


@pytest.mark.parametrize(
    "words", ["WATER mill", "ater mi", 'said \\"no', "Zürich", "tick-42", "news/loc", "100%_sure", "\n\nTwo"]
)
async def test_words_are_found_in_input_tags_and_metadata(house: House, words: str) -> None:
    story = 'The water mill in Zürich said \\"no, 100%_sure.\n\nTwo.'
    wanted = await house.submit(input={"text": story}, tags=["news/local"], metadata={"ticket": "TICK-42"})
    await house.submit(input={"text": "100 sure in Zurich"}, tags=["old"], metadata={"ticket": "43"})
    answer = await house.client.get("/v1/jobs", params={"q": words})
    assert [job["id"] for job in answer.json()["items"]] == [wanted["id"]]
    assert (await house.stranger.get("/v1/jobs", params={"q": words})).json()["items"] == []


@pytest.mark.parametrize(
    ("words", "found"),
    [("WATER mill", {0, 1}), ("  mill\twater  ", {0, 1}), ('"water mill"', {0}), ('mill "by the water"', {1}),
     ("zürich tick-42", {0}), ("local mill", {0}), ("mill otter", set())],
)  # fmt: skip
async def test_words_are_found_in_any_order_wherever_each_stands(house: House, words: str, found: set[int]) -> None:
    first = await house.submit(
        input={"text": "The water mill in Zürich."}, tags=["local"], metadata={"ticket": "TICK-42"}
    )
    second = await house.submit(input={"text": "A windmill by the water."}, tags=["news"])
    answer = await house.client.get("/v1/jobs", params={"q": words})
    assert {job["id"] for job in answer.json()["items"]} == {(first, second)[number]["id"] for number in found}


async def test_words_are_found_in_results_and_errors(house: House) -> None:
    done, failed, _ = [await house.submit() for _ in range(3)]
    await house.run(done["id"], Verdict(state=State.SUCCEEDED, result=b'{"summary":"Otters hold hands"}'))
    error = JobError(code="out_of_kelp", title="Out of kelp", detail="No kelp is left.", retryable=False)
    await house.run(failed["id"], Verdict(state=State.FAILED, error=error))
    assert await read_all(house, "q=hands otters") == [done["id"]]
    assert await read_all(house, "q=kelp left") == [failed["id"]]


async def test_of_more_than_ten_words_all_are_looked_for_as_they_stand(house: House) -> None:
    letters = "a b c d e f g h i j k"
    job = await house.submit(input={"text": letters})
    await house.submit(input={"text": letters[::-1]})
    assert await read_all(house, f"q={letters}") == [job["id"]]
    assert len(await read_all(house, f"q={letters[2:]}")) == 2


async def test_a_search_goes_on_where_it_stopped_looking(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_lists, "_MOST_LOOKED_AT", 3)
    ids = [(await house.submit(metadata={"n": "wanted" if n in {0, 1, 9} else "other"}))["id"] for n in range(10)]
    for sort, order in (("created_at", (0, 1, 9)), ("-created_at", (9, 1, 0)), ("priority", (0, 1, 9))):
        for limit in (1, 2, 50):
            assert await read_all(house, f"q=wanted&sort={sort}", limit=limit) == [ids[n] for n in order]


async def test_a_filter_narrows_what_is_searched(house: House) -> None:
    job = await house.submit(tags=["a"])
    await house.submit(tags=["b"])
    assert await read_all(house, "q=story&tag=a") == [job["id"]]


async def test_an_unknown_parameter_is_refused_with_the_nearest_there_is(house: House, problem: Problem) -> None:
    found = problem(await house.client.get("/v1/jobs?stat=queued&kind=x&colour=red"))
    assert (found["status"], found["code"]) == (422, "parameter_unknown")
    near, none = found["errors"]
    assert near == {"pointer": "query:stat", "detail": "There is no such parameter. Did you mean state?"}
    assert none["pointer"] == "query:colour"
    assert none["detail"].startswith("There is no such parameter. There are: batch_id, created_after, ")


@pytest.mark.parametrize("query", ["q=ab", "q=" + "x" * 201, "sort=id", "sort=", "state=done"])
async def test_words_too_short_and_orders_unknown_are_refused(house: House, problem: Problem, query: str) -> None:
    found = problem(await house.client.get(f"/v1/jobs?{query}"))
    assert (found["status"], found["errors"][0]["pointer"]) == (422, f"query:{query.partition('=')[0]}")


async def test_a_cursor_is_of_the_order_that_gave_it(house: House, problem: Problem) -> None:
    job, _ = await house.submit(), await house.submit()
    await house.run(job["id"], DONE)
    orders = [sort.value for sort in job_lists.JobSort]
    for sort in orders:
        cursor = (await house.client.get(f"/v1/jobs?limit=1&sort={sort}")).json()["next_cursor"]
        for other in orders:
            answer = await house.client.get(f"/v1/jobs?limit=1&sort={other}&cursor={cursor}")
            if other == sort:
                assert len(answer.json()["items"]) == 1
            else:
                assert (answer.status_code, problem(answer)["code"]) == (422, "cursor_invalid")
