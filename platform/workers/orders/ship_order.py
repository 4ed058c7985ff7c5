"""The handler of `orders.ship`."""

from textwrap import shorten
from typing import Any, Final

from domain.emails.send_email import SEND_EMAIL, SendEmail
from domain.orders.order import Address, Customer, Order, not_paid
from domain.orders.ship_order import OrderShipped, ShipOrder
from storage import orders
from storage.jobs import submit_jobs
from workers.context import Context

_LONGEST_LINE: Final = 200


async def ship_order(asked: ShipOrder, ctx: Context) -> OrderShipped:
    """Send a paid order and tell its customer, as one. One that was sent before stays as it is."""
    async with ctx.settling() as tx:
        order = await orders.ship_order(tx, ctx.tenant_id, asked.order_id)
        if order is not None:
            customer = await orders.get_customer(tx, ctx.tenant_id, order.customer_id)
            await submit_jobs(tx, [ctx.follow_up(SEND_EMAIL, _notice(order, customer))])
        else:
            order = await orders.find_order(tx, ctx.tenant_id, asked.order_id)
        if order is None or order.shipped_at is None:
            raise not_paid(order, asked.order_id)
    return OrderShipped(order_id=order.id, status="shipped", shipped_at=order.shipped_at)


def _notice(order: Order, customer: Customer) -> SendEmail:
    values: dict[str, Any] = {"order_id": order.id}
    if order.ship_to is not None:
        values["ship_to"] = _one_line(order.ship_to)
    return SendEmail(to=(customer.email,), template="order_shipped", values=values)


def _one_line(address: Address) -> str:
    parts = (address.name, address.street, address.postal_code, address.city, address.region, address.country)
    return shorten(", ".join(part for part in parts if part), _LONGEST_LINE, placeholder=" …")
