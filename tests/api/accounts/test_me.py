"""GET /v1/me: the API tells its caller who it takes them for."""

from tests.api.conftest import House, Problem


async def test_a_caller_learns_who_they_are_and_what_they_may(house: House) -> None:
    key = await house.key(permissions=("jobs:submit", "jobs:read"), per_minute=77)
    answer = await house.client.get("/v1/me", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    found = answer.json()
    assert found.pop("user_id").startswith("user_")
    assert found.pop("key_id").startswith("key_")
    assert found.pop("email").endswith("@example.com")
    assert found == {
        "name": "",
        "role": "admin",
        "session_id": None,
        "tenant_id": house.tenant_id,
        "permissions": ["jobs:read", "jobs:submit"],
        "limits": {"requests_per_minute": 77},
    }


async def test_a_caller_who_may_do_nothing_still_learns_it(house: House) -> None:
    answer = await house.client.get("/v1/me", headers={"Authorization": f"Bearer {await house.key()}"})
    assert (answer.status_code, answer.json()["permissions"]) == (200, [])


async def test_who_shows_no_key_is_nobody(house: House, problem: Problem) -> None:
    answer = await house.client.get("/v1/me", headers={"Authorization": ""})
    assert (answer.status_code, problem(answer)["code"]) == (401, "unauthenticated")
