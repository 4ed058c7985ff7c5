"""Products, orders and store credit as the API shows and takes them."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from domain.orders.money import MOST, Money
from domain.orders.order import Address, Order, OrderLine, Status

Time = Annotated[datetime, Meta(tz=True)]


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
