"""Managing users: nobody gives, or rules over, more than they have themselves."""

from typing import Any

import pytest

from domain.accounts.permissions import Role
from runtime.unique_ids import new_id
from tests.api.conftest import House, Problem
from tests.support.people import PASSWORD

JSON = {"Content-Type": "application/json"}
ANNE: dict[str, Any] = {"email": "anne@example.com", "name": "Anne", "role": "operator", "password": PASSWORD}


async def test_a_user_is_made_shown_listed_and_logs_in(house: House) -> None:
    admin = await house.person(Role.ADMIN)
    made = await house.as_(admin.key, "POST", "/v1/users", ANNE)
    assert made.status_code == 201, made.text
    anne = made.json()
    assert made.headers["location"] == f"/v1/users/{anne['id']}"
    assert (await house.as_(admin.key, "GET", made.headers["location"])).json() == anne
    listed = (await house.as_(admin.key, "GET", "/v1/users?limit=1")).json()
    assert listed["items"] == [anne]
    rest = (await house.as_(admin.key, "GET", f"/v1/users?cursor={listed['next_cursor']}")).json()
    assert admin.id in {user["id"] for user in rest["items"]}
    found = await house.as_(admin.key, "GET", "/v1/users?email=ANNE@example.com&role=operator&state=active")
    assert [user["id"] for user in found.json()["items"]] == [anne["id"]]
    answer = await house.ask_tokens(grant_type="password", username="anne@example.com", password=PASSWORD)
    assert answer.status_code == 200


async def test_a_user_made_again_with_the_same_key_is_the_same_user(house: House, problem: Problem) -> None:
    once = {"headers": {"Idempotency-Key": "anne"}}
    first = await house.as_(house.admin_key, "POST", "/v1/users", ANNE, **once)
    again = await house.as_(house.admin_key, "POST", "/v1/users", ANNE, **once)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    other = await house.as_(house.admin_key, "POST", "/v1/users", {**ANNE, "name": "Bob"}, **once)
    assert problem(other)["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"email": "x"}, "/email"),
        ({"email": None}, "/email"),
        ({"role": "root"}, "/role"),
        ({"password": "password1234"}, "/password"),
        ({"tenant_id": "tenant_" + "0" * 32}, "/tenant_id"),
        ({"permissions": ["users:manage"]}, "/permissions"),
        ({"password_hash": "x"}, "/password_hash"),
    ],
)
async def test_a_user_that_will_not_do_is_refused_by_its_field(
    house: House, problem: Problem, body: dict[str, object], pointer: str
) -> None:
    answer = await house.as_(house.admin_key, "POST", "/v1/users", {**ANNE, **body})
    assert answer.status_code == 422
    assert [error["pointer"] for error in problem(answer)["errors"]] == [pointer]


async def test_another_tenants_users_are_not_there(house: House, problem: Problem) -> None:
    stranger = await house.person(Role.USER, tenant_id=new_id("tenant"))
    absent = new_id("user")
    for method, path, body in (
        ("GET", "/v1/users/{}", None),
        ("PATCH", "/v1/users/{}", {"name": "x"}),
        ("POST", "/v1/users/{}/disable", {}),
        ("POST", "/v1/users/{}/enable", None),
        ("POST", "/v1/users/{}/ban", {}),
        ("POST", "/v1/users/{}/unban", None),
        ("PUT", "/v1/users/{}/password", {"password": PASSWORD}),
    ):
        told = [
            problem(await house.as_(house.admin_key, method, path.format(one), body))
            for one in (stranger.id, absent, "x")
        ]
        assert {(one["status"], one["code"], one["detail"]) for one in told} == {
            (404, "user_not_found", "There is no such user.")
        }
    listed = (await house.as_(house.admin_key, "GET", "/v1/users")).json()["items"]
    assert stranger.id not in {user["id"] for user in listed}


@pytest.mark.parametrize("how", ["disable", "ban"])
async def test_who_is_shut_out_enters_by_nothing_and_returns_when_let_in(house: House, how: str) -> None:
    ada = await house.person(Role.USER)
    tokens = await house.log_in(ada)
    for shown in (ada.key, tokens["access_token"]):
        assert (await house.as_(shown, "GET", "/v1/me")).status_code == 200
    answer = await house.as_(house.admin_key, "POST", f"/v1/users/{ada.id}/{how}", {"reason": "spam"})
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["state_reason"]) == (f"{how}d".replace("band", "banned"), "spam")
    for shown in (ada.key, tokens["access_token"]):
        assert (await house.as_(shown, "GET", "/v1/me")).status_code == 401
    assert (
        await house.ask_tokens(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    ).status_code == 400
    assert (await house.ask_tokens(grant_type="password", username=ada.email, password=PASSWORD)).status_code == 400
    other = {"disable": "unban", "ban": "enable"}[how]
    assert (await house.as_(house.admin_key, "POST", f"/v1/users/{ada.id}/{other}")).status_code == 409
    back = {"disable": "enable", "ban": "unban"}[how]
    for _ in range(2):
        assert (await house.as_(house.admin_key, "POST", f"/v1/users/{ada.id}/{back}")).json()["state"] == "active"
    assert (await house.as_(ada.key, "GET", "/v1/me")).status_code == 200
    assert (await house.as_(tokens["access_token"], "GET", "/v1/me")).status_code == 401
    await house.log_in(ada)


@pytest.mark.parametrize(("how", "state"), [("disable", "disabled"), ("ban", "banned")])
async def test_who_says_no_reason_sends_no_body(house: House, problem: Problem, how: str, state: str) -> None:
    ada = await house.person(Role.USER)
    path = f"/v1/users/{ada.id}/{how}"
    nothing = problem(await house.as_(house.admin_key, "POST", path, content=b"null", headers=JSON))
    assert (nothing["status"], nothing["code"]) == (422, "body_invalid")
    unsaid = await house.as_(house.admin_key, "POST", path, content=b"{}")
    assert problem(unsaid)["code"] == "media_type_unsupported"
    answer = await house.as_(house.admin_key, "POST", path)
    assert (answer.status_code, answer.json()["state"], answer.json()["state_reason"]) == (200, state, None)


async def test_a_new_role_holds_at_once_for_tokens_and_keys(house: House) -> None:
    ada = await house.person(Role.OPERATOR)
    token = (await house.log_in(ada))["access_token"]
    for shown in (ada.key, token):
        assert (await house.as_(shown, "POST", "/v1/queues/text/resume")).status_code == 200
    changed = await house.as_(house.admin_key, "PATCH", f"/v1/users/{ada.id}", {"role": "viewer"})
    assert (changed.status_code, changed.json()["role"]) == (200, "viewer")
    for shown in (ada.key, token):
        assert (await house.as_(shown, "POST", "/v1/queues/text/resume")).status_code == 403
        assert (await house.as_(shown, "GET", "/v1/jobs")).status_code == 200


async def test_nobody_changes_their_own_role_or_shuts_themselves_out(house: House, problem: Problem) -> None:
    admin = await house.person(Role.ADMIN)
    for method, path, body in (
        ("PATCH", "", {"role": "viewer"}),
        ("POST", "/disable", {}),
        ("POST", "/ban", {}),
        ("PUT", "/password", {"password": PASSWORD}),
    ):
        answer = await house.as_(admin.key, method, f"/v1/users/{admin.id}{path}", body)
        assert (answer.status_code, problem(answer)["code"]) == (409, "own_account"), path
    renamed = await house.as_(admin.key, "PATCH", f"/v1/users/{admin.id}", {"name": "Me"})
    assert renamed.json()["name"] == "Me"


async def test_who_manages_users_with_little_else_makes_no_administrators(house: House, problem: Problem) -> None:
    """Neither by making one, nor by raising one, nor by taking one over."""
    admin, user = await house.person(Role.ADMIN), await house.person(Role.USER)
    clerk = await house.key(permissions=("users:manage", "users:read", "users:ban", "keys:manage"))
    for method, path, body in (
        ("POST", "/v1/users", ANNE | {"role": "admin"}),
        ("PATCH", f"/v1/users/{user.id}", {"role": "admin"}),
        ("PATCH", f"/v1/users/{admin.id}", {"role": "viewer"}),
        ("PUT", f"/v1/users/{admin.id}/password", {"password": PASSWORD}),
        ("POST", f"/v1/users/{admin.id}/disable", {}),
        ("POST", f"/v1/users/{admin.id}/ban", {}),
        ("POST", "/v1/api-keys", {"name": "x", "scopes": ["orders:manage"]}),
        ("POST", "/v1/api-keys", {"name": "x", "scopes": [], "user_id": admin.id}),
        ("PUT", "/v1/roles/viewer/permissions", {"permissions": ["orders:manage"]}),
        ("PUT", "/v1/roles/viewer/permissions", {"permissions": []}),
        ("POST", f"/v1/api-keys/{admin.key_id}/rotate", {}),
    ):
        answer = await house.as_(clerk, method, path, body)
        assert (answer.status_code, problem(answer)["code"]) == (403, "permission_beyond"), (method, path)


async def test_moderators_ban_users_and_not_each_other(house: House, problem: Problem) -> None:
    moderator, other, user, admin = [
        await house.person(role) for role in (Role.MODERATOR, Role.MODERATOR, Role.USER, Role.ADMIN)
    ]
    for shut_out in (other, admin):
        answer = await house.as_(moderator.key, "POST", f"/v1/users/{shut_out.id}/ban", {})
        assert (answer.status_code, problem(answer)["code"]) == (403, "permission_missing")
    assert (await house.as_(moderator.key, "POST", f"/v1/users/{user.id}/ban", {})).status_code == 200
    assert (await house.as_(moderator.key, "POST", f"/v1/users/{user.id}/unban")).status_code == 200
    assert (await house.as_(moderator.key, "POST", f"/v1/users/{user.id}/disable", {})).status_code == 403


async def test_a_password_that_was_reset_opens_and_the_sessions_of_the_old_have_ended(house: House) -> None:
    ada = await house.person(Role.USER)
    old = await house.log_in(ada)
    fresh = "a heron waits for rain"
    answer = await house.as_(house.admin_key, "PUT", f"/v1/users/{ada.id}/password", {"password": fresh})
    assert answer.status_code == 204
    assert (await house.as_(old["access_token"], "GET", "/v1/me")).status_code == 401
    assert (await house.ask_tokens(grant_type="password", username=ada.email, password=PASSWORD)).status_code == 400
    await house.log_in(ada, fresh)


async def test_ones_own_password_takes_the_old_one(house: House, problem: Problem) -> None:
    ada = await house.person(Role.USER)
    token = (await house.log_in(ada))["access_token"]
    fresh = "a heron waits for rain"
    body = {"current_password": "not this one, no", "new_password": fresh}
    answer = await house.as_(token, "PUT", "/v1/me/password", body)
    assert (answer.status_code, problem(answer)["code"]) == (403, "password_wrong")
    weak = await house.as_(
        token, "PUT", "/v1/me/password", {"current_password": PASSWORD, "new_password": "password1234"}
    )
    assert [error["pointer"] for error in problem(weak)["errors"]] == ["/new_password"]
    body["current_password"] = PASSWORD
    assert (await house.as_(token, "PUT", "/v1/me/password", body)).status_code == 204
    assert (await house.as_(token, "GET", "/v1/me")).status_code == 401
    await house.log_in(ada, fresh)
