"""API keys over HTTP: shown once, narrowed, rotated with an overlap, revoked."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from api.key_ring import KeyRing
from domain.accounts.permissions import ROLE_PERMISSIONS, Role
from domain.errors import Unauthenticated
from runtime.unique_ids import new_id
from tests.api.conftest import House, Problem

NEW: dict[str, Any] = {"name": "reports", "scopes": ["jobs:read"]}


async def test_a_key_is_shown_once_and_does_what_its_scopes_say(house: House) -> None:
    ada = await house.person(Role.USER)
    made = await house.as_(ada.key, "POST", "/v1/api-keys", NEW | {"requests_per_minute": 7})
    assert made.status_code == 201, made.text
    assert made.headers["cache-control"] == "no-store"
    key = made.json()["key"]
    assert key.startswith(f"hr_{made.json()['public_id']}_")
    assert (await house.as_(key, "GET", "/v1/jobs")).headers["ratelimit-policy"] == '"default";q=7;w=60'
    assert (await house.as_(key, "POST", "/v1/jobs", {})).status_code == 403
    shown = await house.as_(ada.key, "GET", made.headers["location"])
    listed = await house.as_(ada.key, "GET", "/v1/api-keys")
    assert shown.json() in listed.json()["items"]
    assert key not in shown.text + listed.text
    assert shown.json()["scopes"] == ["jobs:read"]
    assert shown.json()["last_used_at"] is not None


async def test_a_new_key_is_shown_with_all_that_is_shown_of_it_later(house: House) -> None:
    made = (await house.client.post("/v1/api-keys", json={"name": "reports"})).json()
    rotated = (await house.client.post(f"/v1/api-keys/{made['id']}/rotate")).json()
    for new in (made, rotated):
        shown = (await house.client.get(f"/v1/api-keys/{new['id']}")).json()
        assert set(new) == {*shown, "key", "replaces", "replaced_expires_at"}
        assert {name: new[name] for name in shown} | {"expires_at": shown["expires_at"]} == shown
    assert (made["is_live"], made["revoked_at"], made["last_used_at"]) == (True, None, None)


async def test_without_scopes_a_key_may_do_nothing(house: House) -> None:
    made = (await house.as_(house.admin_key, "POST", "/v1/api-keys", {"name": "idle"})).json()
    assert (made["scopes"], made["requests_per_minute"]) == ([], 600)
    assert (await house.as_(made["key"], "GET", "/v1/me")).json()["permissions"] == []


async def test_a_request_sent_again_is_answered_without_the_key(house: House) -> None:
    once = {"headers": {"Idempotency-Key": "k"}}
    first = (await house.as_(house.admin_key, "POST", "/v1/api-keys", NEW, **once)).json()
    again = await house.as_(house.admin_key, "POST", "/v1/api-keys", NEW, **once)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == {**first, "key": None}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"scopes": ["everything"]}, "/scopes/0"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-12:00"}, "/expires_at"),
        ({"requests_per_minute": 0}, "/requests_per_minute"),
        ({"user_id": "me"}, "/user_id"),
        ({"public_id": "AAAAAAAA"}, "/public_id"),
        ({"permissions": ["users:manage"]}, "/permissions"),
        ({"tenant_id": "x"}, "/tenant_id"),
    ],
)
async def test_a_key_that_will_not_do_is_refused_by_its_field(
    house: House, problem: Problem, body: dict[str, object], pointer: str
) -> None:
    answer = await house.as_(house.admin_key, "POST", "/v1/api-keys", NEW | body)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in problem(answer)["errors"]] == [pointer]


async def test_a_key_carries_no_more_than_its_maker_has(house: House, problem: Problem) -> None:
    ada = await house.person(Role.USER)
    answer = await house.as_(ada.key, "POST", "/v1/api-keys", NEW | {"scopes": ["jobs:read", "users:manage"]})
    assert (answer.status_code, problem(answer)["code"]) == (403, "permission_beyond")
    token = (await house.log_in(ada))["access_token"]
    for shown, per_minute in ((token, 601), (ada.key, 100_001)):
        answer = await house.as_(shown, "POST", "/v1/api-keys", NEW | {"requests_per_minute": per_minute})
        assert answer.status_code == 403
    other = await house.person(Role.USER)
    assert (await house.as_(ada.key, "POST", "/v1/api-keys", NEW | {"user_id": other.id})).status_code == 403


async def test_users_see_their_own_keys_and_who_manages_users_sees_all(house: House, problem: Problem) -> None:
    ada, bob = await house.person(Role.USER), await house.person(Role.USER)
    stranger = await house.person(Role.ADMIN, tenant_id=new_id("tenant"))
    for who in (ada.key, stranger.key):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate")):
            body: dict[str, str] | None = {} if path else None
            told = problem(await house.as_(who, method, f"/v1/api-keys/{bob.key_id}{path}", body))
            assert (told["status"], told["code"]) == (404, "api_key_not_found")
        assert bob.key_id not in (await house.as_(who, "GET", "/v1/api-keys")).text
    assert (await house.as_(ada.key, "GET", f"/v1/api-keys?user_id={bob.id}")).status_code == 403
    listed = (await house.as_(house.admin_key, "GET", f"/v1/api-keys?user_id={bob.id}")).json()["items"]
    assert [key["id"] for key in listed] == [bob.key_id]
    made = await house.as_(house.admin_key, "POST", "/v1/api-keys", NEW | {"user_id": bob.id})
    assert (await house.as_(made.json()["key"], "GET", "/v1/me")).json()["user_id"] == bob.id


async def test_a_rotated_key_opens_beside_the_new_one_until_the_overlap_is_over(house: House, problem: Problem) -> None:
    ada = await house.person(Role.USER)
    answer = await house.as_(ada.key, "POST", f"/v1/api-keys/{ada.key_id}/rotate", {"overlap": "1h"})
    assert answer.status_code == 201, answer.text
    fresh = answer.json()
    assert (fresh["replaces"], fresh["name"]) == (ada.key_id, "for tests")
    assert set(fresh["scopes"]) == ROLE_PERMISSIONS[Role.USER]
    for key in (ada.key, fresh["key"]):
        assert (await house.as_(key, "GET", "/v1/me")).status_code == 200
    again = await house.as_(fresh["key"], "POST", f"/v1/api-keys/{fresh['id']}/rotate", {"overlap": "0s"})
    assert (await house.as_(fresh["key"], "GET", "/v1/me")).status_code == 401
    assert (await house.as_(again.json()["key"], "GET", "/v1/me")).status_code == 200
    dead = await house.as_(ada.key, "POST", f"/v1/api-keys/{fresh['id']}/rotate", {})
    assert (dead.status_code, problem(dead)["code"]) == (409, "api_key_dead")
    for overlap in ("soon", "31d", "721h", "-1h"):
        answer = await house.as_(ada.key, "POST", f"/v1/api-keys/{ada.key_id}/rotate", {"overlap": overlap})
        assert [error["pointer"] for error in problem(answer)["errors"]] == ["/overlap"]


async def test_a_key_is_rotated_without_a_body_by_the_usual_overlap(house: House) -> None:
    ada = await house.person(Role.USER)
    answer = await house.as_(ada.key, "POST", f"/v1/api-keys/{ada.key_id}/rotate")
    assert answer.status_code == 201, answer.text
    left = datetime.fromisoformat(answer.json()["replaced_expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24)


async def test_a_revoked_key_opens_nothing_and_is_revoked_once(house: House) -> None:
    ada = await house.person(Role.USER)
    assert (await house.as_(ada.key, "GET", "/v1/me")).status_code == 200
    for _ in range(2):
        answer = await house.as_(house.admin_key, "DELETE", f"/v1/api-keys/{ada.key_id}")
        assert (answer.status_code, answer.content) == (204, b"")
    assert (await house.as_(ada.key, "GET", "/v1/me")).status_code == 401
    assert [entry.act.action for entry in await house.acts()] == ["key.revoked"]


async def test_a_key_that_is_revoked_while_it_is_looked_up_is_not_remembered(house: House) -> None:
    ada, ring = await house.person(Role.USER), KeyRing(house.database, user_requests_per_minute=600)
    async with house.database.begin() as tx:
        # its first use, which is to be noted, waits for this
        await tx.execute(text("UPDATE api_keys SET revoked_at = now() WHERE id = :id"), {"id": ada.key_id})
        late = asyncio.create_task(ring.caller(ada.key))
        async with house.database.read() as other:
            waiting = (
                "SELECT true FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            while not (await other.execute(text(waiting))).all():
                await asyncio.sleep(0.01)
        ring.forget()
    assert (await late).key_id == ada.key_id
    with pytest.raises(Unauthenticated):
        await ring.caller(ada.key)


async def test_who_manages_keys_rules_over_none_of_those_who_may_do_more(house: House, problem: Problem) -> None:
    admin, user = await house.person(Role.ADMIN), await house.person(Role.USER)
    clerk = await house.key(permissions=(*ROLE_PERMISSIONS[Role.USER], "users:manage"))
    theirs = (await house.as_(admin.key, "POST", "/v1/api-keys", NEW)).json()
    for method, path in (("POST", f"/v1/api-keys/{theirs['id']}/rotate"), ("DELETE", f"/v1/api-keys/{theirs['id']}")):
        answer = await house.as_(clerk, method, path, {} if method == "POST" else None)
        assert (answer.status_code, problem(answer)["code"]) == (403, "permission_beyond")
    assert (await house.as_(theirs["key"], "GET", "/v1/me")).status_code == 200
    assert (await house.as_(clerk, "POST", f"/v1/api-keys/{user.key_id}/rotate", {})).status_code == 201
    assert (await house.as_(clerk, "DELETE", f"/v1/api-keys/{user.key_id}")).status_code == 204


async def test_an_expired_key_opens_nothing(house: House) -> None:
    made = (
        await house.as_(house.admin_key, "POST", "/v1/api-keys", NEW | {"expires_at": "2031-01-01T00:00:00Z"})
    ).json()
    assert made["expires_at"] == "2031-01-01T00:00:00Z"
    async with house.database.begin() as tx:
        await tx.execute(text("UPDATE api_keys SET expires_at = now() WHERE id = :id"), {"id": made["id"]})
    assert (await house.as_(made["key"], "GET", "/v1/jobs")).status_code == 401


async def test_a_user_has_so_many_live_keys(house: House, problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.api_keys.routes.MOST_LIVE", 2)
    ada = await house.person(Role.USER)
    second = (await house.as_(ada.key, "POST", "/v1/api-keys", NEW)).json()
    answer = await house.as_(ada.key, "POST", "/v1/api-keys", NEW)
    assert (answer.status_code, problem(answer)["code"]) == (409, "api_keys_full")
    await house.as_(ada.key, "DELETE", f"/v1/api-keys/{second['id']}")
    assert (await house.as_(ada.key, "POST", "/v1/api-keys", NEW)).status_code == 201


async def test_who_has_as_many_keys_as_may_be_rotates_one_at_a_time(
    house: House, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.api_keys.routes.MOST_LIVE", 2)
    ada = await house.person(Role.USER)
    second = (await house.as_(ada.key, "POST", "/v1/api-keys", NEW)).json()
    fresh = await house.as_(ada.key, "POST", f"/v1/api-keys/{second['id']}/rotate", {"overlap": "1h"})
    assert fresh.status_code == 201
    # while both open neither is rotated again: nobody gathers keys so
    for key_id in (second["id"], fresh.json()["id"]):
        answer = await house.as_(ada.key, "POST", f"/v1/api-keys/{key_id}/rotate", {"overlap": "1h"})
        assert (answer.status_code, problem(answer)["code"]) == (409, "api_keys_full")
    await house.as_(ada.key, "DELETE", f"/v1/api-keys/{second['id']}")
    for _ in range(3):
        fresh = await house.as_(ada.key, "POST", f"/v1/api-keys/{fresh.json()['id']}/rotate", {"overlap": "0s"})
        assert fresh.status_code == 201
