"""The contract of `orders.place`."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from msgspec import Meta

from domain.accounts.user import Caller
from domain.ids import OrderId, ProductId
from domain.jobs.kind import Input, Kind, Result
from domain.orders.money import Money
from domain.orders.order import MANAGE, Address, CartLine, OrderLine


class PlaceOrder(Input, frozen=True):
    """What to buy. The buyer is the caller, unless a caller with `orders:manage` names another customer."""

    lines: Annotated[tuple[CartLine, ...], Meta(min_length=1, max_length=100)]
    ship_to: Address | None = None
    customer_id: Annotated[str, Meta(pattern=r"^user_[0-9a-f]{32}$")] | None = None

    def check_caller(self, caller: Caller) -> None:
        """Go on only if `caller` may order for whom this order is.

        Raises:
            PermissionMissing: it is for somebody else, and the caller may not manage orders.
        """
        if self.customer_id not in {None, caller.user_id}:
            caller.demand(MANAGE)


class OrderPlaced(Result, frozen=True):
    """The order as it was written. With too little store credit it is `payment_failed`, and nothing was taken."""

    order_id: OrderId
    status: Literal["paid", "payment_failed"]
    total: Money
    lines: tuple[OrderLine, ...]


PLACE_ORDER: Final = Kind(
    name="orders.place",
    input=PlaceOrder,
    result=OrderPlaced,
    queue="orders",
    summary="Buy products with store credit",
    example=PlaceOrder(
        lines=(CartLine(product_id=ProductId("product_019ab1c2d3e47f5a8b9c0d1e2f3a4b5c"), quantity=2),),
        ship_to=Address(
            name="Ada Lovelace", street="12 St James's Square", city="London", postal_code="SW1Y 4JH", country="GB"
        ),
    ),
    timeout=timedelta(seconds=30),
    # Buyers of one product take turns; in a rush the turn may come late, and that must not lose the order.
    max_attempts=20,
)
