"""The shop, as the tests of orders have it."""

from tests.api.orders.conftest import database, shop

__all__ = ["database", "shop"]
