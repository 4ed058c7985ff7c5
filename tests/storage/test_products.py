from collections.abc import AsyncIterator
from typing import TypeVar

import pytest
from sqlalchemy.exc import IntegrityError

from domain.orders.money import Money
from domain.orders.product import Movement, ProductSort, StockChange
from storage.database import Database, open_database
from storage.products import (
    ProductFilter,
    StockMismatch,
    find_product,
    list_products,
    lock_products,
    move_stock,
)
from storage.sample_catalogue import seed_catalog
from tests.support.shop import OTHER_TENANT, PEN, TENANT, TENT, count, open_shop, product_id, stock_of

ALL = ProductFilter()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url, name="tests")
    await open_shop(database)
    yield database
    await database.close()


async def test_another_tenant_has_a_catalogue_of_its_own(database: Database) -> None:
    async with database.begin() as tx:
        assert await list_products(tx, OTHER_TENANT, ALL, sort=ProductSort.NAME, limit=100) == []
        assert await find_product(tx, OTHER_TENANT, PEN) is None
        assert await lock_products(tx, OTHER_TENANT, [PEN]) == []
        await seed_catalog(tx, OTHER_TENANT)
        assert len(await list_products(tx, OTHER_TENANT, ALL, sort=ProductSort.NAME, limit=100)) >= 12


async def test_a_product_knows_its_categories(database: Database) -> None:
    async with database.read() as tx:
        pot = await find_product(tx, TENANT, product_id("COF-POT-3"))

    assert pot is not None
    assert (pot.sku, pot.price, pot.categories) == (
        "COF-POT-3",
        Money(amount=3400, currency="USD"),
        ("coffee", "kitchen"),
    )


@pytest.mark.parametrize("sort", ProductSort)
async def test_pages_of_products_follow_each_other_in_any_order(database: Database, sort: ProductSort) -> None:
    async with database.read() as tx:
        whole = await list_products(tx, TENANT, ALL, sort=sort, limit=100)
        pages = [await list_products(tx, TENANT, ALL, sort=sort, limit=4)]
        while len(pages[-1]) == 4:
            pages.append(await list_products(tx, TENANT, ALL, sort=sort, limit=4, after=pages[-1][-1].id))

    assert [product.id for page in pages for product in page] == [product.id for product in whole]
    match sort.field:
        case "price":
            assert is_sorted([one.price.amount for one in whole], descends=sort.descends)
        case "name":
            assert is_sorted([one.name for one in whole], descends=sort.descends)
        case _:
            assert is_sorted([one.id for one in whole], descends=sort.descends)


@pytest.mark.parametrize(
    ("wanted", "skus"),
    [
        (ProductFilter(q="MOKA"), {"COF-POT-3"}),
        (ProductFilter(q="out-l"), {"OUT-LMP-01"}),
        (ProductFilter(q="usb-c"), {"OUT-LMP-01"}),
        (ProductFilter(q="3 moka cof"), {"COF-POT-3"}),
        (ProductFilter(q="moka lamp"), set()),
        (ProductFilter(q="%"), set()),
        (ProductFilter(q="_"), set()),
        (ProductFilter(q="lamp", category="desk"), {"DSK-LMP-02"}),
        (ProductFilter(category="no-such"), set()),
        (ProductFilter(in_stock=False), {"OUT-TNT-02"}),
        (ProductFilter(q="tent", in_stock=True), set()),
    ],
)
async def test_products_are_found_by_words_category_and_stock(
    database: Database, wanted: ProductFilter, skus: set[str]
) -> None:
    async with database.begin() as tx:
        await move_stock(tx, TENANT, [StockChange(product_id=TENT, change=-25)], reason=Movement.ADJUSTED)
        found = await list_products(tx, TENANT, wanted, sort=ProductSort.NAME, limit=100)

    assert {product.sku for product in found} == skus


async def test_every_change_of_stock_leaves_a_movement(database: Database) -> None:
    before = await stock_of(database, PEN)
    async with database.begin() as tx:
        await move_stock(
            tx,
            TENANT,
            [StockChange(product_id=PEN, change=-3)],
            reason=Movement.SOLD,
            order_id="order_1",
            job_id="job_1",
        )

    assert await stock_of(database, PEN) == before - 3
    written = """
        SELECT count(*) FROM stock_movements
        WHERE change = -3 AND reason = 'sold' AND order_id = 'order_1' AND job_id = 'job_1'
    """
    assert await count(database, written) == 1


async def test_stock_never_goes_below_zero(database: Database) -> None:
    with pytest.raises(IntegrityError, match="ck_products_stock"):
        async with database.begin() as tx:
            await move_stock(tx, TENANT, [StockChange(product_id=TENT, change=-26)], reason=Movement.SOLD)

    assert await stock_of(database, TENT) == 25


async def test_an_order_takes_a_product_once(database: Database) -> None:
    changes = [StockChange(product_id=PEN, change=-1)]
    async with database.begin() as tx:
        await move_stock(tx, TENANT, changes, reason=Movement.SOLD, order_id="order_1")

    with pytest.raises(IntegrityError, match="uq_stock_movements"):
        async with database.begin() as tx:
            await move_stock(tx, TENANT, changes, reason=Movement.SOLD, order_id="order_1")


async def test_stock_of_another_tenant_is_not_moved(database: Database) -> None:
    with pytest.raises(StockMismatch):
        async with database.begin() as tx:
            await move_stock(tx, OTHER_TENANT, [StockChange(product_id=PEN, change=-1)], reason=Movement.SOLD)


Key = TypeVar("Key", int, str)


def is_sorted(keys: list[Key], *, descends: bool) -> bool:
    return keys == sorted(keys, reverse=descends)
