"""Logging in through the client: tokens that are renewed in time, once, however many ask; against the real API."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from urllib.parse import parse_qs

import httpx
import pytest

from domain.accounts.permissions import Role
from headrace import AsyncHeadrace, Headrace, LoggedOut, Refused, Unauthenticated
from headrace._aio import session as async_session
from headrace._sync import session as sync_session
from tests.api.conftest import House
from tests.support.people import PASSWORD, Person


class Clock:
    """The time of sessions, moved by hand."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (async_session, sync_session):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.person(Role.USER)


class Grants:
    """What the token endpoint was asked for, in order, and the token last shown; loses answers to what it is told."""

    def __init__(self, *, loses: str = "") -> None:
        self.asked: list[str] = []
        self.shown = ""
        self._loses = loses
        self._refresh_tokens: set[str] = set()

    async def note(self, response: httpx.Response) -> None:
        self.note_now(response)

    def note_now(self, response: httpx.Response) -> None:
        if not response.request.url.path.endswith("/auth/token"):
            self.shown = response.request.headers["Authorization"].removeprefix("Bearer ")
            return
        form = parse_qs(response.request.content.decode())
        [grant] = form["grant_type"]
        for token in form.get("refresh_token", []):
            assert token not in self._refresh_tokens, "it was sent twice"
            self._refresh_tokens.add(token)
        self.asked.append(grant)
        if grant == self._loses:
            raise httpx.ReadError("the connection was reset")


async def test_who_logs_in_may_do_what_their_role_may_and_after_logging_out_nothing(address: str, ada: Person) -> None:
    async with await AsyncHeadrace.log_in(address, ada.email, PASSWORD) as client:
        me = await client.me()
        assert (me.user_id, me.key_id) == (ada.id, None)
        job = await client.text.moderate("a")
        async with aclosing(job.events(timeout=20)) as story:
            assert (await anext(story)).type == "snapshot"
        await client.log_out()
        with pytest.raises(LoggedOut):
            await client.me()
    async with await AsyncHeadrace.log_in(address, ada.email, PASSWORD, scope=["jobs:read"]) as client:
        assert (await client.me()).permissions == ("jobs:read",)


async def test_logging_out_ends_the_session_at_the_api_too(house: House, address: str, ada: Person) -> None:
    shown: list[str] = []

    async def note(request: httpx.Request) -> None:
        shown.append(request.headers.get("Authorization", ""))

    async with httpx.AsyncClient(event_hooks={"request": [note]}) as noted:
        client = await AsyncHeadrace.log_in(address, ada.email, PASSWORD, http_client=noted)
        await client.me()
        await client.log_out()
    assert shown[0] == shown[2] == ""
    assert (await house.as_(shown[1].removeprefix("Bearer "), "GET", "/v1/me")).status_code == 401


async def test_a_wrong_password_is_told_at_once_and_a_key_of_the_environment_is_not_shown(
    address: str, ada: Person, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_API_KEY", key)
    with pytest.raises(Refused) as told:
        await AsyncHeadrace.log_in(address, ada.email, "not my password at all")
    assert (told.value.status, told.value.code) == (400, "grant_invalid")
    async with await AsyncHeadrace.log_in(address, ada.email, PASSWORD) as client:
        assert (await client.me()).user_id == ada.id


async def test_the_access_token_is_renewed_before_it_expires_once_for_all_who_ask_at_the_same_time(
    address: str, ada: Person, clock: Clock
) -> None:
    grants = Grants()
    async with httpx.AsyncClient(event_hooks={"response": [grants.note]}) as noted:
        client = await AsyncHeadrace.log_in(address, ada.email, PASSWORD, http_client=noted)
        clock.ahead += 1800 - 61
        await client.me()
        assert grants.asked == ["password"]
        for _ in range(3):
            clock.ahead += 1800
            assert {me.user_id for me in await asyncio.gather(*(client.me() for _ in range(20)))} == {ada.id}
    assert grants.asked == ["password", *["refresh_token"] * 3]


async def test_threads_that_ask_at_the_same_time_renew_it_once_as_well(address: str, ada: Person, clock: Clock) -> None:
    grants = Grants()

    def use() -> set[str]:
        with httpx.Client(event_hooks={"response": [grants.note_now]}) as noted, ThreadPoolExecutor(8) as threads:
            client = Headrace.log_in(address, ada.email, PASSWORD, http_client=noted)
            clock.ahead += 1800
            return {me.user_id for me in threads.map(lambda _: client.me(), range(24))}

    assert await asyncio.to_thread(use) == {ada.id}
    assert grants.asked == ["password", "refresh_token"]


async def test_a_session_that_was_ended_elsewhere_is_begun_anew_once_and_the_request_is_answered(
    house: House, address: str, ada: Person
) -> None:
    grants = Grants()
    async with httpx.AsyncClient(event_hooks={"response": [grants.note]}) as noted:
        client = await AsyncHeadrace.log_in(address, ada.email, PASSWORD, http_client=noted)
        await client.me()
        await house.client.post("/v1/auth/revoke", data={"token": grants.shown})
        jobs = await asyncio.gather(*(client.text.moderate(f"{number}") for number in range(10)))
        assert len({job.id for job in jobs}) == 10
        async with aclosing(client.events(after=0, timeout=20)) as story:
            assert (await anext(story)).type == "snapshot"
    assert grants.asked == ["password", "refresh_token", "password"]


async def test_a_refresh_token_whose_answer_was_lost_is_not_shown_again(
    house: House, address: str, ada: Person, clock: Clock
) -> None:
    grants = Grants(loses="refresh_token")
    async with httpx.AsyncClient(event_hooks={"response": [grants.note]}) as noted:
        client = await AsyncHeadrace.log_in(address, ada.email, PASSWORD, http_client=noted)
        clock.ahead += 1800
        assert (await client.me()).user_id == ada.id
    assert grants.asked == ["password", "refresh_token", "password"]
    assert not [entry for entry in await house.acts() if entry.act.action == "session.reuse_detected"]


async def test_a_key_that_is_refused_is_not_asked_with_again(address: str) -> None:
    asked: list[str] = []

    async def note(request: httpx.Request) -> None:
        asked.append(request.url.path)

    async with httpx.AsyncClient(event_hooks={"request": [note]}) as noted:
        with pytest.raises(Unauthenticated):
            await AsyncHeadrace(address, "hr_unknown", http_client=noted).me()
    assert asked == ["/v1/me"]
