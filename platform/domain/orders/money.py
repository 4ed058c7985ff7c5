"""Money: an amount in minor units and its currency (ISO 4217)."""

from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from domain.errors import Invalid, WrongField

MOST: Final = 10**15
"""The largest amount there is: far above any order, far below where a double loses cents."""

# ruff: noqa: SIM905 - a hundred and fifty codes read better as words than as a list
_NO_MINOR_UNIT: Final = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
_THREE_DIGITS: Final = frozenset("BHD IQD JOD KWD LYD OMR TND".split())
_TWO_DIGITS: Final = frozenset(
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY "
    "COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS "
    "INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR "
    "MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP "
    "STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG".split(),
)
CURRENCIES: Final = _NO_MINOR_UNIT | _TWO_DIGITS | _THREE_DIGITS

Amount: TypeAlias = Annotated[int, Meta(ge=0, le=MOST, description="In minor units: 1299 is 12.99 USD, 1299 JPY")]
Currency: TypeAlias = Annotated[
    str, Meta(pattern=r"^[A-Z]{3}$", description="a currency of ISO 4217 in three capital letters", examples=["USD"])
]


class UnknownCurrency(Invalid):
    """ISO 4217 has no such code."""

    code = "unknown_currency"
    title = "Unknown currency"


class Money(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An amount of money, never negative. `str()` writes it as people read it: `12.99 USD`."""

    amount: Amount
    currency: Currency

    def __post_init__(self) -> None:
        """Refuse what is no currency.

        Raises:
            WrongField: ISO 4217 has no such code.
        """
        if self.currency not in CURRENCIES:
            raise WrongField("currency", _unknown(self.currency))

    def __str__(self) -> str:
        if self.currency in _NO_MINOR_UNIT:
            return f"{self.amount} {self.currency}"
        digits = 3 if self.currency in _THREE_DIGITS else 2
        whole, part = divmod(self.amount, 10**digits)
        return f"{whole}.{part:0{digits}d} {self.currency}"


def check_currency(code: str, *, pointer: str) -> None:
    """Go on only if `code` is a currency; `pointer` names the field it stood in.

    Raises:
        UnknownCurrency: it is none.
    """
    if code not in CURRENCIES:
        raise UnknownCurrency(_unknown(code), pointer=pointer)


def _unknown(code: str) -> str:
    return f"Expected a currency of ISO 4217 such as USD, not {code}."
