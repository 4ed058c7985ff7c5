"""A real browser, and the API it visits."""

from collections.abc import AsyncIterator

import pytest

from tests.api.conftest import address, house
from tests.browser.chromium import Page, find_chromium, open_page

__all__ = ["address", "house"]


@pytest.fixture
async def page(address: str) -> AsyncIterator[Page]:
    """An empty tab of a fresh browser, for visiting the house."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium); there is none on this machine")
    async with open_page(chromium, address) as page:
        yield page
