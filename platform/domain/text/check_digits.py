"""The check digits of cards and bank accounts."""

import re
from typing import Final

_SEPARATORS: Final = re.compile(r"[ \xa0.-]")
_DOUBLED: Final = str.maketrans("0123456789", "0246813579")
# What card companies begin their numbers with, and how many digits those have.
_ISSUERS: Final = re.compile(
    r"4[0-9]{12}(?:[0-9]{3}){0,2}"  # Visa: 13, 16, 19
    r"|(?:5[1-5]|2[2-7])[0-9]{14}"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-59]|[689][0-9])[0-9]{11}(?:[0-9]{2}){0,1}"  # Diners Club
    r"|(?:2131|1800)[0-9]{11}|35[0-9]{14}"  # JCB, old and new
    r"|6[0-9]{15,18}"  # Discover, UnionPay, RuPay, Maestro
    r"|(?:5[06-8]|6[0-9])[0-9]{10,17}"  # Maestro
    r"|220[0-4][0-9]{12}"  # Mir
)
_IBAN_LENGTHS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28,
    "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21,
    "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31,
    "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24,
    "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25,
    "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip


_VALUES: Final = str.maketrans({chr(ord("A") + at): str(10 + at) for at in range(26)})


def is_card(number: str) -> bool:
    """Whether an issuer's number of 12 to 19 digits has the check digit of ISO/IEC 7812 (Luhn)."""
    digits = _SEPARATORS.sub("", number)
    if not _ISSUERS.fullmatch(digits) or len(set(digits)) == 1:
        return False
    plain, doubled = digits[::-2], digits[-2::-2].translate(_DOUBLED)
    return (sum(map(int, plain)) + sum(map(int, doubled))) % 10 == 0


def iban_length(beginning: str) -> int:
    """How many characters of a text that begins like an IBAN (ISO 13616) are one, separators too; 0: it is none."""
    wanted = _IBAN_LENGTHS.get(beginning[:2].upper())
    if wanted is None:
        return 0
    end = wanted
    while (more := wanted - end + len(_SEPARATORS.findall(beginning[:end]))) > 0 and end < len(beginning):
        end += more
    if end > len(beginning) or beginning[end : end + 1].isalnum():
        return 0
    account = _SEPARATORS.sub("", beginning[:end]).upper()
    return end if len(account) == wanted and int((account[4:] + account[:4]).translate(_VALUES)) % 97 == 1 else 0
