"""The handler of `orders.place`."""

from msgspec.structs import replace

from domain.accounts.user import PermissionMissing
from domain.emails.send_email import SEND_EMAIL, SendEmail
from domain.ids import OrderId, derived_id
from domain.jobs.job import NewJob
from domain.orders.balance import Transfer, TransferReason
from domain.orders.order import MANAGE, Bill, Customer, NewOrder, Status, make_bill, taken_from_stock
from domain.orders.place_order import OrderPlaced, PlaceOrder
from domain.orders.product import Movement
from domain.orders.ship_order import SHIP_ORDER, TIME_TO_CANCEL, ShipOrder
from domain.orders.told import order_events, stock_events
from storage.balances import charge
from storage.database import Tx
from storage.domain_events import tell
from storage.jobs import submit_jobs
from storage.orders import get_customer, write_order
from storage.products import lock_products, move_stock
from workers.context import Context


async def place_order(cart: PlaceOrder, ctx: Context) -> OrderPlaced:
    """Sell what is in `cart`: stock, store credit, order, confirmation and the job's end are one transaction.

    Too little store credit is an answer, not an error: the order is written as not paid, and nothing is taken.
    """
    order_id = OrderId(ctx.stable_id("order"))
    async with ctx.settling() as tx:
        buyer = await _choose_buyer(tx, cart, ctx)
        products = await lock_products(tx, ctx.tenant_id, [line.product_id for line in cart.lines])
        bill = make_bill(cart.lines, products)
        if await charge(tx, _payment(order_id, bill, buyer, ctx)):
            status = Status.PAID
            shipment = _shipment(order_id, ctx)
            taken = taken_from_stock(bill.lines)
            low = stock_events(ctx.tenant_id, products, taken, cause=ctx.job.id)
            await move_stock(
                tx,
                ctx.tenant_id,
                taken,
                reason=Movement.SOLD,
                order_id=order_id,
                job_id=ctx.job.id,
            )
            ctx.use.kill_points.reach("order.after_reserve", (ctx.job.id,))
            follow_ups = [ctx.follow_up(SEND_EMAIL, _confirmation(order_id, bill, buyer)), shipment]
        else:
            status = Status.PAYMENT_FAILED
            shipment, low = None, []
            follow_ups = [ctx.follow_up(SEND_EMAIL, _regret(order_id, bill, buyer))]
        order = NewOrder(
            id=order_id,
            tenant_id=ctx.tenant_id,
            customer_id=buyer.id,
            job_id=ctx.job.id,
            status=status,
            bill=bill,
            ship_to=cart.ship_to,
            ship_job_id=None if shipment is None else shipment.id,
        )
        await write_order(tx, order)
        await submit_jobs(tx, follow_ups)
        await tell(tx, [*order_events(order), *low])
        ctx.use.kill_points.reach("order.after_confirm", (ctx.job.id,))
    return OrderPlaced(
        order_id=order_id,
        status="paid" if status is Status.PAID else "payment_failed",
        total=bill.total,
        lines=bill.lines,
    )


async def _choose_buyer(tx: Tx, cart: PlaceOrder, ctx: Context) -> Customer:
    caller = await get_customer(tx, ctx.tenant_id, ctx.caller_id)
    if cart.customer_id in {None, caller.id}:
        return caller
    # asked at the door already; asked again because whoever submitted the job may have lost the right meanwhile
    if not caller.manages:
        raise PermissionMissing(f"Ordering for somebody else needs the permission {MANAGE}.")
    return await get_customer(tx, ctx.tenant_id, cart.customer_id or caller.id)


def _payment(order_id: OrderId, bill: Bill, buyer: Customer, ctx: Context) -> Transfer:
    return Transfer(
        id=derived_id("transfer", order_id, TransferReason.CHARGE.value),
        tenant_id=ctx.tenant_id,
        customer_id=buyer.id,
        money=bill.total,
        reason=TransferReason.CHARGE,
        order_id=order_id,
        job_id=ctx.job.id,
    )


def _shipment(order_id: OrderId, ctx: Context) -> NewJob:
    shipment = ctx.follow_up(SHIP_ORDER, ShipOrder(order_id=order_id))
    return replace(shipment, delay_seconds=TIME_TO_CANCEL.total_seconds())


def _confirmation(order_id: OrderId, bill: Bill, buyer: Customer) -> SendEmail:
    lines = [{"name": line.name, "quantity": line.quantity, "price": str(line.unit_price)} for line in bill.lines]
    values = {"order_id": order_id, "lines": lines, "total": str(bill.total)}
    return SendEmail(to=(buyer.email,), template="order_confirmation", values=values)


def _regret(order_id: OrderId, bill: Bill, buyer: Customer) -> SendEmail:
    values = {"order_id": order_id, "total": str(bill.total), "reason": "your store credit does not cover it."}
    return SendEmail(to=(buyer.email,), template="payment_failed", values=values)
