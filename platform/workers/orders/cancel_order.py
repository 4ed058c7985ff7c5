"""The handler of `orders.cancel`."""

from domain.ids import derived_id
from domain.orders.balance import Transfer, TransferReason
from domain.orders.cancel_order import CancelOrder, OrderCancelled
from domain.orders.order import Order, given_back, not_paid
from domain.orders.product import Movement
from storage import orders
from storage.balances import credit
from storage.jobs import cancel_job
from storage.products import lock_products, move_stock
from workers.context import Context


async def cancel_order(asked: CancelOrder, ctx: Context) -> OrderCancelled:
    """Call off a paid order: pieces and money go back, and the job that would ship it is cancelled, as one."""
    async with ctx.settling() as tx:
        caller = await orders.get_customer(tx, ctx.tenant_id, ctx.caller_id)
        of = None if caller.manages else caller.id
        order = await orders.cancel_order(tx, ctx.tenant_id, asked.order_id, of=of)
        if order is None:
            raise not_paid(await orders.find_order(tx, ctx.tenant_id, asked.order_id, of=of), asked.order_id)
        changes = given_back(order.lines)
        await lock_products(tx, ctx.tenant_id, [change.product_id for change in changes])
        await move_stock(tx, ctx.tenant_id, changes, reason=Movement.RETURNED, order_id=order.id, job_id=ctx.job.id)
        await credit(tx, _refund(order, ctx))
        if order.ship_job_id is not None:
            await cancel_job(tx, ctx.tenant_id, order.ship_job_id)
    return OrderCancelled(order_id=order.id, status="cancelled", refunded=order.total)


def _refund(order: Order, ctx: Context) -> Transfer:
    return Transfer(
        id=derived_id("transfer", order.id, TransferReason.REFUND.value),
        tenant_id=order.tenant_id,
        customer_id=order.customer_id,
        money=order.total,
        reason=TransferReason.REFUND,
        order_id=order.id,
        job_id=ctx.job.id,
    )
