"""Reviews: one of each customer and product, counted in the product from the same moment on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from domain.ids import JobId, OrderId
from domain.orders.money import Money
from domain.orders.order import Bill, NewOrder, OrderLine, Status
from runtime.unique_ids import new_id
from storage.orders import write_order
from tests.support.shop import ADA, ADMIN, BOB, PEN, STRANGER, TENANT, TENT, wrong_books
from tests.support.shop_api import ShopApi

REVIEWS = f"/v1/products/{PEN}/reviews"
PRAISE: dict[str, Any] = {"rating": 5, "title": "Smooth", "text": "Takes any ink."}


@pytest.fixture(autouse=True)
async def the_books_are_right(shop: ShopApi) -> AsyncIterator[None]:
    yield
    reviewed = [line for line in await wrong_books(shop.database) if "reviews" in line]
    assert reviewed == []


async def write(shop: ShopApi, rating: int = 5, *, by: str = ADA, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    answer = await shop.post(REVIEWS, {"rating": rating} | more, by=by)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def standing(shop: ShopApi) -> tuple[float | None, int]:
    product = (await shop.get(f"/v1/products/{PEN}")).json()
    return product["rating"], product["reviews"]


async def told_of(shop: ShopApi) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await shop.get("/v1/domain-events", by=ADMIN, type="product.reviewed")).json()[
        "items"
    ]
    return found


async def test_a_review_is_written_shown_listed_and_counted(shop: ShopApi) -> None:
    answer = await shop.post(REVIEWS, PRAISE)
    review = answer.json()
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{REVIEWS}/{review['id']}"
    assert {name: review[name] for name in PRAISE} == PRAISE
    assert (review["product_id"], review["customer_id"], review["verified_purchase"]) == (PEN, ADA, False)
    assert review["created_at"] == review["updated_at"]
    assert (await shop.get(answer.headers["location"], by=BOB)).json() == review
    assert (await shop.get(REVIEWS, by=BOB)).json() == {"items": [review], "next_cursor": None}
    assert await standing(shop) == (5.0, 1)
    listed = (await shop.get("/v1/products", q="fountain")).json()["items"]
    assert [(one["rating"], one["reviews"]) for one in listed] == [(5.0, 1)]


async def test_stars_are_enough_and_their_mean_is_to_a_hundredth(shop: ShopApi) -> None:
    for by, rating in ((ADA, 5), (BOB, 4), (ADMIN, 4)):
        await write(shop, rating, by=by)
    assert await standing(shop) == (4.33, 3)


async def test_who_had_bought_it_is_marked(shop: ShopApi) -> None:
    await sell(shop, ADA, Status.PAID)
    await sell(shop, BOB, Status.PAYMENT_FAILED)
    assert (await write(shop, by=ADA))["verified_purchase"] is True
    assert (await write(shop, by=BOB))["verified_purchase"] is False


async def test_a_second_review_of_a_product_is_refused_and_names_the_first(shop: ShopApi) -> None:
    first = await write(shop)
    answer = await shop.post(REVIEWS, {"rating": 1})
    assert problem(answer) == (409, "already_reviewed")
    assert first["id"] in answer.json()["detail"]
    assert await standing(shop) == (5.0, 1)
    assert (await shop.post(f"/v1/products/{TENT}/reviews", PRAISE)).status_code == 201


async def test_of_reviews_sent_at_once_one_is_written(shop: ShopApi) -> None:
    answers = await asyncio.gather(*(shop.post(REVIEWS, {"rating": rating}) for rating in (1, 2, 3, 4, 5, 1, 2, 3)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    [review] = (await shop.get(REVIEWS)).json()["items"]
    assert await standing(shop) == (float(review["rating"]), 1)
    assert [event["data"]["review_id"] for event in await told_of(shop)] == [review["id"]]


async def test_what_several_write_change_and_remove_at_once_is_all_counted(shop: ShopApi) -> None:
    who = (ADA, BOB, ADMIN)
    made = await asyncio.gather(*(write(shop, 3, by=by) for by in who))
    assert await standing(shop) == (3.0, 3)
    paths = [(by, f"{REVIEWS}/{one['id']}") for by, one in zip(who, made, strict=True)]
    await asyncio.gather(
        *(shop.send("PATCH", path, {"rating": stars}, by=by) for stars in (1, 4, 5) for by, path in paths)
    )
    shown = [one["rating"] for one in (await shop.get(REVIEWS)).json()["items"]]
    assert await standing(shop) == (round(sum(shown) / 3, 2), 3)
    await asyncio.gather(
        *(shop.send("PATCH", path, {"rating": 2}, by=by) for by, path in paths),
        *(shop.send("DELETE", path, by=ADMIN) for _, path in paths),
    )
    assert await standing(shop) == (None, 0)


async def test_the_tenant_is_told_of_a_review_and_not_of_its_words(shop: ShopApi) -> None:
    await write(shop, 4, by=BOB)
    review = await write(shop, title="Smooth", text="Takes any ink.")
    event, _ = await told_of(shop)
    assert (event["source"], event["subject"]) == ("/v1/products", PEN)
    assert event["data"] == {
        "review_id": review["id"],
        "product_id": PEN,
        "sku": "DSK-PEN-01",
        "name": "Fountain pen",
        "customer_id": ADA,
        "rating": 5,
        "verified_purchase": False,
        "product_rating": 4.5,
        "product_reviews": 2,
    }


async def test_an_endpoint_that_asks_for_reviews_is_told_of_one(shop: ShopApi) -> None:
    endpoint = {"url": "https://93.184.216.34/hooks", "events": ["product.*"]}
    answer = await shop.post("/v1/webhooks", endpoint, by=ADMIN)
    assert answer.status_code == 201, answer.text
    await write(shop)
    [delivery] = (await shop.get(f"/v1/webhooks/{answer.json()['id']}/deliveries", by=ADMIN)).json()["items"]
    assert (delivery["type"], delivery["subject"]) == ("product.reviewed", PEN)


async def test_a_review_sent_again_with_its_key_is_the_first_answer(shop: ShopApi) -> None:
    key = {"Idempotency-Key": "once"}
    first = await shop.send("POST", REVIEWS, PRAISE, headers=key)
    again = await shop.send("POST", REVIEWS, PRAISE, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert problem(await shop.send("POST", REVIEWS, {"rating": 1}, headers=key)) == (422, "idempotency_key_reused")
    assert await standing(shop) == (5.0, 1)


async def test_a_customer_changes_their_review(shop: ShopApi) -> None:
    await write(shop, 3, by=BOB)
    review = await write(shop, 5, title="Smooth", text="Takes any ink.")
    answer = await shop.send("PATCH", f"{REVIEWS}/{review['id']}", {"rating": 2, "title": ""})
    changed = answer.json()
    assert answer.status_code == 200, answer.text
    assert changed == review | {"rating": 2, "title": "", "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > review["updated_at"]
    assert await standing(shop) == (2.5, 2)
    assert len(await told_of(shop)) == 2


@pytest.mark.parametrize("changes", [{}, {"rating": 5}, {"rating": 5, "title": "Smooth", "text": "Takes any ink."}])
async def test_a_change_to_what_a_review_says_already_leaves_it_as_it_was(
    shop: ShopApi, changes: dict[str, Any]
) -> None:
    review = await write(shop, 5, title="Smooth", text="Takes any ink.")
    answer = await shop.send("PATCH", f"{REVIEWS}/{review['id']}", changes)
    assert (answer.status_code, answer.json()) == (200, review)
    for field, value in (("rating", 4), ("title", ""), ("text", "Takes most ink.")):
        changed = (await shop.send("PATCH", f"{REVIEWS}/{review['id']}", {field: value})).json()
        assert (changed[field], changed["updated_at"] > review["updated_at"]) == (value, True)
        review = changed


async def test_nobody_changes_or_removes_the_review_of_another_but_who_moderates(shop: ShopApi) -> None:
    path = f"{REVIEWS}/{(await write(shop))['id']}"
    for by in (BOB, ADMIN):
        assert problem(await shop.send("PATCH", path, {"rating": 1}, by=by)) == (403, "review_of_another")
    assert problem(await shop.send("DELETE", path, by=BOB)) == (403, "review_of_another")
    assert (await shop.send("DELETE", path, by=ADMIN)).status_code == 204
    assert problem(await shop.get(path)) == (404, "review_not_found")
    assert await standing(shop) == (None, 0)
    [entry] = (await shop.get("/v1/audit", by=ADMIN)).json()["items"]
    assert entry["action"] == "review.removed"
    assert entry["before"] == {"product_id": PEN, "customer_id": ADA, "rating": 5}


async def test_who_removed_their_review_may_write_another(shop: ShopApi) -> None:
    path = f"{REVIEWS}/{(await write(shop, 1))['id']}"
    assert (await shop.send("DELETE", path)).status_code == 204
    assert problem(await shop.send("DELETE", path)) == (404, "review_not_found")
    await write(shop, 4)
    assert await standing(shop) == (4.0, 1)
    assert (await shop.get("/v1/audit", by=ADMIN)).json()["items"] == []


async def test_reviews_are_listed_by_their_stars_and_page_by_page(shop: ShopApi) -> None:
    ids = [(await write(shop, rating, by=by))["id"] for by, rating in ((ADA, 5), (BOB, 1), (ADMIN, 5))]
    first = (await shop.get(REVIEWS, limit=2)).json()
    rest = (await shop.get(REVIEWS, limit=2, cursor=first["next_cursor"])).json()
    assert [item["id"] for item in [*first["items"], *rest["items"]]] == ids[::-1]
    assert rest["next_cursor"] is None
    assert [item["id"] for item in (await shop.get(REVIEWS, rating=5)).json()["items"]] == [ids[2], ids[0]]
    wrong: list[dict[str, Any]] = [{"rating": 0}, {"rating": 6}, {"rating": "all"}, {"stars": 5}, {"cursor": "x"}]
    for query in wrong:
        assert (await shop.get(REVIEWS, **query)).status_code == 422, query


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/rating"]),
        ({"rating": 0}, ["/rating"]),
        ({"rating": 6}, ["/rating"]),
        ({"rating": 4.5}, ["/rating"]),
        ({"rating": "5"}, ["/rating"]),
        ({"rating": 5, "title": "x" * 201, "text": "x" * 10_001}, ["/title", "/text"]),
        ({"rating": 5, "text": None, "stars": 5}, ["/stars", "/text"]),
        ({"rating": 5, "text": "a\0b"}, ["/text"]),
    ],
)
async def test_what_is_no_review_is_refused_by_its_fields(
    shop: ShopApi, body: dict[str, Any], pointers: list[str]
) -> None:
    answer = await shop.post(REVIEWS, body)
    assert problem(answer) == (422, "body_invalid")
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers


async def test_reviews_of_what_is_not_there_are_not_there(shop: ShopApi) -> None:
    review = await write(shop)
    for product in ("product_" + "f" * 32, "pen"):
        path = f"/v1/products/{product}/reviews"
        for answer in await ask_all(shop, path, f"{path}/{review['id']}", by=ADA):
            assert problem(answer) == (404, "unknown_product")
    for path in (f"/v1/products/{TENT}/reviews/{review['id']}", f"{REVIEWS}/mine"):
        assert problem(await shop.get(path)) == (404, "review_not_found")
        assert problem(await shop.send("DELETE", path)) == (404, "review_not_found")


async def test_another_tenant_finds_neither_product_nor_review(shop: ShopApi) -> None:
    review = await write(shop)
    for answer in await ask_all(shop, REVIEWS, f"{REVIEWS}/{review['id']}", by=STRANGER):
        assert problem(answer) == (404, "unknown_product")
    assert await standing(shop) == (5.0, 1)


async def ask_all(shop: ShopApi, reviews: str, review: str, *, by: str) -> list[httpx.Response]:
    return [
        await shop.get(reviews, by=by),
        await shop.post(reviews, PRAISE, by=by),
        await shop.get(review, by=by),
        await shop.send("PATCH", review, {"rating": 1}, by=by),
        await shop.send("DELETE", review, by=by),
    ]


async def sell(shop: ShopApi, customer_id: str, status: Status) -> None:
    """Write an order of a pen."""
    price = Money(amount=0, currency="USD")
    line = OrderLine(product_id=PEN, name="Fountain pen", unit_price=price, quantity=1)
    order = NewOrder(
        id=OrderId(new_id("order")),
        tenant_id=TENANT,
        customer_id=customer_id,
        job_id=JobId(new_id("job")),
        status=status,
        bill=Bill(lines=(line,), total=price),
        ship_to=None,
        ship_job_id=None,
    )
    async with shop.database.begin() as tx:
        await write_order(tx, order)


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
