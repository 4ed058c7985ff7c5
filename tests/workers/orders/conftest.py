from collections.abc import AsyncIterator

import pytest

from storage.database import Database, open_database
from tests.support.shop import open_shop
from tests.support.shop_worker import ShopWorker, open_shop_worker


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url, name="tests", size=12)
    await open_shop(database)
    yield database
    await database.close()


@pytest.fixture
async def worker(database: Database) -> AsyncIterator[ShopWorker]:
    async with open_shop_worker(database) as worker:
        yield worker
