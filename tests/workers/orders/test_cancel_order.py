from domain.ids import OrderId
from domain.jobs.job import Job
from domain.jobs.state import State
from domain.orders.cancel_order import CANCEL_ORDER, CancelOrder
from domain.orders.order import CartLine, Order, Status
from domain.orders.place_order import PLACE_ORDER, PlaceOrder
from domain.orders.ship_order import SHIP_ORDER, ShipOrder
from storage.database import Database
from storage.orders import find_order
from tests.support.shop import ADA, ADMIN, BOB, PEN, PEN_PRICE, TENANT, credit_of, give_credit, stock_of, wrong_books
from tests.support.shop_worker import ShopWorker, code_of, result_of


async def test_cancelling_gives_stock_and_money_back(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)
    pens = await stock_of(database, PEN)
    order_id = await buy(worker, ADA)

    job = await cancel(worker, order_id, ADA)

    assert result_of(job, CANCEL_ORDER).refunded.amount == 2 * PEN_PRICE
    assert (await stock_of(database, PEN), await credit_of(database, ADA)) == (pens, 100_000)
    assert (await read(database, order_id)).status is Status.CANCELLED
    assert await wrong_books(database) == []


async def test_a_cancelled_order_is_not_shipped(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)
    order_id = await buy(worker, ADA)

    await cancel(worker, order_id, ADA)

    shipment = (await read(database, order_id)).ship_job_id
    assert shipment is not None
    assert (await worker.read(shipment)).state is State.CANCELLED
    assert code_of(await worker.run(SHIP_ORDER, ShipOrder(order_id=order_id), ADMIN)) == "order_already_cancelled"


async def test_a_second_cancel_gives_nothing_back(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)
    pens = await stock_of(database, PEN)
    order_id = await buy(worker, ADA)
    await cancel(worker, order_id, ADA)

    second = await cancel(worker, order_id, ADA)

    assert (second.state, code_of(second)) == (State.FAILED, "order_already_cancelled")
    assert (await stock_of(database, PEN), await credit_of(database, ADA)) == (pens, 100_000)


async def test_of_many_cancels_at_once_one_wins(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)
    pens = await stock_of(database, PEN)
    order_id = await buy(worker, ADA)

    jobs = await worker.run_all([(CANCEL_ORDER, CancelOrder(order_id=order_id), ADA)] * 8)

    assert sorted(job.state for job in jobs) == [State.FAILED] * 7 + [State.SUCCEEDED]
    assert (await stock_of(database, PEN), await credit_of(database, ADA)) == (pens, 100_000)
    assert await wrong_books(database) == []


async def test_of_shipping_and_cancelling_at_once_one_wins(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)
    order_id = await buy(worker, ADA)

    shipping, cancelling = await worker.run_all(
        [(SHIP_ORDER, ShipOrder(order_id=order_id), ADMIN), (CANCEL_ORDER, CancelOrder(order_id=order_id), ADA)]
    )

    assert {shipping.state, cancelling.state} == {State.SUCCEEDED, State.FAILED}
    status = (await read(database, order_id)).status
    assert status is (Status.SHIPPED if shipping.state is State.SUCCEEDED else Status.CANCELLED)
    assert await wrong_books(database) == []


async def test_what_was_never_paid_is_not_given_back(database: Database, worker: ShopWorker) -> None:
    order_id = await buy(worker, BOB)

    assert code_of(await cancel(worker, order_id, BOB)) == "order_not_paid"
    assert await credit_of(database, BOB) == 0


async def test_what_has_been_shipped_cannot_be_called_off(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)
    order_id = await buy(worker, ADA)
    await worker.run(SHIP_ORDER, ShipOrder(order_id=order_id), ADMIN)

    assert code_of(await cancel(worker, order_id, ADA)) == "order_already_shipped"


async def test_nobody_cancels_the_order_of_another(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)
    order_id = await buy(worker, ADA)

    assert code_of(await cancel(worker, order_id, BOB)) == "unknown_order"
    assert (await read(database, order_id)).status is Status.PAID


async def test_an_admin_cancels_any_order_of_the_tenant(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)
    order_id = await buy(worker, ADA)

    await cancel(worker, order_id, ADMIN)

    assert await credit_of(database, ADA) == 100_000


async def buy(worker: ShopWorker, customer_id: str) -> OrderId:
    """Order two pens, in two lines."""
    cart = PlaceOrder(lines=(CartLine(product_id=PEN, quantity=1),) * 2)
    return result_of(await worker.run(PLACE_ORDER, cart, customer_id), PLACE_ORDER).order_id


async def cancel(worker: ShopWorker, order_id: OrderId, caller_id: str) -> Job:
    return await worker.run(CANCEL_ORDER, CancelOrder(order_id=order_id), caller_id)


async def read(database: Database, order_id: OrderId) -> Order:
    async with database.read() as tx:
        order = await find_order(tx, TENANT, order_id)
    assert order is not None
    return order
