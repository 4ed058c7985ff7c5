"""Who calls: keys in two spellings, what each may do, how often."""

import httpx
import pytest
from sqlalchemy import text

import api.auth
from api.app import ROUTERS, VISITORS
from api.limits import Limiter
from domain.accounts.permissions import PERMISSIONS
from tests.api.conftest import SUMMARIZE, House, Problem


async def test_a_key_opens_in_either_spelling(house: House) -> None:
    key = await house.key(permissions=("jobs:read",))
    for headers in ({"Authorization": f"Bearer {key}"}, {"Authorization": f"bearer  {key} "}, {"X-API-Key": key}):
        del house.client.headers["authorization"]
        answer = await house.client.get("/v1/jobs", headers=headers)
        house.client.headers["authorization"] = "Bearer x"
        assert answer.status_code == 200, headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic aGVsbG8="},
        {"Authorization": "Bearer hr_short"},
        {"Authorization": "Bearer \xff\xfe"},
        {"Authorization": "Bearer " + "x" * 10_000},
        {"X-API-Key": ""},
        {"X-API-Key": "hr_AAAAAAAA_" + "A" * 38},
    ],
)
async def test_without_a_key_nobody_enters(house: House, problem: Problem, headers: dict[str, str]) -> None:
    del house.client.headers["authorization"]
    answer = await house.client.get(
        "/v1/jobs", headers=[(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    )
    assert (answer.status_code, problem(answer)["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, ""),
        ({"Authorization": "Bearer"}, ""),
        ({"Authorization": "Basic aGVsbG8="}, ""),
        ({"Authorization": "Bearer hr_short"}, ', error="invalid_token"'),
        ({"X-API-Key": "hr_AAAAAAAA_" + "A" * 38}, ', error="invalid_token"'),
    ],
)
async def test_who_showed_a_key_that_opens_nothing_is_told_so_by_the_standard_name(
    house: House, headers: dict[str, str], refused: str
) -> None:
    del house.client.headers["authorization"]
    answer = await house.client.get("/v1/jobs", headers=headers)
    assert answer.headers["www-authenticate"] == 'Bearer realm="headrace"' + refused


async def test_an_event_token_that_opens_nothing_is_refused_by_the_standard_name(house: House) -> None:
    del house.client.headers["authorization"]
    answer = await house.client.get("/v1/events?token=hrt_no")
    assert answer.headers["www-authenticate"] == 'Bearer realm="headrace", error="invalid_token"'


async def test_a_well_spelled_key_of_nobody_does_not_open(house: House, problem: Problem) -> None:
    known = await house.key(permissions=tuple(PERMISSIONS))
    async with house.database.begin() as tx:
        await tx.execute(text("UPDATE api_keys SET revoked_at = now()"))
    answer = await house.client.get("/v1/jobs", headers={"Authorization": f"Bearer {known}"})
    assert (answer.status_code, problem(answer)["code"]) == (401, "unauthenticated")


async def test_the_key_is_asked_for_before_the_body_is_looked_at(house: House) -> None:
    answer = await house.client.post("/v1/jobs", content=b"{", headers={"Authorization": "Bearer x"})
    assert answer.status_code == 401


async def test_every_route_demands_a_permission_that_exists(house: House, problem: Problem) -> None:
    key = await house.key()
    description = (await house.client.get("/schema/openapi.json")).json()
    operations = [
        (path, method, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/v1")
    ]
    assert len(operations) > 20
    for path, method, operation in operations:
        if path.startswith("/v1/me"):
            continue  # whoever has a key may hear whose it is, and change their own password
        if not operation["security"]:
            continue  # for those who have no key yet
        assert operation["x-permissions"], path
        assert set(operation["x-permissions"]) <= PERMISSIONS.keys(), path
        for given, status in ((f"Bearer {key}", 403), ("Bearer x", 401)):
            answer = await house.client.request(method, path, headers={"Authorization": given})
            assert problem(answer)["status"] == status, (method, path)


async def test_nothing_under_v1_is_left_out_of_the_routers() -> None:
    assert all(router.path.startswith("/v1") for router in (*ROUTERS, *VISITORS))


async def test_a_key_has_so_many_requests_a_minute_and_is_told_how_many_are_left(
    house: House, problem: Problem
) -> None:
    key = await house.key(permissions=("jobs:read",), per_minute=3)

    async def ask() -> httpx.Response:
        return await house.client.get("/v1/jobs", headers={"Authorization": f"Bearer {key}"})

    for left in (2, 1, 0):
        answer = await ask()
        assert answer.status_code == 200
        assert answer.headers["ratelimit-policy"] == '"default";q=3;w=60'
        assert answer.headers["ratelimit"].startswith(f'"default";r={left};t=')
    answer = await ask()
    assert (answer.status_code, problem(answer)["code"]) == (429, "rate_limited")
    assert 15 <= int(answer.headers["retry-after"]) <= 20
    assert answer.headers["ratelimit"].startswith('"default";r=0;t=')
    assert (await house.client.get("/v1/jobs")).status_code == 200


async def test_every_answer_under_v1_tells_the_limit(house: House) -> None:
    for path in ("/v1/nowhere", "/v1/jobs/x"):
        assert "ratelimit" in (await house.client.get(path)).headers
    assert "ratelimit" in (await house.client.post("/v1/jobs", content=b"x")).headers
    assert "ratelimit" in (await house.client.post("/v1/jobs", json=SUMMARIZE)).headers


async def test_who_tries_keys_in_vain_is_slowed_down(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.auth, "ANONYMOUS_PER_MINUTE", 2)
    tried = [await house.client.get("/v1/jobs", headers={"Authorization": "Bearer x"}) for _ in range(3)]
    assert [answer.status_code for answer in tried] == [401, 401, 429]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_requests_may_come_at_once_and_grow_back_one_by_one() -> None:
    clock = Clock()
    limiter = Limiter("default", clock)
    for left in range(5, -1, -1):
        standing, wait = limiter.take("a", 6)
        assert (standing.remaining, wait) == (left, 0)
    standing, wait = limiter.take("a", 6)
    assert (standing.remaining, standing.reset_seconds) == (0, 60)
    assert wait == pytest.approx(10)
    clock.now += 10
    assert limiter.take("a", 6)[1] == 0
    assert limiter.take("a", 6)[1] > 0
    assert limiter.take("b", 6)[1] == 0
    clock.now += 60
    assert limiter.look("a", 6).remaining == 6
