"""The contract of `orders.ship`."""

from datetime import datetime, timedelta
from typing import Final, Literal

from domain.ids import OrderId
from domain.jobs.kind import Input, Kind, Result
from domain.orders.order import MANAGE, NamedOrder

TIME_TO_CANCEL: Final = timedelta(seconds=20)
"""How long a paid order waits to be shipped: as long as its buyer may still think better of it."""


class ShipOrder(Input, frozen=True):
    """Which order to send. A paid order submits this by itself, once its buyer has had time to cancel."""

    order_id: NamedOrder


class OrderShipped(Result, frozen=True):
    """The order is on its way since `shipped_at`. Shipping it again changes nothing and sends no second notice."""

    order_id: OrderId
    status: Literal["shipped"]
    shipped_at: datetime


SHIP_ORDER: Final = Kind(
    name="orders.ship",
    input=ShipOrder,
    result=OrderShipped,
    queue="orders",
    summary="Send a paid order on its way and tell the customer",
    example=ShipOrder(order_id=OrderId("order_019ab1c2d3e47f5a8b9c0d1e2f3a4b5c")),
    timeout=timedelta(seconds=30),
    max_attempts=20,
    permission=MANAGE,
)
