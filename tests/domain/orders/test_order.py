from datetime import UTC, datetime

import pytest

from domain.ids import JobId, OrderId, ProductId
from domain.orders.money import Money
from domain.orders.order import (
    CartLine,
    MixedCurrencies,
    Order,
    OrderAlreadyCancelled,
    OrderAlreadyShipped,
    OrderLine,
    OrderNotPaid,
    Status,
    UnknownOrder,
    given_back,
    make_bill,
    not_paid,
    taken_from_stock,
)
from domain.orders.product import OutOfStock, Product, StockChange, UnknownProduct

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PEN = ProductId("product_" + "1" * 32)
INK = ProductId("product_" + "2" * 32)


def test_a_bill_keeps_the_names_and_prices_of_the_moment() -> None:
    bill = make_bill([line(INK, 3), line(PEN, 1)], [product(PEN, price=4500), product(INK, price=700)])

    assert bill.total == Money(amount=6600, currency="USD")
    assert [(one.product_id, one.name, one.unit_price.amount, one.quantity) for one in bill.lines] == [
        (INK, f"name of {INK}", 700, 3),
        (PEN, f"name of {PEN}", 4500, 1),
    ]


def test_a_bill_names_every_product_that_is_not_there() -> None:
    with pytest.raises(UnknownProduct) as raised:
        make_bill([line(PEN, 1), line(INK, 1), line(INK, 2)], [product(PEN)])

    assert raised.value.detail == f"There is no product {INK}."


def test_the_last_pieces_can_be_bought() -> None:
    assert make_bill([line(PEN, 5)], [product(PEN, stock=5)]).lines[0].quantity == 5


def test_more_than_there_is_cannot_be_bought() -> None:
    with pytest.raises(OutOfStock, match="6 wanted, 5 in stock"):
        make_bill([line(PEN, 6)], [product(PEN, stock=5)])


def test_two_lines_of_one_product_draw_on_the_same_stock() -> None:
    with pytest.raises(OutOfStock, match="6 wanted, 5 in stock"):
        make_bill([line(PEN, 3), line(PEN, 3)], [product(PEN, stock=5)])


def test_an_order_is_paid_in_one_currency() -> None:
    with pytest.raises(MixedCurrencies, match="EUR and USD"):
        make_bill([line(PEN, 1), line(INK, 1)], [product(PEN), product(INK, currency="EUR")])


def test_each_product_leaves_the_stock_once_and_in_the_order_of_ids() -> None:
    lines = [bought(INK, 1), bought(PEN, 2), bought(INK, 4)]

    assert taken_from_stock(lines) == [StockChange(product_id=PEN, change=-2), StockChange(product_id=INK, change=-5)]


def test_what_comes_back_is_what_was_taken() -> None:
    lines = [bought(INK, 1), bought(PEN, 2)]

    assert [change.change for change in given_back(lines)] == [-change.change for change in taken_from_stock(lines)]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.CANCELLED, OrderAlreadyCancelled),
        (Status.SHIPPED, OrderAlreadyShipped),
        (Status.PAYMENT_FAILED, OrderNotPaid),
    ],
)
def test_an_order_that_does_not_stand_as_paid_says_why(status: Status, reason: type[Exception]) -> None:
    assert isinstance(not_paid(order(status), "order_1"), reason)


def test_an_order_that_is_not_there_is_unknown() -> None:
    assert isinstance(not_paid(None, "order_1"), UnknownOrder)


def line(product_id: ProductId, quantity: int) -> CartLine:
    return CartLine(product_id=product_id, quantity=quantity)


def bought(product_id: ProductId, quantity: int) -> OrderLine:
    price = Money(amount=100, currency="USD")
    return OrderLine(product_id=product_id, name="a thing", unit_price=price, quantity=quantity)


def product(product_id: ProductId, *, price: int = 100, stock: int = 10, currency: str = "USD") -> Product:
    return Product(
        id=product_id,
        sku=product_id[-4:],
        name=f"name of {product_id}",
        description="",
        price=Money(amount=price, currency=currency),
        stock=stock,
        categories=(),
        created_at=NOW,
    )


def order(status: Status) -> Order:
    return Order(
        id=OrderId("order_1"),
        tenant_id="tenant_1",
        customer_id="user_1",
        job_id=JobId("job_1"),
        status=status,
        total=Money(amount=100, currency="USD"),
        lines=(bought(PEN, 1),),
        ship_to=None,
        ship_job_id=None,
        created_at=NOW,
        shipped_at=None,
        cancelled_at=None,
    )
