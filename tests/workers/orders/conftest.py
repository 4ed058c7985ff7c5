from collections.abc import AsyncIterator

import pytest

from storage.database import Database
from tests.support.shop_worker import ShopWorker, open_shop_worker


@pytest.fixture
async def worker(database_url: str, redis_url: str) -> AsyncIterator[ShopWorker]:
    async with open_shop_worker(database_url, redis_url) as worker:
        yield worker


@pytest.fixture
def database(worker: ShopWorker) -> Database:
    return worker.database
