"""GET /v1/me: the API tells its caller who it takes them for."""

import asyncio

from domain.accounts.permissions import Role
from tests.api.conftest import House, Problem
from tests.support.people import PASSWORD


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


async def change_password(house: House, shown: str, fresh: str) -> tuple[int, str]:
    given = {"current_password": PASSWORD, "new_password": fresh}
    answer = await house.as_(shown, "PUT", "/v1/me/password", given)
    return answer.status_code, answer.json()["code"] if answer.content else ""


async def test_a_new_password_that_will_not_do_is_no_failed_login(house: House) -> None:
    ada = await house.person(Role.USER)
    for _ in range(11):
        assert await change_password(house, ada.key, "short") == (422, "password_weak")
    await house.log_in(ada)


async def test_of_two_who_change_a_password_at_once_the_second_learns_that_it_is_another_by_now(house: House) -> None:
    ada = await house.person(Role.USER)
    chosen = ["herons wait for the rain", "a lighthouse under the snow"]
    told = await asyncio.gather(*(change_password(house, ada.key, fresh) for fresh in chosen))
    assert sorted(told) == [(204, ""), (403, "password_wrong")]
    await house.log_in(ada, chosen[told.index((204, ""))])
