"""The audit log: an entry for every privileged act, in a chain that shows what was changed later."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from domain.accounts.audit import breaks
from domain.accounts.permissions import Role
from tests.api.conftest import SUMMARIZE, House, Problem
from tests.support.people import PASSWORD, Person

_PRIVILEGES = ("manage", "ban")
_SCHEDULE = {"name": "nightly", "every": "1h", "job": SUMMARIZE}


class Walk:
    """Does what takes a privilege, one act after the other; each is one request."""

    def __init__(self, house: House, ada: Person) -> None:
        self.house = house
        self.ada = ada
        self.done: list[str] = []

    async def do(self, action: str, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Does it, and sees its one entry, with who did it, to what."""
        before = await self.house.acts()
        answer = await self.house.as_(self.house.admin_key, method, path, body)
        assert answer.is_success, (action, answer.text)
        fresh = (await self.house.acts())[len(before) :]
        assert [entry.act.action for entry in fresh] == [action], (method, path)
        assert fresh[0].actor.request_id == answer.headers["x-request-id"]
        assert fresh[0].actor.key_id is not None
        assert fresh[0].actor.address == "127.0.0.1"
        self.done.append(action)
        return dict(answer.json()) if answer.content else {}

    async def job(self) -> str:
        """Somebody else's job."""
        answer = await self.house.as_(self.ada.key, "POST", "/v1/jobs", SUMMARIZE)
        return str(answer.json()["id"])


async def test_every_privileged_act_has_its_entry(house: House) -> None:
    walk = Walk(house, ada := await house.person(Role.USER))
    made = await walk.do("user.created", "POST", "/v1/users", {"email": "x@example.com", "password": PASSWORD})
    user = f"/v1/users/{made['id']}"
    await walk.do("user.changed", "PATCH", user, {"role": "viewer"})
    await walk.do("user.disabled", "POST", f"{user}/disable", {"reason": "gone"})
    await walk.do("user.enabled", "POST", f"{user}/enable")
    await walk.do("user.banned", "POST", f"{user}/ban", {})
    await walk.do("user.unbanned", "POST", f"{user}/unban")
    await walk.do("user.password_reset", "PUT", f"{user}/password", {"password": "a heron waits for rain"})
    key = await walk.do("key.created", "POST", "/v1/api-keys", {"name": "k"})
    fresh = await walk.do("key.rotated", "POST", f"/v1/api-keys/{key['id']}/rotate", {})
    await walk.do("key.revoked", "DELETE", f"/v1/api-keys/{fresh['id']}")
    await walk.do("role.changed", "PUT", "/v1/roles/viewer/permissions", {"permissions": ["jobs:read"]})
    await walk.do("safety.changed", "PUT", "/v1/safety", {"injection": "block", "unsafe": "off"})
    await walk.do("queue.paused", "POST", "/v1/queues/text/pause")
    await walk.do("queue.resumed", "POST", "/v1/queues/text/resume")
    await walk.do("queue.limited", "PUT", "/v1/queues/text/limits", {"max_running": 3})
    await walk.do("budgets.changed", "PUT", "/v1/budgets", {"budgets": [{"tokens": 10**9}]})
    await do_with_schedules(walk)
    wanted = {"action": "cancel", "filter": {"tag": "x"}}
    bulk = await walk.do("bulk_action.created", "POST", "/v1/bulk-actions", wanted)
    await walk.do("bulk_action.aborted", "POST", f"/v1/bulk-actions/{bulk['id']}/abort")
    job_id = await walk.job()
    await walk.do("job.cancelled", "POST", f"/v1/jobs/{job_id}/cancel")
    await walk.do("job.retried", "POST", f"/v1/jobs/{job_id}/retry")
    batch = (await house.as_(ada.key, "POST", "/v1/batches", {"jobs": [SUMMARIZE] * 2})).json()
    await walk.do("batch.cancelled", "POST", f"/v1/batches/{batch['id']}/cancel")
    credit = {"amount": {"amount": 100, "currency": "USD"}}
    await walk.do("balance.deposited", "POST", f"/v1/customers/{ada.id}/deposits", credit)

    await do_in_the_shop(walk)
    await do_with_webhooks(walk)

    description = (await house.client.get("/schema/openapi.json")).json()
    operations = [
        (method, path, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    told = {action for _, _, operation in operations for action in operation.get("x-audited", ())}
    assert told - {"user.registered", "user.password_changed"} == set(walk.done)  # those two take no privilege
    silent = [
        (method, path)
        for method, path, operation in operations
        if method != "get"
        and any(one.endswith(_PRIVILEGES) for one in operation.get("x-permissions", ()))
        and not operation.get("x-audited")
    ]
    assert not silent
    entries = await house.acts()
    assert list(breaks(entries)) == []
    said = "".join(str(entry) for entry in entries)
    assert PASSWORD not in said
    assert key["key"] not in said


async def do_with_schedules(walk: Walk) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    daily = _SCHEDULE | {"starts_at": yesterday}
    schedule = (await walk.do("schedule.created", "POST", "/v1/schedules", daily))["links"]["self"]
    schedule = schedule.removeprefix("http://headrace.test")
    await walk.do("schedule.changed", "PATCH", schedule, {"name": "hourly"})
    await walk.do("schedule.paused", "POST", f"{schedule}/pause")
    await walk.do("schedule.resumed", "POST", f"{schedule}/resume")
    await walk.do("schedule.triggered", "POST", f"{schedule}/trigger")
    await walk.do("schedule.backfilled", "POST", f"{schedule}/backfill", {"starts_at": yesterday})
    await walk.do("schedule.removed", "DELETE", schedule)


async def do_in_the_shop(walk: Walk) -> None:
    await walk.do("category.created", "POST", "/v1/categories", {"slug": "garden", "name": "Garden"})
    await walk.do("category.changed", "PATCH", "/v1/categories/garden", {"name": "In the garden"})
    await walk.do("category.removed", "DELETE", "/v1/categories/garden")
    trowel = {"sku": "GRD-TRW-01", "name": "Trowel", "price": {"amount": 1850, "currency": "USD"}}
    product = f"/v1/products/{(await walk.do('product.created', 'POST', '/v1/products', trowel))['id']}"
    await walk.do("product.changed", "PATCH", product, {"name": "Small trowel"})
    await walk.do("stock.moved", "POST", f"{product}/movements", {"change": 3})
    reviews = f"{product}/reviews"
    review = (await walk.house.as_(walk.ada.key, "POST", reviews, {"rating": 1})).json()
    await walk.do("review.removed", "DELETE", f"{reviews}/{review['id']}")


async def do_with_webhooks(walk: Walk) -> None:
    endpoint = {"url": "https://93.184.216.34/hooks", "events": ["job.failed"]}
    hook = f"/v1/webhooks/{(await walk.do('webhook.created', 'POST', '/v1/webhooks', endpoint))['id']}"
    await walk.do("webhook.changed", "PATCH", hook, {"description": "night shift"})
    await walk.do("webhook.secret_rotated", "POST", f"{hook}/rotate-secret")
    sent = await walk.do("webhook.tested", "POST", f"{hook}/test")
    await walk.do("webhook.redelivered", "POST", f"{hook}/deliveries/{sent['id']}/redeliver")
    await walk.do("webhook.removed", "DELETE", hook)
    await walk.do("signing_secret.rotated", "POST", "/v1/webhooks/signing-secret/rotate")


async def test_what_changed_nothing_or_failed_has_no_entry(house: House) -> None:
    ada = await house.person(Role.USER)
    own = (await house.as_(ada.key, "POST", "/v1/jobs", SUMMARIZE)).json()["id"]
    for shown, method, path, body in (
        (house.admin_key, "PATCH", f"/v1/users/{ada.id}", {"role": "user"}),
        (house.admin_key, "POST", f"/v1/users/{ada.id}/enable", None),
        (house.admin_key, "POST", "/v1/queues/text/resume", None),
        (house.admin_key, "POST", "/v1/queues/nowhere/pause", None),
        (house.admin_key, "PUT", "/v1/roles/admin/permissions", {"permissions": []}),
        (ada.key, "POST", "/v1/queues/text/pause", None),
        (ada.key, "POST", f"/v1/jobs/{own}/cancel", None),
    ):
        await house.as_(shown, method, path, body)
    assert await house.acts() == []


async def test_the_log_is_read_page_by_page_and_by_what_is_asked(house: House, problem: Problem) -> None:
    ada = await house.person(Role.USER)
    for how, body in (("disable", {}), ("enable", None), ("ban", {}), ("unban", None)):
        await house.as_(house.admin_key, "POST", f"/v1/users/{ada.id}/{how}", body)
    await house.as_(house.admin_key, "POST", "/v1/queues/text/pause")

    async def read(query: str) -> list[str]:
        answer = await house.as_(house.admin_key, "GET", f"/v1/audit?{query}")
        assert answer.status_code == 200, answer.text
        return [entry["action"] for entry in answer.json()["items"]]

    page = (await house.as_(house.admin_key, "GET", "/v1/audit?limit=3")).json()
    assert [entry["seq"] for entry in page["items"]] == [5, 4, 3]
    rest = await read(f"limit=3&cursor={page['next_cursor']}")
    assert rest == ["user.enabled", "user.disabled"]
    assert await read("action=user.banned") == ["user.banned"]
    assert await read("action=queue") == ["queue.paused"]
    assert await read("action=que") == []
    assert len(await read(f"target={ada.id}")) == 4
    assert await read(f"user_id={ada.id}") == []
    assert await read("created_after=2999-01-01T00:00:00Z") == []
    assert len(await read("created_before=2999-01-01T00:00:00Z")) == 5
    entry = page["items"][1]
    assert (entry["before"]["state"], entry["after"]["state"]) == ("banned", "active")
    for query, pointer in (
        ("cursor=x", "query:cursor"),
        ("created_after=2030-01-01T00:00:00", "query:created_after"),
        ("who=me", "query:who"),
    ):
        answer = await house.as_(house.admin_key, "GET", f"/v1/audit?{query}")
        assert [error["pointer"] for error in problem(answer)["errors"]] == [pointer]


async def test_an_entry_is_read_by_its_number(house: House, problem: Problem) -> None:
    for name in ("viewer", "user"):
        await house.client.put(f"/v1/roles/{name}/permissions", json={"permissions": ["jobs:read"]})
    entries = (await house.client.get("/v1/audit")).json()["items"]
    assert [(await house.client.get(f"/v1/audit/{entry['seq']}")).json() for entry in entries] == entries
    for seq in ("0", "3", "-1", "01", "x", "9" * 19, "1.0"):
        answer = await house.client.get(f"/v1/audit/{seq}")
        assert (answer.status_code, problem(answer)["code"]) == (404, "audit_entry_not_found")
    assert (await house.stranger.get("/v1/audit/1")).status_code == 404
    await house.stranger.put("/v1/roles/viewer/permissions", json={"permissions": []})
    assert (await house.stranger.get("/v1/audit/1")).json()["hash"] not in {entry["hash"] for entry in entries}


async def test_another_tenant_reads_its_own_log_only(house: House) -> None:
    await house.as_(house.admin_key, "POST", "/v1/queues/text/pause")
    assert (await house.stranger.get("/v1/audit")).json()["items"] == []
    user = await house.person(Role.USER)
    assert (await house.as_(user.key, "GET", "/v1/audit")).status_code == 403


async def test_acts_at_once_stand_in_one_chain(house: House) -> None:
    people = [await house.person(Role.USER) for _ in range(12)]
    answers = await asyncio.gather(
        *(house.as_(house.admin_key, "POST", f"/v1/users/{one.id}/disable", {}) for one in people)
    )
    assert {answer.status_code for answer in answers} == {200}
    entries = await house.acts()
    assert [entry.seq for entry in entries] == list(range(1, 13))
    assert list(breaks(entries)) == []


async def test_the_log_can_only_be_added_to(house: House, database_url: str) -> None:
    await house.as_(house.admin_key, "POST", "/v1/queues/text/pause")
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in ("UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                connection.execute(statement.encode())
    assert len(await house.acts()) == 1


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("UPDATE audit_log SET action = 'queue.resumed' WHERE seq = 2", ["entry 2 is not as it was written"]),
        ("UPDATE audit_log SET user_id = NULL WHERE seq = 2", ["entry 2 is not as it was written"]),
        ("UPDATE audit_log SET at = at + interval '1 microsecond' WHERE seq = 3", ["entry 3 is not as it was written"]),
        ("DELETE FROM audit_log WHERE seq = 2", ["entry 2 is missing"]),
        ("DELETE FROM audit_log WHERE seq = 1", ["entry 1 is missing"]),
        (
            "UPDATE audit_log SET action = 'x', hash = '\\x00' WHERE seq = 2",
            ["entry 2 is not as it was written", "entry 3 does not follow the one before"],
        ),
    ],
)
async def test_who_gets_around_that_is_found_out(
    house: House, database_url: str, tampering: str, found: list[str]
) -> None:
    for name in ("text", "emails", "orders"):
        await house.as_(house.admin_key, "POST", f"/v1/queues/{name}/pause")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(b"ALTER TABLE audit_log DISABLE TRIGGER USER")
        connection.execute(tampering.encode())
    assert [line.partition(": ")[2] for line in breaks(await house.acts())] == found
