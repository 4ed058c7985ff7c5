import asyncio
from typing import Any

import msgspec
from sqlalchemy import text

from domain.ids import ProductId
from domain.jobs.job import Job
from domain.jobs.state import State
from domain.orders.order import Address, CartLine, Status
from domain.orders.place_order import PLACE_ORDER, OrderPlaced, PlaceOrder
from storage.database import Database
from storage.job_lists import JobFilter, list_jobs
from storage.orders import find_order
from tests.support.shop import (
    ADA,
    ADMIN,
    BOB,
    NOTEBOOK,
    PEN,
    PEN_PRICE,
    STRANGER,
    TENANT,
    TENT,
    TENT_PRICE,
    count,
    credit_of,
    give_credit,
    leave_in_stock,
    stock_of,
    wrong_books,
)
from tests.support.shop_worker import ShopWorker, code_of, open_shop_worker, result_of

HOME = Address(name="Ada Lovelace", street="12 St James's Square", city="London", country="GB")


async def test_an_order_takes_stock_and_store_credit(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)
    pens, tents = await stock_of(database, PEN), await stock_of(database, TENT)

    placed = await order(worker, ADA, (PEN, 2), (TENT, 1))

    assert (placed.status, placed.total.amount) == ("paid", 2 * PEN_PRICE + TENT_PRICE)
    assert [(line.name, line.unit_price.amount, line.quantity) for line in placed.lines] == [
        ("Fountain pen", PEN_PRICE, 2),
        ("Tent for two", TENT_PRICE, 1),
    ]
    assert (await stock_of(database, PEN), await stock_of(database, TENT)) == (pens - 2, tents - 1)
    assert await credit_of(database, ADA) == 100_000 - placed.total.amount
    assert await wrong_books(database) == []


async def test_the_order_is_kept_as_it_was_placed(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)

    job = await worker.run(PLACE_ORDER, cart((PEN, 1), ship_to=HOME), ADA)

    async with database.read() as tx:
        kept = await find_order(tx, TENANT, result_of(job, PLACE_ORDER).order_id)
    assert kept is not None
    assert (kept.status, kept.customer_id, kept.job_id, kept.ship_to) == (Status.PAID, ADA, job.id, HOME)
    assert kept.lines == result_of(job, PLACE_ORDER).lines


async def test_a_paid_order_is_confirmed_and_will_be_shipped(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)

    job = await worker.run(PLACE_ORDER, cart((PEN, 2)), ADA)

    mail, shipment = await follow_ups(database, job)
    placed = result_of(job, PLACE_ORDER)
    assert (mail.kind, mail.state) == ("emails.send", State.QUEUED)
    assert msgspec.json.decode(mail.input) == {
        "to": ["ada@example.com"],
        "cc": [],
        "bcc": [],
        "reply_to": None,
        "subject": None,
        "text": None,
        "html": None,
        "template": "order_confirmation",
        "values": {
            "order_id": placed.order_id,
            "lines": [{"name": "Fountain pen", "quantity": 2, "price": "45.00 USD"}],
            "total": "90.00 USD",
        },
    }
    assert (shipment.kind, shipment.state) == ("orders.ship", State.SCHEDULED)
    assert msgspec.json.decode(shipment.input) == {"order_id": placed.order_id}


async def test_out_of_stock_changes_nothing(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000_000)
    pens, tents = await stock_of(database, PEN), await stock_of(database, TENT)

    job = await worker.run(PLACE_ORDER, cart((PEN, 1), (TENT, tents + 1)), ADA)

    assert (job.state, code_of(job)) == (State.FAILED, "out_of_stock")
    assert (await stock_of(database, PEN), await stock_of(database, TENT)) == (pens, tents)
    assert await credit_of(database, ADA) == 100_000_000
    assert await count(database, "SELECT count(*) FROM orders") == 0
    assert await follow_ups(database, job) == []


async def test_an_order_that_cannot_be_paid_is_written_and_takes_nothing(
    database: Database, worker: ShopWorker
) -> None:
    await give_credit(database, ADA, PEN_PRICE - 1)
    pens = await stock_of(database, PEN)

    job = await worker.run(PLACE_ORDER, cart((PEN, 1)), ADA)

    assert (job.state, result_of(job, PLACE_ORDER).status) == (State.SUCCEEDED, "payment_failed")
    assert (await stock_of(database, PEN), await credit_of(database, ADA)) == (pens, PEN_PRICE - 1)
    (mail,) = await follow_ups(database, job)
    assert msgspec.json.decode(mail.input)["template"] == "payment_failed"
    assert await wrong_books(database) == []


async def test_the_last_cent_pays(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, PEN_PRICE)

    assert (await order(worker, ADA, (PEN, 1))).status == "paid"
    assert await credit_of(database, ADA) == 0


async def test_who_never_had_credit_cannot_pay(worker: ShopWorker) -> None:
    assert (await order(worker, BOB, (PEN, 1))).status == "payment_failed"


async def test_an_unknown_product_is_refused(worker: ShopWorker) -> None:
    job = await worker.run(PLACE_ORDER, cart((ProductId("product_" + "f" * 32), 1)), ADA)

    assert (job.state, code_of(job)) == (State.FAILED, "unknown_product")


async def test_an_admin_orders_for_a_customer(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)

    job = await worker.run(PLACE_ORDER, cart((PEN, 1), customer_id=ADA), ADMIN)

    assert result_of(job, PLACE_ORDER).status == "paid"
    assert await credit_of(database, ADA) == 100_000 - PEN_PRICE


async def test_a_user_cannot_order_for_another(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000)

    job = await worker.run(PLACE_ORDER, cart((PEN, 1), customer_id=ADA), BOB)

    assert (job.state, code_of(job)) == (State.FAILED, "permission_missing")
    assert await credit_of(database, ADA) == 100_000


async def test_nobody_orders_for_a_user_of_another_tenant(worker: ShopWorker) -> None:
    job = await worker.run(PLACE_ORDER, cart((PEN, 1), customer_id=STRANGER), ADMIN)

    assert (job.state, code_of(job)) == (State.FAILED, "unknown_customer")


async def test_an_attempt_that_breaks_off_leaves_nothing(database_url: str, redis_url: str) -> None:
    async with open_shop_worker(database_url, redis_url, kill_points="order.after_reserve=raise") as worker:
        await give_credit(worker.database, ADA, 100_000)
        pens = await stock_of(worker.database, PEN)

        job = await worker.run(PLACE_ORDER, cart((PEN, 1)), ADA)

        assert job.state is State.SCHEDULED
        assert (await stock_of(worker.database, PEN), await credit_of(worker.database, ADA)) == (pens, 100_000)
        assert await follow_ups(worker.database, job) == []


async def test_many_buyers_share_the_last_pieces(database: Database, worker: ShopWorker) -> None:
    await leave_in_stock(database, TENT, 7)
    await give_credit(database, ADA, 100_000_000)
    await give_credit(database, BOB, 100_000_000)

    jobs = await worker.run_all(
        [(PLACE_ORDER, cart((TENT, 1), (PEN, 1)), ADA if turn % 2 else BOB) for turn in range(30)]
    )

    assert sorted(ending(job) for job in jobs) == ["out_of_stock"] * 23 + ["paid"] * 7
    assert await stock_of(database, TENT) == 0
    assert await wrong_books(database) == []


async def test_carts_in_opposite_orders_do_not_lock_each_other_out(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 100_000_000)
    forth, back = [(PEN, 1), (NOTEBOOK, 1), (TENT, 1)], [(TENT, 1), (NOTEBOOK, 1), (PEN, 1)]

    jobs = await worker.run_all([(PLACE_ORDER, cart(*(forth if turn % 2 else back)), ADA) for turn in range(20)])

    assert [ending(job) for job in jobs] == ["paid"] * 20
    assert {job.attempt for job in jobs} == {1}


async def test_one_balance_is_never_spent_twice(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 5 * PEN_PRICE)

    jobs = await worker.run_all([(PLACE_ORDER, cart((PEN, 1)), ADA) for _ in range(12)])

    assert sorted(ending(job) for job in jobs) == ["paid"] * 5 + ["payment_failed"] * 7
    assert await credit_of(database, ADA) == 0
    assert await wrong_books(database) == []


async def test_orders_and_deposits_at_once_add_up(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, 10 * PEN_PRICE)

    await asyncio.gather(
        worker.run_all([(PLACE_ORDER, cart((PEN, 1)), ADA) for _ in range(10)]),
        *(give_credit(database, ADA, 100, label=f"deposit {turn}") for turn in range(10)),
    )

    assert await credit_of(database, ADA) == 1000
    assert await wrong_books(database) == []


def cart(*lines: tuple[ProductId, int], **more: Any) -> PlaceOrder:  # noqa: ANN401 - the other fields of an order
    wanted = tuple(CartLine(product_id=product_id, quantity=quantity) for product_id, quantity in lines)
    return PlaceOrder(lines=wanted, **more)


async def order(worker: ShopWorker, customer_id: str, *lines: tuple[ProductId, int]) -> OrderPlaced:
    return result_of(await worker.run(PLACE_ORDER, cart(*lines), customer_id), PLACE_ORDER)


def ending(job: Job) -> str:
    return code_of(job) if job.state is State.FAILED else result_of(job, PLACE_ORDER).status


async def follow_ups(database: Database, job: Job) -> list[Job]:
    """The jobs that followed from one, by kind."""
    async with database.read() as tx:
        found = (await list_jobs(tx, TENANT, JobFilter(), limit=200)).jobs
    return sorted((one for one in found if one.parent_id == job.id), key=lambda one: one.kind)


async def test_an_order_is_told_once_with_what_became_of_it(database: Database, worker: ShopWorker) -> None:
    await give_credit(database, ADA, PEN_PRICE)

    paid, unpaid = await order(worker, ADA, (PEN, 1)), await order(worker, ADA, (PEN, 1))

    assert sorted(await told(database)) == sorted(
        [
            ("order.placed", paid.order_id),
            ("order.paid", paid.order_id),
            ("order.placed", unpaid.order_id),
            ("order.payment_failed", unpaid.order_id),
        ]
    )


async def test_stock_that_falls_to_five_is_told_and_not_again_below(database: Database, worker: ShopWorker) -> None:
    await leave_in_stock(database, TENT, 7)
    await give_credit(database, ADA, 100_000_000)

    for _ in range(4):
        await order(worker, ADA, (TENT, 1))

    assert [subject for name, subject in await told(database) if name == "stock.low"] == [TENT]


async def test_an_order_that_broke_off_is_not_told(database_url: str, redis_url: str) -> None:
    async with open_shop_worker(database_url, redis_url, kill_points="order.after_confirm=raise") as worker:
        await give_credit(worker.database, ADA, 100_000)

        await worker.run(PLACE_ORDER, cart((PEN, 1)), ADA)

        assert await told(worker.database) == []


async def told(database: Database) -> list[tuple[str, str]]:
    async with database.read() as tx:
        rows = await tx.execute(text("SELECT type, subject FROM domain_events ORDER BY id"))
        return [(row.type, row.subject) for row in rows]
