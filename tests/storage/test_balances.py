import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.orders.balance import BalanceFull
from domain.orders.money import MOST, Money
from storage.balances import charge, credit, read_balance
from storage.database import Database, open_database
from tests.support.shop import ADA, OTHER_TENANT, TENANT, count, credit_of, deposit, give_credit, open_shop, wrong_books


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url, name="tests")
    await open_shop(database)
    yield database
    await database.close()


async def test_a_deposit_is_two_entries_that_sum_to_zero(database: Database) -> None:
    await give_credit(database, ADA, 500)

    assert await credit_of(database, ADA) == 500
    assert await count(database, "SELECT count(*) FROM ledger_entries WHERE account = 'outside' AND amount = -500") == 1
    assert await wrong_books(database) == []


async def test_a_transfer_written_twice_is_written_once(database: Database) -> None:
    async with database.begin() as tx:
        assert await credit(tx, deposit(ADA, 500))
        assert not await credit(tx, deposit(ADA, 500))

    assert await credit_of(database, ADA) == 500


async def test_a_charge_takes_only_what_is_there(database: Database) -> None:
    await give_credit(database, ADA, 500)

    async with database.begin() as tx:
        assert not await charge(tx, deposit(ADA, 501, label="too much"))
        assert await charge(tx, deposit(ADA, 500, label="all of it"))
        assert not await charge(tx, deposit(ADA, 1, label="nothing left"))

    assert await credit_of(database, ADA) == 0
    assert await wrong_books(database) == []


async def test_charges_at_once_do_not_spend_the_same_money(database: Database) -> None:
    await give_credit(database, ADA, 300)

    async def spend(turn: int) -> bool:
        async with database.begin() as tx:
            return await charge(tx, deposit(ADA, 100, label=f"turn {turn}"))

    assert sum(await asyncio.gather(*(spend(turn) for turn in range(8)))) == 3
    assert await credit_of(database, ADA) == 0
    assert await wrong_books(database) == []


async def test_a_balance_that_would_overflow_is_refused(database: Database) -> None:
    await give_credit(database, ADA, MOST)

    with pytest.raises(BalanceFull):
        await give_credit(database, ADA, 1, label="one more")

    assert await credit_of(database, ADA) == MOST
    assert await wrong_books(database) == []


async def test_a_balance_is_read_in_its_tenant_and_currency(database: Database) -> None:
    await give_credit(database, ADA, 500)

    async with database.read() as tx:
        assert (await read_balance(tx, OTHER_TENANT, ADA, "USD")).amount == 0
        assert await read_balance(tx, TENANT, ADA, "EUR") == Money(amount=0, currency="EUR")
