"""Who may reach what: every operation of the description, asked by everybody who may not.

Made from the description: a route that is new is asked too, and one that names a new sort of thing in its path fails
here until `tests/fuzz/things.py` makes one. Long because each test asks the same operations as somebody else.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from msgspec import Struct
from sqlalchemy import text

from domain.accounts.api_key import make_key
from domain.accounts.permissions import PERMISSIONS, ROLE_PERMISSIONS, Role
from domain.ids import JobId, OrderId
from domain.orders.order import Bill, NewOrder, OrderLine, Status
from domain.orders.product import ProductSort
from runtime.unique_ids import new_id
from storage.orders import write_order
from storage.products import ProductFilter, list_products
from storage.sample_catalogue import seed_catalog
from tests.api.conftest import SUMMARIZE, House, Problem
from tests.api.policy import KEY, OPEN, POLICY
from tests.fuzz.crafted import FAKE
from tests.fuzz.things import make_things

Json = dict[str, Any]

OF_STRANGERS = {"/v1/auth/register": 403, "/v1/auth/token": 400, "/v1/me/password": 403}
"""What is said where no tenant is open to everybody, and to who shows the example's password."""

STREAM = "text/event-stream"
SHARED = {"name", "code", "role", "kind", "seq"}
"""Parameters of paths that name what belongs to no tenant, or, as entries of the audit log, something in each."""

# what is the platform's own, and told to every tenant alike; roles bundle the same until a tenant says otherwise
OF_ALL = {"/v1/kinds", "/v1/permissions", "/v1/queues", "/v1/roles", "/v1/workers"}


class Operation(Struct, frozen=True, kw_only=True):
    """A route as the description tells of it."""

    method: str
    path: str
    permission: str | None
    media_type: str
    body: object
    names: tuple[str, ...]
    has_cursor: bool
    is_endless: bool

    @property
    def route(self) -> str:
        """How the policy names it."""
        return f"{self.method} {self.path}"


@pytest.fixture
async def operations(house: House) -> list[Operation]:
    description = (await house.client.get("/schema/openapi.json")).json()
    return list(read(description))


def read(description: Json) -> Iterator[Operation]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            content: dict[str, Json] = operation.get("requestBody", {}).get("content", {})
            media_type: str = next(iter(content), "")
            media: Json = content.get(media_type, {})
            parameters = operation.get("parameters", ())
            yield Operation(
                method=method.upper(),
                path=path,
                permission=operation.get("x-permissions", [None])[0],
                media_type=media_type,
                body=media.get("example"),
                names=tuple(one["name"] for one in parameters if one["in"] == "path"),
                has_cursor=any(one["name"] == "cursor" for one in parameters),
                # the stream of a job ends with it, and the job has ended; a tenant's never ends, and a reply's
                # waits for a worker: tests/api/events and tests/api/chat read those
                is_endless="{job_id}" not in path
                and STREAM in operation["responses"].get("200", {}).get("content", {}),
            )


@pytest.fixture
async def things(house: House) -> dict[str, str]:
    """One of each, of the client's tenant."""
    async with house.database.begin() as tx:
        await seed_catalog(tx, house.tenant_id)
    found = await make_things(house.client)
    me = (await house.client.get("/v1/me")).json()["user_id"]
    async with house.database.begin() as tx:
        [product] = await list_products(tx, house.tenant_id, ProductFilter(), sort=ProductSort.NAME, limit=1)
        line = OrderLine(product_id=product.id, name=product.name, unit_price=product.price, quantity=1)
        order = NewOrder(
            id=OrderId(new_id("order")),
            tenant_id=house.tenant_id,
            customer_id=me,
            job_id=JobId(new_id("job")),
            status=Status.PAID,
            bill=Bill(lines=(line,), total=product.price),
            ship_to=None,
            ship_job_id=None,
        )
        await write_order(tx, order)
    return found | {"customer_id": me, "order_id": order.id}


async def ask(
    client: httpx.AsyncClient, operation: Operation, ids: dict[str, str], headers: dict[str, str] | None = None
) -> httpx.Response:
    path = operation.path
    for name in operation.names:
        path = path.replace(f"{{{name}}}", ids[name])
    given: dict[str, Any] = {}
    if operation.body is not None:
        body = operation.body if isinstance(operation.body, str) else spelled(operation.media_type, operation.body)
        given = {"content": body, "headers": {"Content-Type": operation.media_type}}
    given["headers"] = given.get("headers", {}) | (headers or {})
    return await client.request(operation.method, path, **given)


def spelled(media_type: str, body: Any) -> str:  # noqa: ANN401 - any example
    return urlencode(body) if media_type == "application/x-www-form-urlencoded" else json.dumps(body)


def told(answer: httpx.Response) -> tuple[object, ...]:
    """What a client learns from an answer, less what names the request itself."""
    own = {"x-request-id", "ratelimit", "content-length"}
    body: object = answer.text
    if "problem+json" in answer.headers.get("content-type", ""):
        problem = answer.json()
        body = {name: value for name, value in problem.items() if name not in {"request_id", "instance"}}
    return answer.status_code, body, {name: value for name, value in answer.headers.items() if name not in own}


def test_every_route_has_a_policy_and_every_policy_a_route(operations: list[Operation]) -> None:
    demanded = {
        one.route: one.permission or (KEY if one.path.startswith("/v1") and not is_open(one) else OPEN)
        for one in operations
    }
    assert demanded == POLICY


def is_open(operation: Operation) -> bool:
    """Whether the policy says that no key is needed; `test_nobody_is_let_in_without_a_key` asks the rest."""
    return POLICY.get(operation.route, KEY) is OPEN


def test_every_permission_that_is_demanded_is_one_there_is() -> None:
    assert {one for one in POLICY.values() if one} <= PERMISSIONS.keys()


async def test_nobody_is_let_in_without_a_key_that_stands(
    house: House, operations: list[Operation], things: dict[str, str], problem: Problem
) -> None:
    house.client.headers.pop("authorization")
    credentials: dict[str, dict[str, str]] = {
        "none": {},
        "misspelt": {"Authorization": "Bearer hr_nonsense"},
        "nobody's": {"Authorization": f"Bearer {make_key(bytes(range(40)))}"},
        "revoked": {"Authorization": f"Bearer {await lapsed(house, 'revoked_at')}"},
        "expired": {"X-API-Key": await lapsed(house, "expires_at")},
    }
    for operation in operations:
        for name, headers in credentials.items():
            answer = await ask(house.client, operation, things, headers)
            if POLICY[operation.route] is OPEN:
                assert answer.status_code != 401, operation.route
                continue
            assert (answer.status_code, problem(answer)["code"]) == (401, "unauthenticated"), (operation.route, name)
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def lapsed(house: House, column: str) -> str:
    """A key with every permission that is no good any more."""
    key = await house.key(permissions=tuple(PERMISSIONS), per_minute=1)
    public_id = key.split("_")[1]
    async with house.database.begin() as tx:
        await tx.execute(text(f"UPDATE api_keys SET {column} = now() WHERE public_id = :id"), {"id": public_id})  # noqa: S608 - our own word
    return key


async def test_a_missing_permission_is_missed_before_anything_else(
    house: House, operations: list[Operation], things: dict[str, str], problem: Problem
) -> None:
    for operation in operations:
        permission = POLICY[operation.route]
        if not permission:
            continue
        key = await house.key(permissions=tuple(PERMISSIONS.keys() - {permission}))
        answer = await ask(house.client, operation, things, {"Authorization": f"Bearer {key}"})
        assert (answer.status_code, problem(answer)["code"]) == (403, "permission_missing"), operation.route
        assert permission in answer.json()["detail"]


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_is_stopped_where_the_policy_says_and_nowhere_else(
    house: House, operations: list[Operation], things: dict[str, str], role: Role
) -> None:
    held = ROLE_PERMISSIONS[role]
    key = await house.key(permissions=tuple(held))
    for operation in operations:
        permission = POLICY[operation.route]
        if operation.is_endless and permission in held:
            continue
        answer = await ask(house.client, operation, {**things, "customer_id": "me"}, {"Authorization": f"Bearer {key}"})
        # what a job is allowed to do, its kind demands besides
        is_stopped = answer.status_code == 403 and "permission_missing" in answer.text
        assert is_stopped == bool(permission and permission not in held), (operation.route, answer.text)


async def test_what_is_another_tenants_is_as_if_it_were_not(
    house: House, operations: list[Operation], things: dict[str, str]
) -> None:
    asked = 0
    for operation in operations:
        owned = [name for name in operation.names if name not in SHARED]
        if not owned:
            continue
        missing = [name for name in owned if name not in things]
        assert not missing, f"{operation.route}: tests/fuzz/things.py makes none of {missing}"
        nowhere = {name: f"{things[name].rpartition('_')[0]}_{FAKE}" for name in owned}
        foreign = await ask(house.stranger, operation, things)
        unknown = await ask(house.stranger, operation, things | nowhere)
        assert foreign.status_code == 404, (operation.route, foreign.text)
        assert neutral(told(foreign), things, owned) == neutral(told(unknown), nowhere, owned), operation.route
        asked += 1
    assert asked > 20


def neutral(answer: tuple[object, ...], ids: dict[str, str], names: list[str]) -> str:
    """An answer without the ids that were asked for, which it may say again."""
    spelled = repr(answer)
    for name in names:
        spelled = spelled.replace(ids[name], "ID")
    return spelled


async def test_to_its_own_tenant_everything_is_there(
    house: House, operations: list[Operation], things: dict[str, str]
) -> None:
    # what deletes comes last
    for operation in sorted(operations, key=lambda one: one.method == "DELETE"):
        if operation.is_endless:
            continue
        answer = await ask(house.client, operation, things)
        wanted = {OF_STRANGERS[operation.path]} if operation.path in OF_STRANGERS else {200, 201, 202, 204, 409}
        assert answer.status_code in wanted, (operation.route, answer.text)


async def test_no_list_no_figure_and_no_export_tells_of_another_tenant(
    house: House, operations: list[Operation], things: dict[str, str]
) -> None:
    await make_things(house.stranger)
    secrets = {one for name, one in things.items() if name not in SHARED and FAKE not in one} | {house.tenant_id}
    for operation in operations:
        if operation.method != "GET" or operation.names or operation.is_endless:
            continue
        own = (await ask(house.client, operation, things)).text
        answer = await ask(house.stranger, operation, things)
        assert not [one for one in secrets if one in answer.text], operation.route
        if operation.has_cursor and "jobs" in operation.path:
            assert [one for one in secrets if one in own], "there was nothing to be told"


async def test_a_cursor_of_another_tenant_leads_into_ones_own_list_only(
    house: House, operations: list[Operation], things: dict[str, str]
) -> None:
    for client in (house.client, house.stranger, house.client):
        await make_things(client)
    followed = 0
    for operation in operations:
        if not operation.has_cursor or any(name not in SHARED for name in operation.names):
            continue
        if operation.path in OF_ALL:
            continue
        first = (await house.client.get(operation.path, params={"limit": 1})).json()
        own = {str(one) for one in (await house.client.get(operation.path)).json()["items"]}
        if first["next_cursor"] is None:
            continue
        answer = await house.stranger.get(operation.path, params={"cursor": first["next_cursor"]})
        assert answer.status_code == 200
        assert not {str(one) for one in answer.json()["items"]} & own, operation.route
        followed += 1
    assert followed >= 5


@pytest.mark.parametrize("name", ["batch_id", "schedule_id"])
async def test_filters_by_what_is_another_tenants_find_nothing(house: House, things: dict[str, str], name: str) -> None:
    if name == "schedule_id":
        await house.client.post(f"/v1/schedules/{things[name]}/trigger")
    wanted = {name: things[name]}
    assert (await house.client.get("/v1/jobs", params=wanted)).json()["items"]
    assert (await house.stranger.get("/v1/jobs", params=wanted)).json()["items"] == []
    export = await house.stranger.get("/v1/jobs/export", params={**wanted, "format": "ndjson"})
    assert (export.status_code, export.text) == (200, "")


async def test_an_idempotency_key_is_a_tenants_own(house: House) -> None:
    key = {"Idempotency-Key": "the-same"}
    first = await house.client.post("/v1/jobs", json=SUMMARIZE, headers=key)
    other = {**SUMMARIZE, "input": {"text": "Another story."}}
    second = await house.stranger.post("/v1/jobs", json=other, headers=key)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] != second.json()["id"]
    assert "idempotency-replayed" not in second.headers


async def test_conversations_and_orders_are_their_callers_own_within_a_tenant(
    house: House, operations: list[Operation], things: dict[str, str]
) -> None:
    key = await house.key(permissions=tuple(ROLE_PERMISSIONS[Role.USER]))
    for operation in operations:
        if {"conversation_id", "order_id"} & set(operation.names):
            answer = await ask(house.client, operation, things, {"Authorization": f"Bearer {key}"})
            assert answer.status_code == 404, operation.route
