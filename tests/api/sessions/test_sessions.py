"""Registering, logging in, refreshing, logging out. Long because each is asked wrongly in many ways."""

import asyncio
from collections.abc import Mapping

import httpx
import pytest
from sqlalchemy import text

import api.auth
from api.limits import SharedLimiter
from domain.accounts.permissions import ROLE_PERMISSIONS, Role
from domain.accounts.token import TokenUse, make_token
from storage.accounts import add_tenant
from tests.api.conftest import SUMMARIZE, House, Problem
from tests.support.people import PASSWORD


async def oauth(answer: httpx.Response, problem: Problem) -> tuple[int, str, str]:
    found = problem(answer)
    return answer.status_code, found["code"], found["error"]


async def register(house: House, **body: object) -> httpx.Response:
    given = {"email": "ada@example.com", "password": PASSWORD, **body}
    return await house.client.post("/v1/auth/register", json=given, headers={"Authorization": ""})


@pytest.fixture
async def open_tenant(house: House) -> str:
    async with house.database.begin() as tx:
        await add_tenant(tx, house.tenant_id, "Development")
        await tx.execute(text("UPDATE tenants SET name = 'Development' WHERE id = :id"), {"id": house.tenant_id})
    return house.tenant_id


async def test_who_registers_may_log_in_and_do_what_users_may(house: House, open_tenant: str) -> None:
    answer = await register(house, name="Ada")
    assert answer.status_code == 201, answer.text
    user = answer.json()
    assert (user["tenant_id"], user["role"], user["state"]) == (open_tenant, "user", "active")
    assert "password" not in answer.text.replace("has_password", "")
    answer = await house.ask_tokens(grant_type="password", username="ADA@example.com", password=PASSWORD)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 1800)
    assert set(tokens["scope"].split()) == ROLE_PERMISSIONS[Role.USER]
    me = (await house.as_(tokens["access_token"], "GET", "/v1/me")).json()
    assert (me["user_id"], me["email"], me["key_id"]) == (user["id"], "ada@example.com", None)
    assert (await house.as_(tokens["access_token"], "POST", "/v1/jobs", SUMMARIZE)).status_code == 202
    [entry] = await house.acts()
    assert (entry.act.action, entry.act.target, entry.actor.user_id) == ("user.registered", user["id"], user["id"])


@pytest.mark.usefixtures("open_tenant")
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"email": "nobody"}, "/email"),
        ({"email": "a..b@example.com"}, "/email"),
        ({"password": "short"}, "/password"),
        ({"password": "x" * 129}, "/password"),
        ({"password": "password1234"}, "/password"),
        ({"email": "lovelace@example.com", "password": "lovelace2024!"}, "/password"),
        ({"role": "admin"}, "/role"),
        ({"tenant_id": "tenant_" + "0" * 32}, "/tenant_id"),
        ({"state": "active"}, "/state"),
        ({"id": "user_" + "0" * 32}, "/id"),
    ],
)
async def test_a_registration_that_will_not_do_names_its_field(
    house: House, problem: Problem, body: dict[str, object], pointer: str
) -> None:
    answer = await register(house, **body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in problem(answer)["errors"]] == [pointer]


async def test_an_address_that_is_somebodys_is_not_registered_again(
    house: House, open_tenant: str, problem: Problem
) -> None:
    del open_tenant
    assert (await register(house)).status_code == 201
    answer = await register(house, email="ADA@EXAMPLE.COM")
    assert (answer.status_code, problem(answer)["code"]) == (409, "email_taken")


async def test_where_no_tenant_is_open_nobody_registers(house: House, problem: Problem) -> None:
    answer = await register(house)
    assert (answer.status_code, problem(answer)["code"]) == (403, "registration_closed")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"scope": "jobs:read"}, "invalid_request"),
        ({"grant_type": "password"}, "invalid_request"),
        ({"grant_type": "password", "username": "x", "password": ""}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "password", "username": "x@example.com", "password": PASSWORD}, "invalid_grant"),
        ({"grant_type": "password", "username": "x", "password": "y" * 10_000}, "invalid_grant"),
        ({"grant_type": "password", "username": "x", "password": "y", "scope": "everything"}, "invalid_scope"),
        ({"grant_type": "refresh_token", "refresh_token": "hrr_x"}, "invalid_grant"),
        (
            {"grant_type": "refresh_token", "refresh_token": str(make_token(TokenUse.REFRESH, bytes(40)))},
            "invalid_grant",
        ),
        (
            {"grant_type": "refresh_token", "refresh_token": str(make_token(TokenUse.ACCESS, bytes(40)))},
            "invalid_grant",
        ),
    ],
)
async def test_a_token_request_that_will_not_do_says_so_as_oauth_does(
    house: House, problem: Problem, form: dict[str, str], error: str
) -> None:
    answer = await house.ask_tokens(**form)
    assert answer.status_code == 400
    assert problem(answer)["error"] == error


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b'{"grant_type": "password"}', "application/json", 415),
        (b"grant_type=password", "", 415),
        (b"grant_type=password", "application/x-www-form-urlencoded; charset=latin1", 415),
        (b"grant_type=password&grant_type=password", "application/x-www-form-urlencoded", 400),
        (b"grant_type=password&username=%00&password=x", "application/x-www-form-urlencoded", 400),
        (b"grant_type=password&username=%ff&password=x", "application/x-www-form-urlencoded", 400),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b"grant_type", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % n for n in range(50)), "application/x-www-form-urlencoded", 400),
        (b"password=" + b"x" * 20_000, "application/x-www-form-urlencoded", 413),
    ],
)
async def test_what_is_no_form_is_refused(
    house: House, problem: Problem, content: bytes, media_type: str, status: int
) -> None:
    for path in ("/v1/auth/token", "/v1/auth/revoke"):
        answer = await house.client.post(path, content=content, headers={"Content-Type": media_type})
        assert problem(answer)["status"] == status, answer.text


async def test_a_wrong_password_and_an_unknown_user_are_told_the_same(house: House, problem: Problem) -> None:
    people = [await house.person(Role.USER) for _ in range(3)]
    async with house.database.begin() as tx:
        await tx.execute(text("UPDATE users SET state = 'banned' WHERE id = :id"), {"id": people[1].id})
        await tx.execute(text("UPDATE users SET password_hash = NULL WHERE id = :id"), {"id": people[2].id})
    told = []
    for email, password in (
        (people[0].email, "wrong password!"),
        ("nobody@example.com", PASSWORD),
        (people[1].email, PASSWORD),
        (people[2].email, PASSWORD),
    ):
        found = problem(await house.ask_tokens(grant_type="password", username=email, password=password))
        told.append({name: value for name, value in found.items() if name != "request_id"})
    assert all(one == told[0] for one in told), told
    assert told[0]["error"] == "invalid_grant"


async def test_a_scope_narrows_what_the_tokens_may_do(house: House, problem: Problem) -> None:
    ada = await house.person(Role.USER)
    tokens = await house.log_in(ada, scope="jobs:read")
    assert tokens["scope"] == "jobs:read"
    fresh = await house.ask_tokens(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    for token in (tokens["access_token"], fresh.json()["access_token"]):
        assert (await house.as_(token, "GET", "/v1/jobs")).status_code == 200
        assert (await house.as_(token, "POST", "/v1/jobs", SUMMARIZE)).status_code == 403
    beyond = await house.ask_tokens(
        grant_type="password", username=ada.email, password=PASSWORD, scope="jobs:read users:manage"
    )
    assert await oauth(beyond, problem) == (400, "scope_invalid", "invalid_scope")


async def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_session(house: House, problem: Problem) -> None:
    ada = await house.person(Role.USER)
    first = await house.log_in(ada)
    second = (await house.ask_tokens(grant_type="refresh_token", refresh_token=first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (await house.as_(second["access_token"], "GET", "/v1/me")).status_code == 200
    again = await house.ask_tokens(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert await oauth(again, problem) == (400, "grant_invalid", "invalid_grant")
    for token in (first["access_token"], second["access_token"]):
        assert (await house.as_(token, "GET", "/v1/me")).status_code == 401
    last = await house.ask_tokens(grant_type="refresh_token", refresh_token=second["refresh_token"])
    assert last.status_code == 400
    [entry] = await house.acts()
    assert (entry.act.action, entry.actor.user_id) == ("session.reuse_detected", None)
    assert entry.act.target.startswith("session_")
    other = await house.log_in(ada)
    assert (await house.as_(other["access_token"], "GET", "/v1/me")).status_code == 200


async def test_of_refreshes_at_once_one_wins_and_the_session_goes_on(house: House) -> None:
    ada = await house.person(Role.USER)
    for _ in range(5):
        tokens = await house.log_in(ada)
        answers = await asyncio.gather(
            *(house.ask_tokens(grant_type="refresh_token", refresh_token=tokens["refresh_token"]) for _ in range(4))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
        won = next(answer.json() for answer in answers if answer.status_code == 200)
        assert (await house.as_(won["access_token"], "GET", "/v1/me")).status_code == 200
    assert await house.acts() == []


async def test_a_refresh_that_came_before_the_other_was_answered_is_no_reuse(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = await house.log_in(await house.person(Role.USER))
    asked = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    count, has_come, may_go_on = vars(api.auth)["_count_stranger"], asyncio.Event(), asyncio.Event()

    async def count_late(connection: api.auth.Connection, strangers: SharedLimiter) -> None:
        await count(connection, strangers)
        if not has_come.is_set():
            has_come.set()
            await may_go_on.wait()

    monkeypatch.setattr(api.auth, "_count_stranger", count_late)
    late = asyncio.create_task(house.ask_tokens(**asked))
    await has_come.wait()
    won = (await house.ask_tokens(**asked)).json()
    may_go_on.set()
    assert (await late).status_code == 400
    assert (await house.as_(won["access_token"], "GET", "/v1/me")).status_code == 200


async def test_an_expired_token_opens_nothing(house: House) -> None:
    ada = await house.person(Role.USER)
    tokens = await house.log_in(ada)
    async with house.database.begin() as tx:
        await tx.execute(text("UPDATE tokens SET expires_at = now() - interval '1 second'"))
    assert (await house.as_(tokens["access_token"], "GET", "/v1/me")).status_code == 401
    refreshed = await house.ask_tokens(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refreshed.status_code == 400


@pytest.mark.parametrize("shown", ["access_token", "refresh_token"])
async def test_revoking_either_token_logs_out(house: House, shown: str) -> None:
    tokens = await house.log_in(await house.person(Role.USER))
    assert (await house.as_(tokens["access_token"], "GET", "/v1/me")).status_code == 200
    answer = await house.client.post(
        "/v1/auth/revoke", data={"token": tokens[shown], "token_type_hint": "access_token"}
    )
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert (await house.as_(tokens["access_token"], "GET", "/v1/me")).status_code == 401
    refreshed = await house.ask_tokens(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refreshed.status_code == 400


async def test_revoking_what_is_no_token_is_done_too(house: House) -> None:
    for token in ("x", str(make_token(TokenUse.ACCESS, bytes(40)))):
        assert (await house.client.post("/v1/auth/revoke", data={"token": token})).status_code == 200
    assert (await house.client.post("/v1/auth/revoke", data={"x": "y"})).status_code == 400


async def test_users_by_token_have_fewer_texts_a_minute_by_whatever_route(house: House, problem: Problem) -> None:
    token = (await house.log_in(await house.person(Role.USER)))["access_token"]
    story = {"text": "A long story."}
    for _ in range(3):
        assert (await house.as_(token, "POST", "/v1/text/moderate", story)).status_code == 202
    answer = await house.as_(token, "POST", "/v1/text/moderate", story)
    assert answer.status_code == 202
    assert answer.headers["ratelimit-policy"] == '"texts";q=10;w=60'
    assert (await house.as_(token, "POST", "/v1/jobs", SUMMARIZE)).status_code == 202
    assert (await house.as_(token, "POST", "/v1/batches", {"jobs": [SUMMARIZE] * 3})).status_code == 202
    conversation = (await house.as_(token, "POST", "/v1/conversations", {})).json()["id"]
    said = await house.as_(token, "POST", f"/v1/conversations/{conversation}/messages", {"text": "Hello"})
    assert said.status_code == 202
    assert (await house.as_(token, "POST", "/v1/text/moderate", story)).status_code == 202
    for path, body in (
        ("/v1/text/moderate", story),
        ("/v1/jobs", SUMMARIZE),
        ("/v1/batches", {"jobs": [SUMMARIZE]}),
        (f"/v1/conversations/{conversation}/messages", {"text": "Hello"}),
    ):
        answer = await house.as_(token, "POST", path, body)
        assert (answer.status_code, problem(answer)["code"]) == (429, "rate_limited"), path
    answer = await house.as_(token, "GET", "/v1/jobs")
    assert answer.status_code == 200
    assert answer.headers["ratelimit-policy"] == '"default";q=600;w=60'


async def test_a_text_that_was_answered_before_is_not_counted_again(house: House) -> None:
    token = (await house.log_in(await house.person(Role.USER)))["access_token"]
    conversation = (await house.as_(token, "POST", "/v1/conversations", {})).json()["id"]
    asked: list[tuple[str, Mapping[str, object]]] = [
        ("/v1/jobs", SUMMARIZE),
        ("/v1/batches", {"jobs": [SUMMARIZE]}),
        (f"/v1/conversations/{conversation}/messages", {"text": "Hello"}),
    ]
    for again in range(5):
        for path, body in asked:
            answer = await house.as_(token, "POST", path, body, headers={"Idempotency-Key": "once"})
            assert answer.status_code == 202, answer.text
            assert ("idempotency-replayed" in answer.headers) == (again > 0)


async def test_a_batch_of_more_texts_than_a_minute_has_is_told_so(house: House, problem: Problem) -> None:
    token = (await house.log_in(await house.person(Role.USER)))["access_token"]
    answer = await house.as_(token, "POST", "/v1/batches", {"jobs": [SUMMARIZE] * 11})
    assert (answer.status_code, problem(answer)["code"]) == (422, "texts_too_many")
    assert "10 a minute" in problem(answer)["detail"]
    # what does not fit now uses up nothing, and is told when it will
    assert (await house.as_(token, "POST", "/v1/batches", {"jobs": [SUMMARIZE] * 4})).status_code == 202
    answer = await house.as_(token, "POST", "/v1/batches", {"jobs": [SUMMARIZE] * 10})
    assert (answer.status_code, problem(answer)["code"]) == (429, "rate_limited")
    assert 18 <= int(answer.headers["retry-after"]) <= 24
    assert (await house.as_(token, "POST", "/v1/batches", {"jobs": [SUMMARIZE] * 6})).status_code == 202
    batch = {"jobs": [SUMMARIZE] * 11}
    assert (await house.client.post("/v1/batches", json=batch)).status_code == 202
