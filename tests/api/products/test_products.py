"""Changing the catalogue: products, and stock that leaves a movement for each change."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from api.paging import read_cursor_text, spell_cursor
from tests.support.shop import ADA, ADMIN, PEN, STRANGER, TENT, leave_in_stock, stock_of, wrong_books
from tests.support.shop_api import ShopApi

TROWEL: dict[str, Any] = {
    "sku": "GRD-TRW-01",
    "name": "Trowel",
    "description": "Ash handle.",
    "price": {"amount": 1850, "currency": "USD"},
    "stock": 40,
    "categories": ["outdoors", "desk"],
}
MOVEMENTS = f"/v1/products/{PEN}/movements"


@pytest.fixture(autouse=True)
async def the_books_are_right(shop: ShopApi) -> AsyncIterator[None]:
    yield
    assert await wrong_books(shop.database) == []


async def make(shop: ShopApi, **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    answer = await shop.post("/v1/products", TROWEL | changed, by=ADMIN)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def acts(shop: ShopApi) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await shop.get("/v1/audit", by=ADMIN)).json()["items"]
    return found


async def test_a_product_is_put_into_the_catalogue_with_what_there_is_of_it(shop: ShopApi) -> None:
    answer = await shop.post("/v1/products", TROWEL, by=ADMIN)
    made = answer.json()
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/products/{made['id']}"
    assert {name: made[name] for name in TROWEL} == TROWEL | {"categories": ["desk", "outdoors"]}
    assert (made["rating"], made["reviews"]) == (None, 0)
    assert (await shop.get(answer.headers["location"])).json() == made
    assert (await shop.get("/v1/products", q="trowel")).json()["items"] == [made]
    [movement] = (await shop.get(f"/v1/products/{made['id']}/movements", by=ADMIN)).json()["items"]
    assert (movement["change"], movement["reason"], movement["order_id"]) == (40, "received", None)
    [entry] = await acts(shop)
    assert (entry["action"], entry["target"], entry["after"]["sku"]) == ("product.created", made["id"], "GRD-TRW-01")


async def test_a_product_needs_a_sku_a_name_and_a_price(shop: ShopApi) -> None:
    bare = {name: TROWEL[name] for name in ("sku", "name", "price")}
    made = (await shop.post("/v1/products", bare, by=ADMIN)).json()
    assert (made["description"], made["stock"], made["categories"]) == ("", 0, [])
    assert (await shop.get(f"/v1/products/{made['id']}/movements", by=ADMIN)).json()["items"] == []


async def test_a_sku_is_taken_once_also_by_those_who_come_at_once(shop: ShopApi) -> None:
    answers = await asyncio.gather(*(shop.post("/v1/products", TROWEL, by=ADMIN) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"sku_taken"}
    assert (await shop.post("/v1/products", TROWEL | {"categories": []}, by=STRANGER)).status_code == 201


async def test_a_product_made_again_with_the_same_key_is_the_same(shop: ShopApi) -> None:
    key = {"Idempotency-Key": "once"}
    first = await shop.send("POST", "/v1/products", TROWEL, by=ADMIN, headers=key)
    again = await shop.send("POST", "/v1/products", TROWEL, by=ADMIN, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    ("changed", "pointers"),
    [
        ({"sku": ""}, ["/sku"]),
        ({"sku": "a b"}, ["/sku"]),
        ({"sku": "AB-1\n"}, ["/sku"]),
        ({"name": "", "description": "x" * 10_001}, ["/name", "/description"]),
        ({"price": {"amount": -1, "currency": "USD"}}, ["/price/amount"]),
        ({"price": {"amount": 10**9 + 1, "currency": "USD"}}, ["/price/amount"]),
        ({"price": {"amount": 1, "currency": "ABC"}}, ["/price/currency"]),
        ({"price": 1850}, ["/price"]),
        ({"stock": -1}, ["/stock"]),
        ({"stock": 1.5}, ["/stock"]),
        ({"categories": ["desk", "Desk"]}, ["/categories/1"]),
        ({"categories": ["desk", "nowhere", "elsewhere"]}, ["/categories/1", "/categories/2"]),
        ({"rating": 5}, ["/rating"]),
    ],
)
async def test_what_is_no_product_is_refused_by_its_fields(
    shop: ShopApi, changed: dict[str, Any], pointers: list[str]
) -> None:
    answer = await shop.post("/v1/products", TROWEL | changed, by=ADMIN)
    assert problem(answer) == (422, "body_invalid")
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers
    assert (await shop.get("/v1/products", q="Trowel")).json()["items"] == []


async def test_a_change_leaves_what_it_does_not_name(shop: ShopApi) -> None:
    made = await make(shop)
    path = f"/v1/products/{made['id']}"
    dearer = await shop.send("PATCH", path, {"price": {"amount": 2000, "currency": "EUR"}}, by=ADMIN)
    assert dearer.json() == made | {"price": {"amount": 2000, "currency": "EUR"}}
    moved = await shop.send("PATCH", path, {"name": "Spade", "categories": ["kitchen"]}, by=ADMIN)
    assert moved.json() == dearer.json() | {"name": "Spade", "categories": ["kitchen"]}
    assert (await shop.send("PATCH", path, {"categories": []}, by=ADMIN)).json()["categories"] == []
    entry = (await acts(shop))[1]
    assert (entry["action"], entry["before"]["name"], entry["after"]["name"]) == ("product.changed", "Trowel", "Spade")


async def test_a_change_of_nothing_or_to_nonsense_changes_nothing(shop: ShopApi) -> None:
    made = await make(shop)
    path = f"/v1/products/{made['id']}"
    assert (await shop.send("PATCH", path, {"name": "Trowel"}, by=ADMIN)).json() == made
    for body, pointer in (
        ({"sku": "X"}, "/sku"),
        ({"stock": 3}, "/stock"),
        ({"name": None}, "/name"),
        ({"name": "Spade", "categories": ["nowhere"]}, "/categories/0"),
    ):
        answer = await shop.send("PATCH", path, body, by=ADMIN)
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert (await shop.get(path)).json() == made
    assert [entry["action"] for entry in await acts(shop)] == ["product.created"]


async def test_stock_is_moved_and_every_movement_stays(shop: ShopApi) -> None:
    received = await shop.post(MOVEMENTS, {"change": 25, "reason": "received"}, by=ADMIN)
    assert received.status_code == 201, received.text
    made = received.json()
    assert (made["product_id"], made["change"], made["reason"], made["stock"]) == (PEN, 25, "received", 225)
    counted = (await shop.post(MOVEMENTS, {"change": -5}, by=ADMIN)).json()
    assert (counted["reason"], counted["stock"]) == ("adjusted", 220)
    assert (await shop.get(f"/v1/products/{PEN}")).json()["stock"] == 220
    first = (await shop.get(MOVEMENTS, by=ADMIN, limit=2)).json()
    assert [item | {"stock": 220} for item in first["items"]] == [counted, made | {"stock": 220}]
    rest = (await shop.get(MOVEMENTS, by=ADMIN, limit=2, cursor=first["next_cursor"])).json()
    assert ([item["change"] for item in rest["items"]], rest["next_cursor"]) == ([200], None)
    assert [(entry["action"], entry["after"]["stock"]) for entry in await acts(shop)] == [
        ("stock.moved", 220),
        ("stock.moved", 225),
    ]


async def test_a_movement_is_found_where_its_answer_says_and_under_no_other_product(shop: ShopApi) -> None:
    body, headers = {"change": 25, "reason": "received"}, {"Idempotency-Key": "k"}
    received = await shop.send("POST", MOVEMENTS, body, by=ADMIN, headers=headers)
    made = received.json()
    assert received.headers["location"] == f"{MOVEMENTS}/{made['id']}"
    assert (await shop.get(received.headers["location"], by=ADMIN)).json() | {"stock": 225} == made
    again = await shop.send("POST", MOVEMENTS, body, by=ADMIN, headers=headers)
    assert again.headers["location"] == received.headers["location"]
    for path, code in (
        (f"/v1/products/{TENT}/movements/{made['id']}", "movement_not_found"),
        (f"{MOVEMENTS}/movement_{'0' * 32}", "movement_not_found"),
        (f"/v1/products/none/movements/{made['id']}", "unknown_product"),
    ):
        answer = await shop.get(path, by=ADMIN)
        assert (answer.status_code, answer.json()["code"]) == (404, code)
    assert (await shop.get(received.headers["location"], by=STRANGER)).status_code == 404


async def test_movements_are_known_by_ids_that_tell_when_and_not_how_many(shop: ShopApi) -> None:
    for _ in range(4):
        assert (await shop.post(MOVEMENTS, {"change": 1}, by=ADMIN)).status_code == 201
    pages = [(await shop.get(MOVEMENTS, by=ADMIN, limit=2)).json()]
    while cursor := pages[-1]["next_cursor"]:
        pages.append((await shop.get(MOVEMENTS, by=ADMIN, limit=2, cursor=cursor)).json())
    items = [item for page in pages for item in page["items"]]
    assert [item["change"] for item in items] == [1, 1, 1, 1, 200]
    ids = [item["id"] for item in items]
    assert ids == sorted(set(ids), reverse=True)
    assert [read_cursor_text(page["next_cursor"]) for page in pages[:-1]] == [ids[1], ids[3]]
    for item in items:
        assert re.fullmatch("movement_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}", item["id"])
        made_at = datetime.fromisoformat(item["created_at"]).timestamp()
        assert abs(int(item["id"][9:21], 16) / 1000 - made_at) < 60


async def test_a_page_after_a_movement_of_another_product_is_empty(shop: ShopApi) -> None:
    [of_tent] = (await shop.get(f"/v1/products/{TENT}/movements", by=ADMIN)).json()["items"]
    page = await shop.get(MOVEMENTS, by=ADMIN, cursor=spell_cursor(of_tent["id"]))
    assert (page.status_code, page.json()) == (200, {"items": [], "next_cursor": None})


async def test_a_movement_sent_again_with_its_key_moves_nothing_more(shop: ShopApi) -> None:
    key = {"Idempotency-Key": "once"}
    for _ in range(2):
        answer = await shop.send("POST", MOVEMENTS, {"change": 25}, by=ADMIN, headers=key)
        assert (answer.status_code, answer.json()["stock"]) == (201, 225)
    assert await stock_of(shop.database, PEN) == 225


async def test_stock_that_falls_to_five_is_told_of_once(shop: ShopApi) -> None:
    await leave_in_stock(shop.database, PEN, 8)
    for change in (-2, -1, -1, 3, -3):
        assert (await shop.post(MOVEMENTS, {"change": change}, by=ADMIN)).status_code == 201
    told = (await shop.get("/v1/domain-events", by=ADMIN, type="stock.low")).json()["items"]
    assert [(event["subject"], event["data"]["stock"]) for event in told] == [(PEN, 4), (PEN, 5)]


async def test_no_more_goes_than_there_is_however_many_take_at_once(shop: ShopApi) -> None:
    await leave_in_stock(shop.database, PEN, 10)
    answers = await asyncio.gather(*(shop.post(MOVEMENTS, {"change": -4}, by=ADMIN) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"out_of_stock"}
    assert await stock_of(shop.database, PEN) == 2
    assert problem(await shop.post(MOVEMENTS, {"change": 10**9}, by=ADMIN)) == (409, "stock_full")


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/change"]),
        ({"change": 0}, ["/change"]),
        ({"change": "5"}, ["/change"]),
        ({"change": 10**9 + 1}, ["/change"]),
        ({"change": 1, "reason": "sold"}, ["/reason"]),
        ({"change": 1, "reason": "returned", "order_id": "x"}, ["/order_id", "/reason"]),
    ],
)
async def test_what_is_no_movement_is_refused_by_its_fields(
    shop: ShopApi, body: dict[str, Any], pointers: list[str]
) -> None:
    answer = await shop.post(MOVEMENTS, body, by=ADMIN)
    assert problem(answer) == (422, "body_invalid")
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers


async def test_who_may_only_buy_changes_nothing(shop: ShopApi) -> None:
    for answer in await ask_all(shop, PEN, by=ADA):
        assert problem(answer) == (403, "permission_missing")
    assert problem(await shop.post("/v1/products", TROWEL, by=ADA)) == (403, "permission_missing")


async def test_products_that_are_not_there_are_not_there(shop: ShopApi) -> None:
    for product_id, by in ((PEN, STRANGER), ("product_" + "f" * 32, ADMIN), ("pen", ADMIN)):
        for answer in await ask_all(shop, product_id, by=by):
            assert problem(answer) == (404, "unknown_product")
    assert await stock_of(shop.database, PEN) == 200


async def ask_all(shop: ShopApi, product_id: str, *, by: str) -> list[httpx.Response]:
    path = f"/v1/products/{product_id}"
    return [
        await shop.send("PATCH", path, {"name": "Mine"}, by=by),
        await shop.post(f"{path}/movements", {"change": 1}, by=by),
        await shop.get(f"{path}/movements", by=by),
    ]


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
