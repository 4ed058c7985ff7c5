import msgspec

from domain.ids import OrderId
from domain.jobs.state import State
from domain.orders.order import Address, CartLine, Status
from domain.orders.place_order import PLACE_ORDER, PlaceOrder
from domain.orders.ship_order import SHIP_ORDER, ShipOrder
from storage.database import Database
from storage.job_lists import JobFilter, list_jobs
from storage.orders import find_order
from tests.support.shop import ADA, ADMIN, BOB, PEN, TENANT, give_credit
from tests.support.shop_worker import ShopWorker, code_of, result_of

HOME = Address(name="Ada Lovelace", street="12 St James's Square", city="London", country="GB")


async def test_shipping_tells_the_customer(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)
    order_id = await buy(worker, ADA, HOME)

    job = await worker.run(SHIP_ORDER, ShipOrder(order_id=order_id), ADMIN)

    async with database.read() as tx:
        order = await find_order(tx, TENANT, order_id)
    assert order is not None
    assert (order.status, order.shipped_at) == (Status.SHIPPED, result_of(job, SHIP_ORDER).shipped_at)
    assert await notices(database) == [
        {"order_id": order_id, "ship_to": "Ada Lovelace, 12 St James's Square, London, GB"}
    ]


async def test_shipping_twice_tells_the_customer_once(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)
    order_id = await buy(worker, ADA)

    first, second = await worker.run_all([(SHIP_ORDER, ShipOrder(order_id=order_id), ADMIN)] * 2)

    assert result_of(first, SHIP_ORDER) == result_of(second, SHIP_ORDER)
    assert await notices(database) == [{"order_id": order_id}]


async def test_an_address_too_long_for_a_line_is_shortened(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)
    long = Address(name="n " * 100, street="s " * 100, city="c" * 100, country="GB")
    order_id = await buy(worker, ADA, long)

    job = await worker.run(SHIP_ORDER, ShipOrder(order_id=order_id), ADMIN)

    assert job.state is State.SUCCEEDED
    (notice,) = await notices(database)
    assert len(notice["ship_to"]) <= 200


async def test_an_order_that_was_not_paid_is_not_shipped(database: Database, worker: ShopWorker) -> None:
    order_id = await buy(worker, BOB)

    job = await worker.run(SHIP_ORDER, ShipOrder(order_id=order_id), ADMIN)

    assert (job.state, code_of(job)) == (State.FAILED, "order_not_paid")
    assert await notices(database) == []


async def test_an_unknown_order_is_not_shipped(worker: ShopWorker) -> None:
    job = await worker.run(SHIP_ORDER, SHIP_ORDER.example, ADMIN)

    assert (job.state, code_of(job)) == (State.FAILED, "unknown_order")


async def buy(worker: ShopWorker, customer_id: str, ship_to: Address | None = None) -> OrderId:
    cart = PlaceOrder(lines=(CartLine(product_id=PEN, quantity=1),), ship_to=ship_to)
    return result_of(await worker.run(PLACE_ORDER, cart, customer_id), PLACE_ORDER).order_id


async def notices(database: Database) -> list[dict[str, str]]:
    """What the shipping notices that were submitted say."""
    async with database.read() as tx:
        mails = (await list_jobs(tx, TENANT, JobFilter(kind="emails.send"), limit=50)).jobs
    read = [msgspec.json.decode(mail.input) for mail in mails]
    return [mail["values"] for mail in read if mail["template"] == "order_shipped"]
