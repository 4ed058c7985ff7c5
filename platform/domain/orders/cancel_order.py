"""The contract of `orders.cancel`."""

from datetime import timedelta
from typing import Final, Literal

from domain.ids import OrderId
from domain.jobs.kind import Input, Kind, Result
from domain.orders.money import Money
from domain.orders.order import NamedOrder


class CancelOrder(Input, frozen=True):
    """Which order to call off: one's own, or with `orders:manage` anybody's."""

    order_id: NamedOrder


class OrderCancelled(Result, frozen=True):
    """The order is off; `refunded` went back to the customer's store credit, the pieces to the stock."""

    order_id: OrderId
    status: Literal["cancelled"]
    refunded: Money


CANCEL_ORDER: Final = Kind(
    name="orders.cancel",
    input=CancelOrder,
    result=OrderCancelled,
    queue="orders",
    summary="Call off a paid order that has not been shipped: stock and money are given back, once",
    example=CancelOrder(order_id=OrderId("order_019ab1c2d3e47f5a8b9c0d1e2f3a4b5c")),
    timeout=timedelta(seconds=30),
    max_attempts=20,
)
