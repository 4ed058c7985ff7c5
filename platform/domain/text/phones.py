"""Finds phone numbers: by their own shape where it tells, by the words around them where it does not."""

import re
from collections.abc import Iterator
from typing import Final

_BETWEEN: Final = r"[ \xa0\u2011\u2013.\-/]"
_START: Final = r"(?<![A-Za-z0-9_$€£+])(?<![A-Za-z0-9][.,\-/])(?<![0-9]:)"
_END: Final = r"(?![A-Za-z0-9_])(?![.,\-/:][0-9])"
_EXTENSION: Final = r"(?:[ ,]{0,2}(?i:x|ext\.?|extension)[ ]?[0-9]{1,6})?+"

_PHONE: Final = re.compile(
    rf"(?<![A-Za-z0-9_+])(?P<abroad>\(?\+{_BETWEEN}?"
    rf"(?:1{_BETWEEN}?\(?[2-9][0-9]{{2}}\)?{_BETWEEN}?[0-9]{{3}}{_BETWEEN}?[0-9]{{4}}"
    rf"|[1-9](?:[ \xa0\u2011\u2013.\-/()]{{0,2}}[0-9]){{6,14}}+))"
    rf"{_EXTENSION}{_END}"
    rf"|{_START}(?:"
    rf"(?P<american>(?:(?:00)?1{_BETWEEN})?+(?:\([2-9][0-9]{{2}}\){_BETWEEN}?|[2-9][0-9]{{2}}(?P<gap>{_BETWEEN}))(?:[2-9]|1(?<=[.\-)]1))[0-9]{{2}}"
    rf"(?(gap)(?P=gap)|{_BETWEEN})[0-9]{{4}})"
    # with its area in brackets: `(11) 91234-5678`, `8 (495) 123-45-67`
    r"|(?P<bracketed>(?:[0-9]{1,3}[ \-]?)?\([1-9][0-9]{1,4}\)[ ]?[0-9]{2,5}(?:[ .\-][0-9]{2,4}){1,3}+)"
    r"|(?P<parted>\(?0[0-9]{1,4}\)?(?:[ \xa0\u2011\u2013.\-/][0-9]{2,8}){1,5}+)"
    r"|(?P<any>\(?[0-9]{1,5}\)?(?:[ \xa0\u2011\u2013.\-/]{0,2}\(?[0-9]){4,14}+)"
    rf"){_EXTENSION}{_END}"
)
_OPENS: Final = re.compile(r"[0-9(+](?<![A-Za-z0-9_][0-9(+])")

# where there may be a number at all: nothing else of a text is looked at twice
_RUN: Final = re.compile(r"[0-9(+](?:[ \xa0\u2011\u2013.\-/()+]{0,3}[0-9]){6,}+")
_BEHIND: Final = 16
_BEFORE: Final = 56
_WORD: Final = re.compile(r"(?<![\w\[])[^\W\d_]{2,}+(?!_)|#")
_SAYS_PHONE: Final = frozenset(
    """phone phones telephone tel mobile cell cellphone cellular landline call calling called caller callback ring dial
    dialled fax text texted sms whatsapp signal viber telegram hotline helpline contact desk reach reached answering
    answer phoned voicemail pager extension telefon telefone telefono teléfono telefoon telefonnummer téléphone handy
    mobil móvil movil celular cellulare portable appelez appeler llama llame llamar ligue ruf rufen anrufen rufnummer
    llámame llámeme llamame llámenos ligar ligue fone handynummer telefonnr telnr komórka mobilní ph mob
    bel bellen chiama chiamare puhelin telefonu telefonní numeri номер телефон тел 电话 電話 手机 携帯 전화 هاتف
    फोन""".split()  # noqa: SIM905 - words read best as words
)
_SAYS_PHONE_UNSPACED: Final = re.compile("电话|電話|手机|手機|携帯|微信|连线|联系|連絡|핸드폰|휴대폰|전화|โทร")
_SAYS_OTHER: Final = frozenset(
    """order orders invoice tracking parcel shipment part serial isbn ean imei version release build ticket bug issue
    commit sku gtin upc card account iban ref reference case zip postcode code vat tax total eur usd gbp price amount
    passport policy id date born birth room page chapter took seconds pin ssn security customer license licence
    bestellung rechnung commande facture pedido factura timestamp epoch port pid model models year years""".split()  # noqa: SIM905 - as above
)
_AFTER: Final = re.compile(
    r"[ \t]{0,2}[(\[]?(?:office|fax|mobile|cell|home|work|desk|tel|phone|direct|landline)\b"
    r"(?! ?[:=#]| \w)"
    r"|,?[ ](?:is|was)[ ](?:my|our|her|his|their|your|the)[ ](?:[a-z]{2,10}[ ])?"
    r"(?:cell|mobile|phone|telephone|fax|landline|hotline|whatsapp)\b",
    re.IGNORECASE,
)
_MEASURED: Final = re.compile(
    r"[ ]?(?:[cmk]?m|ft|inch(?:es)?|k?g|lbs?|ml|px|k?m[\u00b2\u00b3]|[kmgt]b|hz|rpm|%|\u20ac|\$|\u00a3|eur|usd|gbp|chf"
    r"|euros?|dollars|pounds)(?![\w])",
    re.IGNORECASE,
)
_YEARS: Final = re.compile(r"(?:(?:1[89]|20)[0-9]{2}(?:[ \xa0\u2011\u2013.\-/]{1,3}|\Z))+")
_REGISTERED: Final = re.compile(r"(?i)\b(?:registered|listed|my number is|at my|on my) (?:number )?\Z")
_DATE: Final = re.compile(
    r"(?:[0-3]?[0-9]([./ -])[01]?[0-9]\1(?:19|20)[0-9]{2}|(?:19|20)[0-9]{2}([./-])[01]?[0-9]\2[0-3]?[0-9])(?![0-9])"
)
_LIKE_IP: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_SEPARATORS: Final = re.compile(_BETWEEN)
_NO_DIGITS: Final = dict.fromkeys(map(ord, " \xa0\u2011\u2013.-/()+"))
_FEWEST, _MOST = 7, 15
_NATIONAL: Final = range(9, 12)
_GERMAN_MOBILE: Final = re.compile(r"01[567][0-9][ \-/]?[0-9]{3,4}[ ]?[0-9]{4,5}\Z")


def find_phones(text: str) -> Iterator[tuple[int, int]]:
    """Where the phone numbers of a text begin and end, extensions with them.

    With a country's code, in the North American shape, or parted and beginning with 0: by themselves, unless a word
    nearby says what else is numbered. Others need a word such as "call" or "mobile" before or behind them.
    """
    for run in _RUN.finditer(text):
        end = 0
        for opening in _OPENS.finditer(text, *run.span()):
            start = opening.start()
            if start >= end and (hit := _PHONE.match(text, start, run.end() + _BEHIND)):
                if hit[0][0] == "(" and ")" not in hit[0]:  # all of it in brackets: it begins behind them
                    continue
                end = hit.end()
                if _is_phone(hit, text):
                    yield hit.span()


def _is_phone(hit: re.Match[str], text: str) -> bool:  # noqa: PLR0911 - a return a rule, the surest first
    form = hit.lastgroup if hit.lastgroup != "gap" else "american"
    number = hit[form] if form else hit[0]
    digits = len(number.translate(_NO_DIGITS))
    if not _FEWEST <= digits <= _MOST + 2 or _DATE.match(number) or _LIKE_IP.fullmatch(number):
        return False
    if form == "abroad":
        return True
    if _YEARS.fullmatch(number) or _MEASURED.match(text, hit.end()):
        return False
    before = text[max(0, hit.start() - _BEFORE) : hit.start()]
    if _REGISTERED.search(before) and digits > _FEWEST:
        return True
    said = _said_before(before)
    if said is not None:
        return said
    if _AFTER.match(text, hit.end()):
        return True
    if form == "american":
        return True
    if form == "bracketed":
        return digits in _NATIONAL
    if form == "parted" and (digits in _NATIONAL or _GERMAN_MOBILE.match(number)):
        return _is_evenly_parted(_SEPARATORS.findall(number)) and number[:2] != "00"
    return number.startswith("00") and digits >= _NATIONAL.stop and _SEPARATORS.search(number) is not None


def _is_evenly_parted(separators: list[str]) -> bool:
    """Whether one mark parts all of it, or its area is set off by one of its own: `070-123 45 67`, `089/123 456`."""
    if separators[0] in {"-", "/"} and set(separators[1:]) == {" "}:
        return True
    return len(set(separators)) == 1


def _said_before(before: str) -> bool | None:
    """What the nearest telling word before a number says it is: a phone's, something else's, or nothing."""
    for word in reversed(_WORD.findall(before)):
        lowered = word.lower()
        if lowered in _SAYS_PHONE or (not lowered.isascii() and _SAYS_PHONE_UNSPACED.search(lowered)):
            return True
        if lowered in _SAYS_OTHER or word == "#":
            return False
    return None
