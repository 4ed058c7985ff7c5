import json
from typing import Any

import msgspec
import pytest

from domain.accounts.user import Caller, PermissionMissing
from domain.orders.place_order import PLACE_ORDER, PlaceOrder

PEN = "product_" + "1" * 32
ADA = "user_" + "a" * 32
BOB = "user_" + "b" * 32


def test_a_cart_is_read() -> None:
    cart = read({"lines": [{"product_id": PEN, "quantity": 2}]})

    assert (cart.lines[0].product_id, cart.lines[0].quantity, cart.ship_to, cart.customer_id) == (PEN, 2, None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lines": []},
        {"lines": [{"product_id": PEN, "quantity": 1}] * 101},
        {"lines": [{"product_id": PEN, "quantity": 0}]},
        {"lines": [{"product_id": PEN, "quantity": 1001}]},
        {"lines": [{"product_id": PEN, "quantity": 1.5}]},
        {"lines": [{"product_id": "pen", "quantity": 1}]},
        {"lines": [{"product_id": PEN, "quantity": 1, "price": 1}]},
        {"lines": [{"product_id": PEN, "quantity": 1}], "customer_id": "ada"},
        {"lines": [{"product_id": PEN, "quantity": 1}], "ship_to": {"name": "Ada"}},
        {"lines": [{"product_id": PEN, "quantity": 1}], "total": 1},
    ],
)
def test_a_cart_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(wrong)


def test_anybody_may_order_for_themselves() -> None:
    cart = read({"lines": [{"product_id": PEN, "quantity": 1}], "customer_id": ADA})

    cart.check_caller(caller(ADA))


def test_ordering_for_somebody_else_takes_a_permission() -> None:
    cart = read({"lines": [{"product_id": PEN, "quantity": 1}], "customer_id": BOB})

    cart.check_caller(caller(ADA, "orders:manage"))
    with pytest.raises(PermissionMissing):
        cart.check_caller(caller(ADA, "jobs:submit"))


def test_the_example_is_a_cart() -> None:
    assert read(json.loads(msgspec.json.encode(PLACE_ORDER.example))) == PLACE_ORDER.example


def read(given: dict[str, Any]) -> PlaceOrder:
    return msgspec.json.decode(json.dumps(given), type=PLACE_ORDER.input)


def caller(user_id: str, *permissions: str) -> Caller:
    return Caller(tenant_id="tenant_1", user_id=user_id, permissions=frozenset(permissions))
