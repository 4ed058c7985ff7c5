"""What a tenant does about what is found in its texts."""

from domain.accounts.permissions import Role
from tests.api.conftest import House, Problem


async def test_a_tenant_says_what_is_done_and_another_is_as_before(house: House) -> None:
    assert (await house.as_(house.admin_key, "GET", "/v1/safety")).json() == {"injection": "flag", "unsafe": "flag"}
    wanted = {"injection": "block", "unsafe": "off"}
    answer = await house.as_(house.admin_key, "PUT", "/v1/safety", wanted)
    assert (answer.status_code, answer.json()) == (200, wanted)
    assert (await house.as_(house.admin_key, "GET", "/v1/safety")).json() == wanted
    assert (await house.stranger.get("/v1/safety")).json() == {"injection": "flag", "unsafe": "flag"}
    again = await house.as_(house.admin_key, "PUT", "/v1/safety", {"unsafe": "block"})
    assert again.json() == {"injection": "flag", "unsafe": "block"}


async def test_saying_the_same_again_leaves_no_entry(house: House) -> None:
    for _ in range(2):
        await house.as_(house.admin_key, "PUT", "/v1/safety", {"injection": "block"})
    assert [entry.act.action for entry in await house.acts()] == ["safety.changed"]


async def test_only_who_may_changes_it(house: House) -> None:
    user = await house.person(Role.USER)
    assert (await house.as_(user.key, "GET", "/v1/safety")).status_code == 200
    assert (await house.as_(user.key, "PUT", "/v1/safety", {"injection": "off"})).status_code == 403


async def test_an_unknown_detector_or_action_is_named(house: House, problem: Problem) -> None:
    for body, pointer in (({"injection": "delete"}, "/injection"), ({"malware": "flag"}, "/malware")):
        answer = await house.as_(house.admin_key, "PUT", "/v1/safety", body)
        assert answer.status_code == 422
        assert [error["pointer"] for error in problem(answer)["errors"]] == [pointer]
