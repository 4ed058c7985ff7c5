from typing import Any

import httpx
import pytest

from domain.ids import JobId, OrderId
from domain.orders.money import Money
from domain.orders.order import Address, Bill, NewOrder, OrderLine, Status
from storage.orders import write_order
from tests.support.shop import ADA, ADMIN, BOB, PEN, STRANGER, TENANT
from tests.support.shop_api import ShopApi

CART = {"lines": [{"product_id": PEN, "quantity": 2}]}


async def test_placing_an_order_submits_a_job(shop: ShopApi) -> None:
    answer = await shop.post("/v1/orders?priority=7&tag=web", CART)

    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["Location"].endswith(f"/v1/jobs/{job['id']}")
    assert (job["kind"], job["state"], job["priority"], job["tags"]) == ("orders.place", "queued", 7, ["web"])
    assert job["input"]["lines"] == CART["lines"]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"lines": []}, "/lines"),
        ({"lines": [{"product_id": PEN, "quantity": 0}]}, "/lines/0/quantity"),
        ({"lines": [{"product_id": "pen", "quantity": 1}]}, "/lines/0/product_id"),
        ({**CART, "coupon": "x"}, "/coupon"),
        ({**CART, "ship_to": {"name": "A", "street": "B", "city": "C", "country": "Germany"}}, "/ship_to/country"),
    ],
)
async def test_a_cart_that_is_none_is_refused(shop: ShopApi, wrong: object, pointer: str) -> None:
    answer = await shop.post("/v1/orders", wrong)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/jobs"])
async def test_ordering_for_somebody_else_takes_a_permission(shop: ShopApi, path: str) -> None:
    cart = {**CART, "customer_id": BOB}
    body = cart if path == "/v1/orders" else {"kind": "orders.place", "input": cart}

    assert problem(await shop.post(path, body)) == (403, "permission_missing")
    assert (await shop.post(path, body, by=ADMIN)).status_code == 202


async def test_shipping_takes_a_permission(shop: ShopApi) -> None:
    body = {"kind": "orders.ship", "input": {"order_id": order_id(1)}}

    assert problem(await shop.post("/v1/jobs", body)) == (403, "permission_missing")
    assert (await shop.post("/v1/jobs", body, by=ADMIN)).status_code == 202


async def test_an_order_is_shown_whole(shop: ShopApi) -> None:
    await place(shop, 1, customer_id=ADA)

    answer = await shop.get(f"/v1/orders/{order_id(1)}")

    assert answer.status_code == 200
    order = answer.json()
    assert order.pop("created_at").endswith("Z")
    assert order == {
        "id": order_id(1),
        "status": "paid",
        "customer_id": ADA,
        "job_id": f"job_{1:032x}",
        "total": {"amount": 9000, "currency": "USD"},
        "lines": [
            {
                "product_id": PEN,
                "name": "Fountain pen",
                "unit_price": {"amount": 4500, "currency": "USD"},
                "quantity": 2,
            }
        ],
        "ship_to": {
            "name": "Ada",
            "street": "St James's Square 12",
            "city": "London",
            "country": "GB",
            "postal_code": None,
            "region": None,
        },
        "shipped_at": None,
        "cancelled_at": None,
        "links": {
            "self": f"http://shop.example/v1/orders/{order_id(1)}",
            "job": f"http://shop.example/v1/jobs/job_{1:032x}",
        },
    }


async def test_an_order_is_shown_to_whose_it_is_and_to_managers(shop: ShopApi) -> None:
    await place(shop, 1, customer_id=ADA)
    path = f"/v1/orders/{order_id(1)}"

    assert (await shop.get(path, by=ADMIN)).status_code == 200
    assert problem(await shop.get(path, by=BOB)) == (404, "unknown_order")
    assert problem(await shop.get(path, by=STRANGER)) == (404, "unknown_order")


async def test_everybody_lists_their_own_orders_and_managers_all(shop: ShopApi) -> None:
    for number in range(3):
        await place(shop, number, customer_id=BOB if number == 1 else ADA)

    assert await listed(shop, by=ADA) == [2, 0]
    assert await listed(shop, by=BOB) == [1]
    assert await listed(shop, by=ADMIN) == [2, 1, 0]
    assert await listed(shop, by=ADMIN, customer_id=BOB) == [1]
    assert await listed(shop, by=ADMIN, status="cancelled") == []
    assert await listed(shop, by=STRANGER) == []
    assert problem(await shop.get("/v1/orders", by=ADA, customer_id=BOB)) == (403, "permission_missing")


async def test_pages_of_orders_follow_the_cursor(shop: ShopApi) -> None:
    for number in range(5):
        await place(shop, number, customer_id=ADA)

    first = (await shop.get("/v1/orders", limit=3)).json()
    second = (await shop.get("/v1/orders", limit=3, cursor=first["next_cursor"])).json()

    assert [one["id"] for one in first["items"] + second["items"]] == [order_id(n) for n in (4, 3, 2, 1, 0)]
    assert second["next_cursor"] is None


async def place(shop: ShopApi, number: int, *, customer_id: str) -> None:
    price = Money(amount=4500, currency="USD")
    order = NewOrder(
        id=order_id(number),
        tenant_id=TENANT,
        customer_id=customer_id,
        job_id=JobId(f"job_{number:032x}"),
        status=Status.PAID,
        bill=Bill(
            lines=(OrderLine(product_id=PEN, name="Fountain pen", unit_price=price, quantity=2),),
            total=Money(amount=9000, currency="USD"),
        ),
        ship_to=Address(name="Ada", street="St James's Square 12", city="London", country="GB"),
        ship_job_id=None,
    )
    async with shop.database.begin() as tx:
        await write_order(tx, order)


async def listed(shop: ShopApi, *, by: str, **query: Any) -> list[int]:  # noqa: ANN401 - a query's values
    answer = await shop.get("/v1/orders", by=by, **query)
    assert answer.status_code == 200, answer.text
    return [int(order["id"].removeprefix("order_"), 16) for order in answer.json()["items"]]


def order_id(number: int) -> OrderId:
    return OrderId(f"order_{number:032x}")


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
