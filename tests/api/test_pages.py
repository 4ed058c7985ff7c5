"""The pages for people, and that they need nothing from outside."""

import re
from pathlib import Path

import pytest

from api.problem_codes import CODES
from api.problems import status_of
from domain.errors import HeadraceError
from tests.api.conftest import House, Problem

PLATFORM = Path(__file__).parents[2] / "platform"
SPOKEN = re.compile(r'(?:^    code(?:: ClassVar\[str\])? = |\bcode=|\bReject\(\s*)"([a-z_]+)"', re.MULTILINE)


def spoken_codes() -> dict[str, str]:
    """Every code the code base speaks of, and where."""
    return {
        code: str(path.relative_to(PLATFORM))
        for path in PLATFORM.rglob("*.py")
        for code in SPOKEN.findall(path.read_text())
    }


def all_errors(root: type[HeadraceError] = HeadraceError) -> list[type[HeadraceError]]:
    return [root, *(found for child in root.__subclasses__() for found in all_errors(child))]


def test_every_code_in_the_code_base_has_a_page() -> None:
    spoken = spoken_codes()
    assert len(spoken) > 40
    assert {code: where for code, where in spoken.items() if code not in CODES} == {}


def test_no_page_is_about_a_code_that_nobody_speaks() -> None:
    named = {
        code for path in (PLATFORM / "api").glob("problem*.py") for code in re.findall(r'"([a-z_]+)"', path.read_text())
    }
    assert CODES.keys() - spoken_codes().keys() <= named


def test_the_pages_and_the_answers_agree_on_the_status() -> None:
    wrong = {
        error.code: (CODES[error.code].status, status_of(error.__new__(error)))
        for error in all_errors()
        if error.code in CODES and CODES[error.code].status not in {0, status_of(error.__new__(error))}
    }
    assert wrong == {}


@pytest.mark.parametrize("accept", [None, "*/*", "text/html,application/xhtml+xml,*/*;q=0.8"])
async def test_a_problem_has_a_page_for_people(house: House, accept: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer = await house.client.get("/problems/out_of_stock", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>Out of stock</h1>" in answer.text


async def test_a_problem_has_a_page_for_programs(house: House) -> None:
    answer = await house.client.get("/problems/out_of_stock", headers={"Accept": "application/json"})
    assert answer.json()["code"] == "out_of_stock"
    assert answer.json()["status"] == 409
    everything = (await house.client.get("/problems", headers={"Accept": "application/json"})).json()
    assert {entry["code"] for entry in everything} == CODES.keys()


async def test_the_type_of_a_problem_is_the_address_of_its_page(house: House, problem: Problem) -> None:
    found = problem(await house.client.get("/v1/jobs/x"))
    answer = await house.client.get(found["type"])
    assert (answer.status_code, found["title"] in answer.text) == (200, True)


async def test_an_unknown_problem_is_one_itself(house: House, problem: Problem) -> None:
    answer = await house.client.get("/problems/%3Cscript%3E")
    assert (answer.status_code, problem(answer)["code"]) == (404, "problem_unknown")
    assert "<script>" not in answer.headers["content-type"]


async def test_the_pages_need_nothing_from_outside(house: House) -> None:
    for path in ("/docs", "/docs/docs.js", "/docs/docs.css", "/problems", "/problems/not_found"):
        answer = await house.client.get(path)
        assert answer.status_code == 200
        assert "://" not in answer.text, path
        if answer.headers["content-type"].startswith("text/html"):
            assert "<script>" not in answer.text
            assert " style=" not in answer.text
            assert "script-src 'self'" in answer.headers["content-security-policy"]


async def test_the_front_door_leads_on(house: House) -> None:
    door = (await house.client.get("/")).json()
    for name in ("docs", "openapi", "health", "metrics", "problems"):
        assert (await house.client.get(door[name])).status_code == 200
