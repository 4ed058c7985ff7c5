"""Crafted bodies, headers, URLs and framing over every operation: no 5xx, and each refusal a problem.

A part of what `headrace fuzz corpus` sends, which is some thousand times as much.
"""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.api.conftest import House
from tests.fuzz.crafted import Crafted, craft, craft_wrong, first
from tests.fuzz.things import make_things
from tests.fuzz.wire import Answer, ask, faults

AT_ONCE = 8
Given = dict[str, Any]


async def asked(address: str, crafted: list[Crafted]) -> list[tuple[Crafted, Answer]]:
    lanes = asyncio.Semaphore(AT_ONCE)

    async def one(request: Crafted) -> tuple[Crafted, Answer]:
        async with lanes:
            return request, await asyncio.to_thread(ask, address, request)

    return await asyncio.gather(*map(one, crafted))


@pytest.fixture
async def given(house: House) -> Given:
    return {
        "description": (await house.client.get("/schema/openapi.json")).json(),
        "key": house.client.headers["authorization"].removeprefix("Bearer "),
        "ids": await make_things(house.client),
    }


async def test_whatever_is_crafted_is_answered_and_never_with_a_fault_of_ours(
    house: House, address: str, given: Given
) -> None:
    with capture_logs() as lines:
        answers = await asked(address, first(craft(**given, seed=1), 450))
    broken = [f"{request.name}: {fault}" for request, answer in answers for fault in faults(request, answer)]
    assert not broken, "\n".join(broken[:20])
    assert not [line for line in lines if line["event"] == "request.failed"]
    statuses = Counter(answer.status for _, answer in answers)
    assert len(statuses.keys() & {200, 400, 404, 405, 415, 422}) == 6, statuses
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{address}/health/live")).status_code == 200


async def test_where_several_fields_are_wrong_all_of_them_are_named(address: str, given: Given) -> None:
    wanted = craft_wrong(**given)
    assert len(wanted) > 10
    answers = await asked(address, wanted)
    broken = [f"{request.name}: {fault}" for request, answer in answers for fault in faults(request, answer)]
    assert not broken, "\n".join(broken)
    assert {answer.status for _, answer in answers} == {422}
