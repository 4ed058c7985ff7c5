"""The stores of these tests."""

from collections.abc import AsyncIterator

import pytest

from storage.database import Database
from tests.support.jobs import open_store


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_store(database_url) as store:
        yield store
