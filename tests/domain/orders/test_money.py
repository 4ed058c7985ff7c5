import msgspec
import pytest

from domain.orders.money import MOST, Money


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [(1299, "USD", "12.99 USD"), (5, "EUR", "0.05 EUR"), (1299, "JPY", "1299 JPY"), (1299, "KWD", "1.299 KWD")],
)
def test_money_is_written_with_the_digits_of_its_currency(amount: int, currency: str, written: str) -> None:
    assert str(Money(amount=amount, currency=currency)) == written


def test_money_is_read_from_minor_units() -> None:
    read = msgspec.json.decode(b'{"amount": 1299, "currency": "USD"}', type=Money)

    assert read == Money(amount=1299, currency="USD")


def test_a_currency_that_is_none_is_answered_with_what_would_be_one() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"Expected a currency of ISO 4217 such as USD, not ABC\.$"):
        msgspec.json.decode(b'{"amount": 1, "currency": "ABC"}', type=Money)


@pytest.mark.parametrize(
    "given",
    [
        b'{"amount": -1, "currency": "USD"}',
        b'{"amount": 1.5, "currency": "USD"}',
        b'{"amount": "1", "currency": "USD"}',
        b'{"amount": 1, "currency": "usd"}',
        b'{"amount": 1, "currency": "ABC"}',
        b'{"amount": 1, "currency": "USD", "cents": 0}',
        f'{{"amount": {MOST + 1}, "currency": "USD"}}'.encode(),
    ],
)
def test_what_is_not_money_is_refused(given: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(given, type=Money)
