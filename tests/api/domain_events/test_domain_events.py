"""Domain events over HTTP: listed, narrowed, shown, and told to who asked."""

import contextlib
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.accounts.permissions import Role
from domain.accounts.told import user_event
from domain.accounts.user import User
from storage.domain_events import tell
from storage.retention import prune_domain_events
from storage.users import find_user
from tests.api.conftest import House, Problem


async def ban(house: House) -> str:
    """Somebody's id, who was banned."""
    person = await house.person(Role.USER)
    assert (await house.client.post(f"/v1/users/{person.id}/ban", json={})).status_code == 200
    return person.id


async def listed(house: House, **query: str) -> list[dict[str, Any]]:
    answer = await house.client.get("/v1/domain-events", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_what_happens_is_told_as_a_cloud_event(house: House) -> None:
    user_id = await ban(house)
    [event] = await listed(house)
    assert (event["specversion"], event["type"], event["source"]) == ("1.0", "user.banned", "/v1/users")
    assert event["subject"] == user_id == event["data"]["user_id"]
    assert (await house.client.get(f"/v1/domain-events/{event['id']}")).json() == event


async def test_banning_the_banned_tells_nothing_more_and_banning_again_does(house: House) -> None:
    user_id = await ban(house)
    await house.client.post(f"/v1/users/{user_id}/ban", json={})
    assert len(await listed(house)) == 1
    await house.client.post(f"/v1/users/{user_id}/unban")
    await house.client.post(f"/v1/users/{user_id}/ban", json={})
    assert [event["subject"] for event in await listed(house)] == [user_id, user_id]


async def test_they_are_listed_newest_first_page_by_page_and_narrowed(house: House) -> None:
    ids = [await ban(house) for _ in range(3)]
    first = await house.client.get("/v1/domain-events?limit=2")
    second = await house.client.get(first.links["next"]["url"])
    pages = [[event["subject"] for event in page.json()["items"]] for page in (first, second)]
    assert pages == [[ids[2], ids[1]], [ids[0]]]
    assert [event["subject"] for event in await listed(house, subject=ids[1])] == [ids[1]]
    assert await listed(house, type="order.placed") == []
    assert await listed(house, created_after="2999-01-01T00:00:00Z") == []


async def test_another_tenants_are_not_there(house: House, problem: Problem) -> None:
    await ban(house)
    [event] = await listed(house)
    assert (await house.stranger.get("/v1/domain-events")).json()["items"] == []
    answer = await house.stranger.get(f"/v1/domain-events/{event['id']}")
    assert (answer.status_code, problem(answer)["code"]) == (404, "domain_event_not_found")


async def test_an_endpoint_that_asked_is_told_the_very_bytes(house: House) -> None:
    wanted = {"url": "https://93.184.215.14/hook", "events": ["user.*"]}
    webhook = (await house.client.post("/v1/webhooks", json=wanted)).json()
    await ban(house)
    [delivery] = (await house.client.get(f"/v1/webhooks/{webhook['id']}/deliveries")).json()["items"]
    [event] = await listed(house)
    assert (delivery["type"], delivery["state"]) == ("user.banned", "pending")
    async with house.database.read() as tx:
        [told] = await tx.execute(text("SELECT body FROM webhook_notices"))
        [kept] = await tx.execute(text("SELECT id, body FROM domain_events"))
    assert (kept.id, bytes(kept.body)) == (event["id"], bytes(told.body))


async def test_they_go_after_their_time(house: House) -> None:
    await ban(house)
    async with house.database.begin() as tx:
        assert await prune_domain_events(tx, days=1, limit=10) == 0
        await tx.execute(text("UPDATE domain_events SET id = 'evt_01000000000070008000000000000000'"))
        assert await prune_domain_events(tx, days=1, limit=10) == 1
    assert await listed(house) == []


async def test_what_is_rolled_back_did_not_happen(house: House) -> None:
    person = await house.person(Role.USER)
    async with house.database.read() as tx:
        user = await find_user(tx, house.tenant_id, person.id)
    assert isinstance(user, User)

    with contextlib.suppress(DBAPIError):
        async with house.database.begin() as tx:
            await tell(tx, [user_event("user.registered", user)])
            await tx.execute(text("SELECT 1 / 0"))
    assert await listed(house) == []
