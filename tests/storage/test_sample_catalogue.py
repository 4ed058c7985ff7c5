from collections.abc import AsyncIterator

import pytest

from domain.orders.product import Movement, ProductSort, StockChange
from storage.database import Database, open_database
from storage.products import ProductFilter, list_categories, list_products, move_stock
from storage.sample_catalogue import SAMPLE_CREDIT, seed_catalog, seed_credit
from tests.support.shop import ADMIN, PEN, TENANT, count, credit_of, open_shop, stock_of, wrong_books

ALL = ProductFilter()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url, name="tests")
    await open_shop(database)
    yield database
    await database.close()


async def test_the_sample_catalogue_is_worth_a_look(database: Database) -> None:
    async with database.read() as tx:
        categories = await list_categories(tx, TENANT)
        products = await list_products(tx, TENANT, ALL, sort=ProductSort.NAME, limit=100)

    assert len(products) >= 12
    assert len(categories) >= 4
    assert all(category.products > 0 for category in categories)
    assert {product.price.currency for product in products} == {"USD"}
    assert all(product.stock > 0 for product in products)
    assert await wrong_books(database) == []


async def test_the_catalogue_is_seeded_once(database: Database) -> None:
    async with database.begin() as tx:
        await move_stock(tx, TENANT, [StockChange(product_id=PEN, change=-1)], reason=Movement.ADJUSTED)
    pens, movements = await stock_of(database, PEN), await count(database, "SELECT count(*) FROM stock_movements")

    async with database.begin() as tx:
        await seed_catalog(tx, TENANT)

    assert await stock_of(database, PEN) == pens
    assert await count(database, "SELECT count(*) FROM stock_movements") == movements


async def test_the_admin_gets_sample_credit_once(database: Database) -> None:
    for _ in range(2):
        async with database.begin() as tx:
            await seed_credit(tx, TENANT, ADMIN)

    assert await credit_of(database, ADMIN) == SAMPLE_CREDIT.amount
