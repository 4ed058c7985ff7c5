"""Changing the categories of the catalogue."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.support.shop import ADA, ADMIN, PEN, STRANGER
from tests.support.shop_api import ShopApi

GARDEN = {"slug": "garden", "name": "In the garden"}


async def test_a_category_is_made_renamed_and_removed(shop: ShopApi) -> None:
    answer = await shop.post("/v1/categories", GARDEN, by=ADMIN)
    assert (answer.status_code, answer.json()) == (201, GARDEN | {"products": 0})
    path = answer.headers["location"]
    assert (await shop.get(path)).json() == answer.json()
    assert answer.json() in (await shop.get("/v1/categories")).json()["items"]
    renamed = await shop.send("PATCH", path, {"name": "Garden"}, by=ADMIN)
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Garden")
    await shop.send("PATCH", path, {"name": "Garden"}, by=ADMIN)
    assert (await shop.send("DELETE", path, by=ADMIN)).status_code == 204
    assert problem(await shop.get(path)) == (404, "unknown_category")
    entries = (await shop.get("/v1/audit", by=ADMIN)).json()["items"]
    assert [entry["action"] for entry in entries] == ["category.removed", "category.changed", "category.created"]


async def test_the_products_of_a_category_that_is_removed_stay(shop: ShopApi) -> None:
    assert (await shop.send("DELETE", "/v1/categories/desk", by=ADMIN)).status_code == 204
    assert (await shop.get(f"/v1/products/{PEN}")).json()["categories"] == []
    assert (await shop.get("/v1/products", category="desk")).json()["items"] == []


async def test_a_slug_is_taken_once_also_by_those_who_come_at_once(shop: ShopApi) -> None:
    answers = await asyncio.gather(*(shop.post("/v1/categories", GARDEN, by=ADMIN) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"category_taken"}
    assert (await shop.post("/v1/categories", GARDEN, by=STRANGER)).status_code == 201


async def test_a_category_made_again_with_the_same_key_is_the_same(shop: ShopApi) -> None:
    key = {"Idempotency-Key": "once"}
    first, again = [await shop.send("POST", "/v1/categories", GARDEN, by=ADMIN, headers=key) for _ in range(2)]
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/slug", "/name"]),
        ({"slug": "In the garden", "name": "x"}, ["/slug"]),
        ({"slug": "garden-", "name": "x"}, ["/slug"]),
        ({"slug": "garden\n", "name": "x"}, ["/slug"]),
        ({"slug": "x" * 65, "name": ""}, ["/slug", "/name"]),
        (GARDEN | {"products": 3}, ["/products"]),
    ],
)
async def test_what_is_no_category_is_refused_by_its_fields(
    shop: ShopApi, body: dict[str, Any], pointers: list[str]
) -> None:
    answer = await shop.post("/v1/categories", body, by=ADMIN)
    assert problem(answer) == (422, "body_invalid")
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers


async def test_categories_are_taken_page_by_page(shop: ShopApi) -> None:
    whole = (await shop.get("/v1/categories")).json()
    slugs = [one["slug"] for one in whole["items"]]
    assert (slugs, whole["next_cursor"]) == (sorted(slugs), None)
    first = (await shop.get("/v1/categories", limit=3)).json()
    rest = await shop.get("/v1/categories", limit=3, cursor=first["next_cursor"])
    assert [one["slug"] for one in [*first["items"], *rest.json()["items"]]] == slugs
    assert "Link" not in rest.headers
    assert problem(await shop.get("/v1/categories", cursor="%")) == (422, "cursor_invalid")


async def test_another_tenants_categories_are_not_there(shop: ShopApi) -> None:
    for answer in (
        await shop.get("/v1/categories/desk", by=STRANGER),
        await shop.send("PATCH", "/v1/categories/desk", {"name": "Mine"}, by=STRANGER),
        await shop.send("DELETE", "/v1/categories/desk", by=STRANGER),
        await shop.get("/v1/categories/nowhere"),
    ):
        assert problem(answer) == (404, "unknown_category")
    assert (await shop.get("/v1/categories/desk")).json()["products"] == 3


async def test_who_may_only_buy_changes_nothing(shop: ShopApi) -> None:
    for answer in (
        await shop.post("/v1/categories", GARDEN),
        await shop.send("PATCH", "/v1/categories/desk", {"name": "Mine"}, by=ADA),
        await shop.send("DELETE", "/v1/categories/desk", by=ADA),
    ):
        assert problem(answer) == (403, "permission_missing")


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
