"""An order: what was bought, at the names and prices of that moment, and what became of it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from domain.errors import Conflict, Invalid, NotFound
from domain.ids import JobId, OrderId, ProductId
from domain.orders.money import Money
from domain.orders.product import Product, StockChange, by_id, check_stock, unknown_product
from domain.patterns import END

READ: Final = "orders:read"
"""The permission to see the catalogue, one's own orders and one's own store credit."""

MANAGE: Final = "orders:manage"
"""The permission to act on other people's orders."""

NamedOrder: TypeAlias = Annotated[OrderId, Meta(pattern=r"^order_[0-9a-f]{32}$")]


class UnknownOrder(NotFound):
    """There is no such order, or none the caller may see."""

    code = "unknown_order"
    title = "Unknown order"


class UnknownCustomer(NotFound):
    """No user of the tenant has this id."""

    code = "unknown_customer"
    title = "Unknown customer"


class MixedCurrencies(Invalid):
    """An order is paid at once, in one currency."""

    code = "mixed_currencies"
    title = "Products in different currencies"


class OrderAlreadyCancelled(Conflict):
    """What was given back once is not given back again."""

    code = "order_already_cancelled"
    title = "Order already cancelled"


class OrderAlreadyShipped(Conflict):
    """What has left the house cannot be called off."""

    code = "order_already_shipped"
    title = "Order already shipped"


class OrderNotPaid(Conflict):
    """Nothing was charged and nothing taken from the shelf: there is nothing to send or to give back."""

    code = "order_not_paid"
    title = "Order not paid"


class Status(StrEnum):
    """Where an order stands. Each comment says who moves an order out of it."""

    PAID = "paid"  # orders.ship sends it, orders.cancel gives everything back
    PAYMENT_FAILED = "payment_failed"  # nobody: the customer orders again
    SHIPPED = "shipped"  # nobody
    CANCELLED = "cancelled"  # nobody


class Address(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an order is to be sent."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    street: Annotated[str, Meta(min_length=1, max_length=200)]
    city: Annotated[str, Meta(min_length=1, max_length=100)]
    country: Annotated[
        str,
        Meta(
            pattern=rf"^[A-Z]{{2}}{END}", description="a country of ISO 3166-1 in two capital letters", examples=["DE"]
        ),
    ]
    postal_code: Annotated[str, Meta(max_length=20)] | None = None
    region: Annotated[str, Meta(max_length=100)] | None = None


class CartLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many pieces of one product."""

    product_id: Annotated[ProductId, Meta(pattern=r"^product_[0-9a-f]{32}$")]
    quantity: Annotated[int, Meta(ge=1, le=1000)]


class OrderLine(Struct, frozen=True, kw_only=True):
    """One line of an order: the product's name and price as they were when it was bought."""

    product_id: ProductId
    name: str
    unit_price: Money
    quantity: int


class Bill(Struct, frozen=True, kw_only=True):
    """A cart with names and prices put in, and what it comes to."""

    lines: tuple[OrderLine, ...]
    total: Money


class Customer(Struct, frozen=True, kw_only=True):
    """A user as somebody who buys. `manages` says whether they may act on other people's orders."""

    id: str
    email: str
    manages: bool


class NewOrder(Struct, frozen=True, kw_only=True):
    """An order not yet written; its times are the database's."""

    id: OrderId
    tenant_id: str
    customer_id: str
    job_id: JobId
    status: Status
    bill: Bill
    ship_to: Address | None
    ship_job_id: JobId | None


class Order(Struct, frozen=True, kw_only=True):
    """An order as its rows stand. `ship_job_id` is the job that sends it, for an order that was paid."""

    id: OrderId
    tenant_id: str
    customer_id: str
    job_id: JobId
    status: Status
    total: Money
    lines: tuple[OrderLine, ...]
    ship_to: Address | None
    ship_job_id: JobId | None
    created_at: datetime
    shipped_at: datetime | None
    cancelled_at: datetime | None


def make_bill(cart: Sequence[CartLine], products: Iterable[Product]) -> Bill:
    """What `cart` comes to with `products` as they are now. A product may stand on several lines.

    Raises:
        UnknownProduct: a line names a product that is not among `products`.
        MixedCurrencies: the products are priced in several currencies.
        OutOfStock: there are not enough pieces of one.
    """
    known = by_id(products)
    missing = [line.product_id for line in cart if line.product_id not in known]
    if missing:
        raise unknown_product(missing)
    currencies = sorted({known[line.product_id].price.currency for line in cart})
    if len(currencies) > 1:
        raise MixedCurrencies(f"The products are priced in {' and '.join(currencies)}; order them apart.")
    for product_id, wanted in _pieces((line.product_id, line.quantity) for line in cart).items():
        check_stock(known[product_id], wanted)
    total = sum(known[line.product_id].price.amount * line.quantity for line in cart)
    return Bill(
        lines=tuple(_priced(line, known[line.product_id]) for line in cart),
        total=Money(amount=total, currency=currencies[0]),
    )


def taken_from_stock(lines: Iterable[OrderLine]) -> list[StockChange]:
    """What an order takes off the shelf, each product once, in the order of their ids."""
    return [
        StockChange(product_id=product_id, change=-pieces)
        for product_id, pieces in sorted(_pieces((line.product_id, line.quantity) for line in lines).items())
    ]


def given_back(lines: Iterable[OrderLine]) -> list[StockChange]:
    """What a cancelled order puts back on the shelf."""
    return [StockChange(product_id=taken.product_id, change=-taken.change) for taken in taken_from_stock(lines)]


def not_paid(order: Order | None, order_id: str) -> NotFound | Conflict:
    """Why `order`, which does not stand as paid, can be neither shipped nor cancelled."""
    match order:
        case None:
            return unknown_order(order_id)
        case Order(status=Status.CANCELLED):
            return OrderAlreadyCancelled(f"Order {order.id} was cancelled; what it took was given back then.")
        case Order(status=Status.SHIPPED):
            return OrderAlreadyShipped(f"Order {order.id} has been shipped.")
        case _:
            return OrderNotPaid(f"Order {order.id} was never paid: nothing was charged.")


def unknown_order(order_id: str) -> UnknownOrder:
    """What to raise for an order that is not there, or is somebody else's."""
    return UnknownOrder(f"There is no order {order_id}.")


def _priced(line: CartLine, product: Product) -> OrderLine:
    return OrderLine(product_id=product.id, name=product.name, unit_price=product.price, quantity=line.quantity)


def _pieces(wanted: Iterable[tuple[ProductId, int]]) -> Counter[ProductId]:
    pieces: Counter[ProductId] = Counter()
    for product_id, quantity in wanted:
        pieces[product_id] += quantity
    return pieces
