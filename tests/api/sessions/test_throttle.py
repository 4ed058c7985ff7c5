"""Few may be tried: of an account, from an address; and headers change nothing about where it comes from."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import httpx
import pytest
from sqlalchemy import text

from api.app import make_app
from cli.api import server_config
from domain.accounts.permissions import Role
from runtime.passwords import Passwords
from runtime.settings import Settings
from tests.api.conftest import House, Problem
from tests.support.people import PASSWORD, Person


async def fail(house: House, email: str, **headers: str) -> httpx.Response:
    form = {"grant_type": "password", "username": email, "password": "wrong password!"}
    return await house.client.post("/v1/auth/token", data=form, headers={"Authorization": "", **headers})


async def test_ten_failures_of_an_account_are_enough(house: House, problem: Problem) -> None:
    ada, bob = await house.person(Role.USER), await house.person(Role.USER)
    tokens = await house.log_in(ada)
    for _ in range(10):
        assert (await fail(house, ada.email)).status_code == 400
    answer = await house.ask_tokens(grant_type="password", username=ada.email.upper(), password=PASSWORD)
    assert (answer.status_code, problem(answer)["code"]) == (429, "login_throttled")
    assert 1 <= int(answer.headers["retry-after"]) <= 900
    # what is open stays open, and so does everybody else's account
    assert (await house.as_(tokens["access_token"], "GET", "/v1/me")).status_code == 200
    await house.log_in(bob)
    async with house.database.begin() as tx:
        await tx.execute(
            text("UPDATE login_attempts SET at = ARRAY(SELECT one - interval '15 minutes' FROM unnest(at) AS one)")
        )
    await house.log_in(ada)
    async with house.database.read() as tx:
        left = (await tx.execute(text("SELECT sum(cardinality(at)) FROM login_attempts"))).scalar_one()
    assert not left


async def test_another_spelling_of_an_address_is_no_other_account(house: House) -> None:
    ada = await house.person(Role.USER)
    email = f"mi{ada.email}"
    async with house.database.begin() as tx:
        await tx.execute(text("UPDATE users SET email = :email WHERE id = :id"), {"email": email, "id": ada.id})
        # as Postgres has it, and Python has not: whoever compares addresses must be the one who counts them
        assert (await tx.execute(text("SELECT lower('\u0130') = 'i'"))).scalar_one()
    told = [(await fail(house, spelled)).status_code for spelled in [email, email.replace("i", "\u0130")] * 6]
    assert told == [400] * 10 + [429] * 2


async def test_an_account_that_is_nobodys_is_throttled_alike(house: House) -> None:
    told = [(await fail(house, "nobody@example.com")).status_code for _ in range(11)]
    assert told == [400] * 10 + [429]


async def test_attempts_at_once_count_each_other(house: House) -> None:
    ada = await house.person(Role.USER)
    answers = await asyncio.gather(*(fail(house, ada.email) for _ in range(18)))
    assert sorted(answer.status_code for answer in answers) == [400] * 10 + [429] * 8


async def test_thirty_failures_from_an_address_are_enough_whatever_headers_say(house: House) -> None:
    told = [
        (
            await fail(
                house,
                f"nobody{n}@example.com",
                **{"X-Forwarded-For": f"10.0.0.{n}", "Forwarded": f"for=10.0.0.{n}", "X-Real-IP": f"10.0.0.{n}"},
            )
        ).status_code
        for n in range(32)
    ]
    assert told == [400] * 30 + [429] * 2


async def test_a_login_that_succeeds_counts_for_nothing(house: House) -> None:
    ada = await house.person(Role.USER)
    for _ in range(12):
        await house.log_in(ada)


@pytest.mark.parametrize(("trusted", "address"), [("", "127.0.0.1"), ("127.0.0.1", "10.9.8.7")])
async def test_only_a_trusted_proxy_is_believed(house: House, trusted: str, address: str) -> None:
    config = server_config(house.app, Settings(trusted_proxies=trusted))
    config.load()
    transport = httpx.ASGITransport(cast("Any", config.loaded_app), client=("127.0.0.1", 1))
    admin = await house.person(Role.ADMIN)
    async with httpx.AsyncClient(transport=transport, base_url="http://headrace.test") as client:
        for spoofed in ("10.9.8.7", "1.2.3.4, 10.9.8.7"):
            answer = await client.post("/v1/queues/text/pause", headers={"X-Forwarded-For": spoofed, **admin.headers})
            assert answer.status_code == 200
            await client.post("/v1/queues/text/resume", headers={"X-Forwarded-For": spoofed, **admin.headers})
    assert {entry.actor.address for entry in await house.acts()} == {address}


async def test_a_hash_of_other_parameters_is_renewed_at_login(house: House) -> None:
    ada: Person = await house.person(Role.USER)

    async def kept() -> str:
        async with house.database.read() as tx:
            found = await tx.execute(text("SELECT password_hash FROM users WHERE id = :id"), {"id": ada.id})
            return str(found.scalar_one())

    # the house's own are no stronger than those its people have
    strong = Passwords()
    app = make_app(house.database, house.wakeups, house.settings, passwords=strong)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://headrace.test") as client:
        stronger = replace(house, app=app, client=client)
        assert "$m=8,t=1,p=1$" in await kept()
        await stronger.log_in(ada)
        renewed = await kept()
        assert renewed.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
        await stronger.log_in(ada)
        assert await kept() == renewed
    await strong.close()
