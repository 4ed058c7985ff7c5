import httpx
import pytest

from domain.orders.money import MOST
from tests.support.shop import ADA, ADMIN, BOB, STRANGER, credit_of, give_credit, wrong_books
from tests.support.shop_api import ShopApi

DEPOSIT = {"amount": {"amount": 1299, "currency": "USD"}}


async def test_the_caller_reads_their_balance(shop: ShopApi) -> None:
    await give_credit(shop.database, ADA, 500)

    expected = {"customer_id": ADA, "balance": {"amount": 500, "currency": "USD"}}
    assert (await shop.get("/v1/customers/me/balance")).json() == expected
    assert (await shop.get(f"/v1/customers/{ADA}/balance")).json() == expected
    assert (await shop.get(f"/v1/customers/{ADA}/balance", by=ADMIN)).json() == expected


async def test_who_never_had_credit_has_none(shop: ShopApi) -> None:
    answer = await shop.get("/v1/customers/me/balance", currency="EUR")

    assert answer.json() == {"customer_id": ADA, "balance": {"amount": 0, "currency": "EUR"}}


async def test_nobody_reads_the_balance_of_another(shop: ShopApi) -> None:
    assert problem(await shop.get(f"/v1/customers/{ADA}/balance", by=BOB)) == (403, "permission_missing")
    assert problem(await shop.get(f"/v1/customers/{ADA}/balance", by=STRANGER)) == (404, "unknown_customer")


@pytest.mark.parametrize(("currency", "code"), [("ABC", "unknown_currency"), ("usd", "parameter_invalid")])
async def test_a_currency_that_is_none_is_refused(shop: ShopApi, currency: str, code: str) -> None:
    assert problem(await shop.get("/v1/customers/me/balance", currency=currency)) == (422, code)


async def test_a_deposit_raises_the_balance(shop: ShopApi) -> None:
    await give_credit(shop.database, ADA, 1)

    answer = await shop.post(f"/v1/customers/{ADA}/deposits", DEPOSIT, by=ADMIN)

    assert answer.status_code == 201
    deposit = answer.json()
    assert deposit.pop("id").startswith("transfer_")
    assert deposit == {
        "customer_id": ADA,
        "amount": {"amount": 1299, "currency": "USD"},
        "balance": {"amount": 1300, "currency": "USD"},
    }
    assert await wrong_books(shop.database) == []


async def test_a_manager_deposits_for_themselves(shop: ShopApi) -> None:
    assert (await shop.post("/v1/customers/me/deposits", DEPOSIT, by=ADMIN)).json()["customer_id"] == ADMIN


async def test_depositing_takes_a_permission(shop: ShopApi) -> None:
    assert problem(await shop.post("/v1/customers/me/deposits", DEPOSIT)) == (403, "permission_missing")
    assert await credit_of(shop.database, ADA) == 0


@pytest.mark.parametrize("customer_id", [STRANGER, "user_" + "f" * 32, "nobody"])
async def test_nothing_is_deposited_for_who_is_not_there(shop: ShopApi, customer_id: str) -> None:
    answer = await shop.post(f"/v1/customers/{customer_id}/deposits", DEPOSIT, by=ADMIN)

    assert problem(answer) == (404, "unknown_customer")


@pytest.mark.parametrize(
    "amount",
    [
        {"amount": 0, "currency": "USD"},
        {"amount": -5, "currency": "USD"},
        {"amount": MOST + 1, "currency": "USD"},
        {"amount": 2**70, "currency": "USD"},
        {"amount": 1.5, "currency": "USD"},
        {"amount": 5, "currency": "ABC"},
        {"amount": 5},
        5,
    ],
)
async def test_what_is_no_deposit_is_refused(shop: ShopApi, amount: object) -> None:
    answer = await shop.post("/v1/customers/me/deposits", {"amount": amount}, by=ADMIN)

    assert problem(answer) == (422, "body_invalid")
    assert answer.json()["errors"][0]["pointer"].startswith("/amount")


async def test_a_balance_that_would_overflow_is_refused(shop: ShopApi) -> None:
    await give_credit(shop.database, ADA, MOST)

    assert problem(await shop.post(f"/v1/customers/{ADA}/deposits", DEPOSIT, by=ADMIN)) == (409, "balance_full")
    assert await wrong_books(shop.database) == []


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
