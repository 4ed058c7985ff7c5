"""What the tests of the house share: the sources, which are not kept any longer than they run."""

from collections.abc import Iterator

import pytest

from tests.house.source import source_of


@pytest.fixture(scope="package", autouse=True)
def _forget_sources() -> Iterator[None]:
    yield
    source_of.cache_clear()
