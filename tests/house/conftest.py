"""What the tests of a module share: the sources, which are not kept any longer: they take half a gigabyte."""

from collections.abc import Iterator

import pytest

from tests.house.source import source_of


@pytest.fixture(scope="module", autouse=True)
def _forget_sources() -> Iterator[None]:
    yield
    source_of.cache_clear()
