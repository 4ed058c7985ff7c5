"""The client against the real API behind a real server, with the hands that do a worker's work."""

from collections.abc import AsyncIterator

import pytest

from headrace import AsyncHeadrace
from tests.api.conftest import House, address, house

__all__ = ["address", "house"]


@pytest.fixture
async def key(house: House) -> str:
    """A key of the house's tenant that may do everything."""
    return house.client.headers["Authorization"].removeprefix("Bearer ")


@pytest.fixture
async def client(address: str, key: str) -> AsyncIterator[AsyncHeadrace]:
    async with AsyncHeadrace(address, key) as client:
        yield client
