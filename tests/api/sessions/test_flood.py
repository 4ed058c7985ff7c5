"""A flood of logins is refused early and cheaply; who is refused has failed at nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from unittest.mock import ANY
from urllib.parse import urlsplit

import httpx
import pytest
from msgspec.structs import replace
from sqlalchemy import text

from api.app import make_app
from domain.accounts.permissions import Role
from runtime.passwords import MOST
from tests.api.conftest import House, Problem
from tests.support.people import PASSWORD


@pytest.fixture
async def full(house: House) -> AsyncIterator[list[asyncio.Task[object]]]:
    """As many passwords are being checked as may, by a process that stands still until the test is over."""
    await house.passwords.verify("x", None)
    os.kill(house.passwords.pid or 0, signal.SIGSTOP)
    waiting: list[asyncio.Task[object]] = [asyncio.create_task(house.passwords.verify("x", None)) for _ in range(MOST)]
    while not house.passwords.is_full:
        await asyncio.sleep(0)
    yield waiting
    os.kill(house.passwords.pid or 0, signal.SIGCONT)
    await asyncio.gather(*waiting)


async def attempts(house: House) -> int:
    async with house.database.read() as tx:
        found = await tx.execute(text("SELECT coalesce(sum(cardinality(at)), 0) FROM login_attempts"))
        return int(found.scalar_one())


# whoever serves the house waits, when told to stop, for the password at hand: `full` comes last, and so goes first
async def test_a_login_past_the_queue_is_refused_unheard_and_counts_for_nothing(
    house: House, address: str, problem: Problem, full: object
) -> None:
    ada = await house.person(Role.USER)
    form = {"grant_type": "password", "username": ada.email, "password": PASSWORD}
    sent = {"email": "new@example.com", "password": PASSWORD}
    async with httpx.AsyncClient(base_url=address, headers={"Host": "headrace.test"}) as client:
        for door in (house.client, client):
            answers = [
                await door.post("/v1/auth/token?x=1", data=form, headers={"X-Request-Id": "r-1"}),
                await door.post("/v1/auth/register", json=sent, headers={"X-Request-Id": "r-1"}),
                # not even read
                await door.post("/v1/auth/register", content=b"no json", headers={"X-Request-Id": "r-1"}),
            ]
            for answer in answers:
                found = problem(answer)
                assert (answer.status_code, found["code"], found["retryable"]) == (503, "logins_busy", True)
                assert (found["request_id"], found["instance"]) == ("r-1", ANY)
                assert 1 <= int(answer.headers["retry-after"]) <= 4
        # the connection of the one who was refused goes on to serve
        assert (await client.get("/health/live")).status_code == 200
    assert await attempts(house) == 0


@pytest.mark.usefixtures("full")
async def test_sessions_go_on_and_jobs_are_taken_while_logins_are_refused(house: House) -> None:
    assert (await house.ask_tokens(grant_type="refresh_token", refresh_token="hrr_none")).status_code == 400
    await house.submit()


async def test_a_refresh_is_changed_while_logins_are_refused(house: House) -> None:
    ada = await house.person(Role.USER)
    tokens = await house.log_in(ada)
    logins = house.shedding.logins
    logins.under_way += MOST
    assert (await house.ask_tokens(grant_type="password", username=ada.email, password=PASSWORD)).status_code == 503
    answer = await house.ask_tokens(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert answer.status_code == 200
    logins.under_way -= MOST
    await house.log_in(ada)
    assert logins.under_way == 0


@pytest.mark.usefixtures("full")
async def test_a_login_disguised_as_a_refresh_is_refused_before_postgres_is_asked(
    house: House, problem: Problem
) -> None:
    ada = await house.person(Role.USER)
    disguised = f"grant_type=password&username={ada.email}&password=wrong+password&hint=grant_type=refresh_token"
    answer = await house.client.post(
        "/v1/auth/token",
        content=disguised,
        headers={"Authorization": "", "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert (answer.status_code, problem(answer)["code"]) == (503, "logins_busy")
    assert await attempts(house) == 0


async def test_those_who_send_nothing_keep_nobody_out(house: House, address: str) -> None:
    ada = await house.person(Role.USER)
    parts = urlsplit(address)
    writers: list[asyncio.StreamWriter] = []
    for _ in range(MOST + 5):
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"POST /v1/auth/token HTTP/1.1\r\nHost: headrace.test\r\nContent-Length: 90\r\n\r\n")
        await writer.drain()
        writers.append(writer)
    await house.log_in(ada)
    for writer in writers:
        writer.close()


async def test_a_login_whose_hash_is_killed_under_it_succeeds_by_a_fresh_process(house: House) -> None:
    ada = await house.person(Role.USER)
    await house.log_in(ada)
    first = house.passwords.pid or 0
    os.kill(first, signal.SIGSTOP)
    login = asyncio.create_task(house.log_in(ada))
    while not house.passwords.is_busy:
        await asyncio.sleep(0)
    os.kill(first, signal.SIGKILL)
    await login
    assert house.passwords.pid not in {None, first}
    assert await attempts(house) == 0


async def test_where_no_password_can_be_hashed_nothing_has_failed(
    house: House, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await house.person(Role.USER)
    monkeypatch.setattr("runtime.passwords.sys.executable", "/nowhere/python")
    settings = replace(house.settings, registration_tenant=house.tenant_id)
    told = [await house.ask_tokens(grant_type="password", username=ada.email, password=PASSWORD)]
    transport = httpx.ASGITransport(app=make_app(house.database, house.wakeups, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://headrace.test") as client:
        told.append(
            await client.post("/v1/auth/register", json={"email": "new@example.com", "password": "herons wait for it"})
        )
    for answer in told:
        assert (answer.status_code, problem(answer)["code"]) == (503, "logins_busy")
        assert answer.headers["retry-after"]
    assert await attempts(house) == 0
