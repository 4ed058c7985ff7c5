from collections.abc import AsyncIterator

import pytest
from sqlalchemy.exc import IntegrityError

from domain.ids import JobId, OrderId
from domain.orders.money import Money
from domain.orders.order import Bill, NewOrder, OrderLine, Status, UnknownCustomer
from storage.database import Database, open_database
from storage.orders import cancel_order, find_order, get_customer, list_orders, ship_order, write_order
from tests.support.shop import ADA, ADMIN, BOB, OTHER_TENANT, PEN, STRANGER, TENANT, TENT, open_shop


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url, name="tests")
    await open_shop(database)
    yield database
    await database.close()


async def test_an_order_is_read_as_it_was_written(database: Database) -> None:
    async with database.begin() as tx:
        await write_order(tx, an_order(1))
        order = await find_order(tx, TENANT, order_id(1))

    assert order is not None
    assert (order.customer_id, order.status, order.total) == (ADA, Status.PAID, Money(amount=300, currency="USD"))
    assert order.lines == an_order(1).bill.lines
    assert (order.ship_to, order.shipped_at, order.cancelled_at) == (None, None, None)


async def test_a_job_places_one_order(database: Database) -> None:
    async with database.begin() as tx:
        await write_order(tx, an_order(1, job=7))

    with pytest.raises(IntegrityError, match="uq_orders_job_id"):
        async with database.begin() as tx:
            await write_order(tx, an_order(2, job=7))


async def test_an_order_is_hidden_from_others(database: Database) -> None:
    async with database.begin() as tx:
        await write_order(tx, an_order(1))
        assert await find_order(tx, OTHER_TENANT, order_id(1)) is None
        assert await find_order(tx, TENANT, order_id(1), of=BOB) is None
        assert await find_order(tx, TENANT, order_id(1), of=ADA) is not None


async def test_orders_are_listed_newest_first(database: Database) -> None:
    async with database.begin() as tx:
        for number in range(5):
            await write_order(tx, an_order(number, customer_id=BOB if number == 3 else ADA))
        first = await list_orders(tx, TENANT, of=None, limit=3)
        second = await list_orders(tx, TENANT, of=None, limit=3, before=first[-1].id)
        ours = await list_orders(tx, TENANT, of=ADA, limit=10)
        cancelled = await list_orders(tx, TENANT, of=None, limit=10, status=Status.CANCELLED)

    assert [one.id for one in first + second] == [order_id(number) for number in (4, 3, 2, 1, 0)]
    assert [one.id for one in ours] == [order_id(number) for number in (4, 2, 1, 0)]
    assert cancelled == []


async def test_only_a_paid_order_moves_on(database: Database) -> None:
    async with database.begin() as tx:
        await write_order(tx, an_order(1))
        await write_order(tx, an_order(2))
        shipped = await ship_order(tx, TENANT, order_id(1))
        cancelled = await cancel_order(tx, TENANT, order_id(2), of=ADA)
        again = [
            await ship_order(tx, TENANT, order_id(1)),
            await ship_order(tx, TENANT, order_id(2)),
            await cancel_order(tx, TENANT, order_id(1), of=None),
            await cancel_order(tx, TENANT, order_id(2), of=None),
        ]

    assert shipped is not None
    assert cancelled is not None
    assert (shipped.status, cancelled.status) == (Status.SHIPPED, Status.CANCELLED)
    assert shipped.lines == an_order(1).bill.lines
    assert again == [None] * 4


async def test_an_order_is_cancelled_only_by_whose_it_is(database: Database) -> None:
    async with database.begin() as tx:
        await write_order(tx, an_order(1))
        assert await cancel_order(tx, TENANT, order_id(1), of=BOB) is None
        assert await cancel_order(tx, OTHER_TENANT, order_id(1), of=None) is None


async def test_a_customer_is_a_user_of_the_tenant(database: Database) -> None:
    async with database.read() as tx:
        assert (await get_customer(tx, TENANT, ADA)).email == "ada@example.com"
        assert not (await get_customer(tx, TENANT, ADA)).manages
        assert (await get_customer(tx, TENANT, ADMIN)).manages
        with pytest.raises(UnknownCustomer):
            await get_customer(tx, TENANT, STRANGER)


def order_id(number: int) -> OrderId:
    return OrderId(f"order_{number:032x}")


def an_order(number: int, *, job: int | None = None, customer_id: str = ADA) -> NewOrder:
    price = Money(amount=100, currency="USD")
    return NewOrder(
        id=order_id(number),
        tenant_id=TENANT,
        customer_id=customer_id,
        job_id=JobId(f"job_{number if job is None else job:032x}"),
        status=Status.PAID,
        bill=Bill(
            lines=(
                OrderLine(product_id=PEN, name='a "pen"', unit_price=price, quantity=1),
                OrderLine(product_id=TENT, name="a tent", unit_price=price, quantity=2),
            ),
            total=Money(amount=300, currency="USD"),
        ),
        ship_to=None,
        ship_job_id=None,
    )
