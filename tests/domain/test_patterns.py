"""Patterns of whole texts: what ends with a line feed is another text."""

from typing import Any

import msgspec
import pytest

from domain.emails.templates import Url
from domain.orders.order import Address
from domain.orders.product import Sku, Slug
from domain.text.summarize import LanguageTag

HOME = {"name": "Ada", "street": "Quay 1", "city": "Kiel", "country": "DE"}


@pytest.mark.parametrize(
    ("kind", "text"), [(Slug, "garden"), (Sku, "AB-1"), (LanguageTag, "pt-BR"), (Url, "https://example.com/a")]
)
def test_what_fits_but_for_a_line_feed_at_its_end_does_not_fit(kind: Any, text: str) -> None:  # noqa: ANN401 - any type
    assert msgspec.convert(text, kind) == text
    with pytest.raises(msgspec.ValidationError, match="matching regex"):
        msgspec.convert(f"{text}\n", kind)


def test_nor_does_a_country_of_an_address() -> None:
    assert msgspec.convert(HOME, Address).country == "DE"
    with pytest.raises(msgspec.ValidationError, match="matching regex"):
        msgspec.convert(HOME | {"country": "DE\n"}, Address)
