"""Products, orders and store credit as the API shows and takes them."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from domain.orders.money import MOST, Money
from domain.orders.order import Address, Order, OrderLine, Status
from domain.orders.product import Category, Product

Time = Annotated[datetime, Meta(tz=True)]


class ProductView(Struct, frozen=True, kw_only=True):
    """A product as it stands now. `rating` is the mean of its reviews, null while there are none."""

    id: Annotated[str, Meta(pattern="^product_[0-9a-f]{32}$")]
    sku: str
    name: str
    description: str
    price: Money
    stock: Annotated[int, Meta(ge=0, description="pieces that can be ordered")]
    categories: Annotated[tuple[str, ...], Meta(description="slugs of the categories it is in")]
    rating: Annotated[float, Meta(ge=1, le=5)] | None
    reviews: Annotated[int, Meta(ge=0, description="how many reviews there are")]
    created_at: Time


class CategoryList(Struct, frozen=True, kw_only=True):
    """Every category, by slug."""

    items: list[Category]


class OrderLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here: the order, and the job that placed it."""

    self: str
    job: str


class OrderView(Struct, frozen=True, kw_only=True):
    """An order. Names and prices are those of the moment it was placed."""

    id: Annotated[str, Meta(pattern="^order_[0-9a-f]{32}$")]
    status: Status
    customer_id: str
    job_id: str
    total: Money
    lines: tuple[OrderLine, ...]
    ship_to: Address | None
    created_at: Time
    shipped_at: Time | None
    cancelled_at: Time | None
    links: OrderLinks


class BalanceView(Struct, frozen=True, kw_only=True):
    """What a customer may spend."""

    customer_id: str
    balance: Money


class DepositMoney(Money, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An amount of money that is not nothing."""

    amount: Annotated[int, Meta(ge=1, le=MOST, description="In minor units: 1299 is 12.99 USD, 1299 JPY")]


class Deposit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Store credit to be given to a customer."""

    amount: DepositMoney


class DepositView(Struct, frozen=True, kw_only=True):
    """A deposit that was made, and the balance with it."""

    id: str
    customer_id: str
    amount: Money
    balance: Money


def view_product(product: Product) -> ProductView:
    """The product as shown."""
    return ProductView(
        id=product.id,
        sku=product.sku,
        name=product.name,
        description=product.description,
        price=product.price,
        stock=product.stock,
        categories=product.categories,
        rating=product.rating,
        reviews=product.reviews,
        created_at=product.created_at,
    )


def view_order(order: Order, base: str) -> OrderView:
    """The order as shown to a client that reached us at `base`."""
    return OrderView(
        id=order.id,
        status=order.status,
        customer_id=order.customer_id,
        job_id=order.job_id,
        total=order.total,
        lines=order.lines,
        ship_to=order.ship_to,
        created_at=order.created_at,
        shipped_at=order.shipped_at,
        cancelled_at=order.cancelled_at,
        links=OrderLinks(self=f"{base}/v1/orders/{order.id}", job=f"{base}/v1/jobs/{order.job_id}"),
    )
