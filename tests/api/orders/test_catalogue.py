from typing import Any

import httpx
import pytest

from tests.support.shop import PEN, STRANGER, TENT, leave_in_stock
from tests.support.shop_api import ShopApi


async def test_categories_are_listed_with_their_products(shop: ShopApi) -> None:
    answer = await shop.get("/v1/categories")

    assert answer.status_code == 200
    assert {"slug": "desk", "name": "Desk and paper", "products": 3} in answer.json()["items"]


async def test_a_product_is_shown_whole(shop: ShopApi) -> None:
    answer = await shop.get(f"/v1/products/{PEN}")

    assert answer.status_code == 200
    product = answer.json()
    assert product.pop("created_at").endswith("Z")
    assert product == {
        "id": PEN,
        "sku": "DSK-PEN-01",
        "name": "Fountain pen",
        "description": "Steel nib, medium; takes bottled ink.",
        "price": {"amount": 4500, "currency": "USD"},
        "stock": 200,
        "categories": ["desk"],
        "rating": None,
        "reviews": 0,
    }


@pytest.mark.parametrize("unknown", ["product_" + "f" * 32, "pen", "%00", "product_'"])
async def test_a_product_that_is_not_there_is_not_found(shop: ShopApi, unknown: str) -> None:
    assert (await shop.get(f"/v1/products/{unknown}")).status_code in {400, 404}


async def test_another_tenants_products_are_not_there(shop: ShopApi) -> None:
    assert problem(await shop.get(f"/v1/products/{PEN}", by=STRANGER)) == (404, "unknown_product")
    assert (await shop.get("/v1/products", by=STRANGER)).json()["items"] == []
    assert (await shop.get("/v1/categories", by=STRANGER)).json()["items"] == []


async def test_products_are_searched_filtered_and_sorted(shop: ShopApi) -> None:
    await leave_in_stock(shop.database, TENT, 0)

    assert await names(shop, q="lamp", sort="price") == ["Head lamp", "Reading lamp"]
    assert await names(shop, category="desk", sort="-price") == ["Reading lamp", "Fountain pen", "Notebook, A5"]
    assert await names(shop, in_stock="false") == ["Tent for two"]
    assert await names(shop, q="tent", in_stock="true") == []


async def test_pages_of_products_follow_the_cursor(shop: ShopApi) -> None:
    whole = await names(shop, sort="name", limit=100)
    seen: list[str] = []
    query: dict[str, Any] = {"sort": "name", "limit": 5}
    while True:
        answer = await shop.get("/v1/products", **query)
        seen += [product["name"] for product in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
        assert ("Link" in answer.headers) == (cursor is not None)
        if cursor is None:
            break
        query["cursor"] = cursor

    assert seen == whole
    assert len(whole) >= 12


@pytest.mark.parametrize(
    "query",
    [{"sort": "weight"}, {"limit": 0}, {"limit": 1000}, {"cursor": "garbage"}, {"in_stock": "maybe"}, {"q": ""}],
)
async def test_a_query_that_is_none_is_refused(shop: ShopApi, query: dict[str, Any]) -> None:
    assert (await shop.get("/v1/products", **query)).status_code == 422


async def names(shop: ShopApi, **query: Any) -> list[str]:  # noqa: ANN401 - a query's values
    answer = await shop.get("/v1/products", **query)
    assert answer.status_code == 200, answer.text
    return [product["name"] for product in answer.json()["items"]]


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
