from collections.abc import AsyncIterator

import pytest

from storage.database import Database, open_database
from tests.support.shop import open_shop
from tests.support.shop_api import ShopApi, open_shop_api


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url, name="tests")
    await open_shop(database)
    yield database
    await database.close()


@pytest.fixture
async def shop(database: Database, redis_url: str) -> AsyncIterator[ShopApi]:
    async with open_shop_api(database, redis_url) as shop:
        yield shop
