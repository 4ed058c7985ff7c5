"""Keys, users, roles, the audit log, event tokens and webhook endpoints, through the client, against the real API."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from headrace import AsyncHeadrace, Conflict, Forbidden, Invalid, NotFound, Refused, Unauthenticated
from storage.accounts import add_tenant
from tests.api.conftest import House
from tests.support.people import PASSWORD


async def test_a_key_is_made_used_rotated_and_revoked(client: AsyncHeadrace, address: str) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    made = await client.api_keys.create(
        "reports", ["jobs:read"], expires_at=ends, requests_per_minute=90, idempotency_key="once"
    )
    assert (made.scopes, made.expires_at, made.requests_per_minute) == (("jobs:read",), ends, 90)
    assert made.key is not None
    assert made.key not in repr(made)
    again = await client.api_keys.create(
        "reports", ["jobs:read"], expires_at=ends, requests_per_minute=90, idempotency_key="once"
    )
    assert (again.id, again.key) == (made.id, None)
    async with AsyncHeadrace(address, made.key) as reports:
        me = await reports.me()
        assert (me.key_id, me.permissions) == (made.id, ("jobs:read",))
        with pytest.raises(Forbidden):
            await reports.text.moderate("Not yours to do.")
        next_one = await client.api_keys.rotate(made.id, overlap="0s")
        assert (next_one.replaces, next_one.scopes) == (made.id, ("jobs:read",))
        with pytest.raises(Unauthenticated):
            await reports.me()
    assert {key.id async for key in client.api_keys.list(user_id=made.user_id)} >= {made.id, next_one.id}
    assert (await client.api_keys.get(next_one.id)).is_live
    await client.api_keys.revoke(next_one.id)
    assert not (await client.api_keys.get(next_one.id)).is_live


async def test_a_user_is_made_changed_shut_out_and_let_in_and_all_of_it_is_in_the_log(client: AsyncHeadrace) -> None:
    user = await client.users.create("ada@example.com", name="Ada", password=PASSWORD)
    assert (user.role, user.has_password) == ("user", True)
    with pytest.raises(Conflict):
        await client.users.create("ada@example.com")
    assert (await client.users.update(user.id, role="operator")).role == "operator"
    assert (await client.users.get(user.id)).name == "Ada"
    disabled = await client.users.disable(user.id, reason="on leave")
    assert (disabled.state, disabled.state_reason) == ("disabled", "on leave")
    assert (await client.users.enable(user.id)).state == "active"
    assert (await client.users.ban(user.id)).state == "banned"
    assert (await client.users.unban(user.id)).state == "active"
    await client.users.set_password(user.id, "herons wait at dawn")
    assert [each.id async for each in client.users.list(role="operator", state="active")] == [user.id]
    log = await client.audit.list(target=user.id, created_after=user.created_at - timedelta(minutes=1)).all()
    assert [entry.action for entry in reversed(log)] == [
        "user.created",
        "user.changed",
        "user.disabled",
        "user.enabled",
        "user.banned",
        "user.unbanned",
        "user.password_reset",
    ]
    assert log[-2].after["role"] == "operator"


async def test_a_role_bundles_what_it_is_told_to(client: AsyncHeadrace) -> None:
    known = {permission.name for permission in await client.roles.permissions()}
    before = await client.roles.get("viewer")
    assert set(before.permissions) < known
    assert (await client.roles.set("viewer", ["jobs:read"])).permissions == ("jobs:read",)
    with pytest.raises(TypeError, match="list"):
        await client.roles.set("viewer", "jobs:read")
    bundled = {role.role: role.permissions for role in await client.roles.list()}
    assert (set(bundled), bundled["viewer"]) == ({"admin", "moderator", "operator", "user", "viewer"}, ("jobs:read",))


async def test_an_event_token_opens_the_stream_it_is_for_and_nothing_else(client: AsyncHeadrace, address: str) -> None:
    job = await client.text.moderate("a", tags=["news"])
    token = await client.event_token(tag="news", state="queued", expires_in=timedelta(minutes=1))
    assert token.token not in repr(token)
    assert token.url.startswith(f"{address}/v1/events?token=")
    async with AsyncHeadrace(address) as browser:
        async with browser.stream("/v1/events", query={"token": token.token, "after": 0}) as pieces:
            heard = b""
            while job.id.encode() not in heard:
                heard += await anext(pieces)
        with pytest.raises(Unauthenticated):
            await browser.me()
    with pytest.raises(Invalid) as told:
        await client.event_token(job_id=job.id, tag="news")
    assert [error.pointer for error in told.value.errors] == ["/job_id"]


async def test_who_registers_needs_no_key_and_changes_their_own_password(house: House, address: str) -> None:
    async with house.database.begin() as tx:
        await add_tenant(tx, house.tenant_id, "Development")
        await tx.execute(text("UPDATE tenants SET name = 'Development' WHERE id = :id"), {"id": house.tenant_id})
    async with AsyncHeadrace(address) as nobody:
        user = await nobody.register("grace@example.com", PASSWORD, name="Grace")
    async with await AsyncHeadrace.log_in(address, user.email, PASSWORD) as grace:
        assert (await grace.me()).user_id == user.id
        await grace.change_password(PASSWORD, "herons wait at dawn")
        with pytest.raises(Refused) as told:  # the session has ended, and the password it began with opens no other
            await grace.me()
    assert told.value.code == "grant_invalid"
    async with await AsyncHeadrace.log_in(address, user.email, "herons wait at dawn") as grace:
        assert (await grace.me()).user_id == user.id


async def test_an_endpoint_is_made_changed_tested_and_removed(client: AsyncHeadrace) -> None:
    made = await client.webhooks.create(
        "https://example.com/hooks", ["job.*"], description="ours", idempotency_key="once"
    )
    assert made.secret is not None
    assert made.secret not in repr(made)
    assert made.id in repr(made)
    assert (await client.webhooks.get(made.id)).secret is None
    changed = await client.webhooks.update(made.id, events=["job.failed"], state="paused")
    assert (changed.events, changed.state, changed.description) == (("job.failed",), "paused", "ours")
    rotated = await client.webhooks.rotate_secret(made.id, idempotency_key="twice")
    assert rotated.secret not in {None, made.secret}
    assert (await client.webhooks.rotate_secret(made.id, idempotency_key="twice")).secret == rotated.secret
    sent = await client.webhooks.test(made.id)
    assert (sent.type, sent.state) == ("webhook.test", "pending")
    assert [each.id async for each in client.webhooks.deliveries(made.id)] == [sent.id]
    assert (await client.webhooks.delivery(made.id, sent.id)).event_id == sent.event_id
    with pytest.raises(Conflict):
        await client.webhooks.redeliver(made.id, sent.id)
    await client.webhooks.update(made.id, state="active")
    again = await client.webhooks.redeliver(made.id, sent.id)
    assert (again.redelivery_of, again.event_id) == (sent.id, sent.event_id)
    before = await client.webhooks.signing_secret()
    assert (await client.webhooks.rotate_signing_secret()).secret != before.secret
    assert [each.id async for each in client.webhooks.list()] == [made.id]
    await client.webhooks.delete(made.id)
    with pytest.raises(NotFound):
        await client.webhooks.get(made.id)
