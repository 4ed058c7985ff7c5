"""Finds what identifies or opens in a text: addresses, numbers and keys, by their shapes, check digits and context.

Names, postal addresses and dates are not found. Time is linear in the text: every pattern starts at a boundary and
never gives back what it took. Most of a text is passed over quickly: a pattern is tried only where a cheap one finds a
character that every value of its sort has (an "@", some digits, a "_"), which changes nothing of what is found.
"""

import re
from collections.abc import Callable, Collection, Iterator
from typing import Final, Literal

from msgspec import Struct

from domain.text.check_digits import iban_length, is_card
from domain.text.given_secrets import given_secrets
from domain.text.openings import matched_at, matches_from, starts_before
from domain.text.phones import find_phones

Sort = Literal["email", "phone", "card", "iban", "ssn", "ip", "key", "jwt"]

SORTS: Final[tuple[Sort, ...]] = ("jwt", "key", "email", "iban", "card", "ssn", "ip", "phone")
"""Every sort of personal value there is. Where two overlap by equal length, the one that stands first here wins."""


class Found(Struct, frozen=True):
    """A personal value: `text[start:end]`."""

    start: int
    end: int
    sort: Sort


_AT: Final = r"(?<![A-Za-z0-9_-])"
_LOCAL: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]++")
_DOMAIN: Final = re.compile(r"[^\W_](?:[\w-]*+)(?:\.[\w-]++)++|\[[0-9]{1,3}(?:\.[0-9]{1,3}){3}\]")
_LAST_LABEL: Final = re.compile(r"(?:[^\W\d_]{2,24}|xn--[A-Za-z0-9-]{2,59})")
_LONGEST_LOCAL: Final = 64
_OPENING: Final = "!#$%&'*+/=?^`{|}~-."

_JWT: Final = re.compile(_AT + r"eyJ[A-Za-z0-9_-]{6,}+\.[A-Za-z0-9_-]{4,}+\.[A-Za-z0-9_-]*+(?:\.[A-Za-z0-9_-]++){0,2}")

_KEY: Final = re.compile(
    _AT + r"(?:"
    r"hr[a-z]{0,2}_[0-9A-Za-z_]{20,}+"  # our own: keys, access and refresh tokens
    r"|sk-[A-Za-z0-9_-]{20,}+|gsk_[A-Za-z0-9]{20,}+|xai-[A-Za-z0-9]{20,}+|r8_[A-Za-z0-9]{30,}+"
    r"|[rs]k_(?:live|test)_[A-Za-z0-9]{10,}+|whsec_[A-Za-z0-9+/=]{16,}+|sq0[a-z]{3}-[A-Za-z0-9_-]{20,}+"
    r"|gh[oprsu]_[A-Za-z0-9]{30,}+|github_pat_[A-Za-z0-9_]{20,}+|gl[a-z]{2,5}-[A-Za-z0-9_-]{20,}+"
    r"|xox[a-z]-[A-Za-z0-9-]{10,}+|xapp-[A-Za-z0-9-]{20,}+|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}+"
    r"|A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])|SG\.[A-Za-z0-9_-]{16,}+\.[A-Za-z0-9_-]{16,}+"
    r"|npm_[A-Za-z0-9]{30,}+|pypi-[A-Za-z0-9_-]{32,}+|hf_[A-Za-z0-9]{30,}+|SK[0-9a-f]{32}(?![A-Za-z0-9])"
    r"|do[a-z]_v1_[0-9a-f]{40,}+|shp[a-z]{2}_[0-9a-fA-F]{32}|dapi[0-9a-f]{32}|hv[bs]\.[A-Za-z0-9_-]{20,}+"
    r"|lin_api_[A-Za-z0-9]{30,}+|ntn_[A-Za-z0-9]{30,}+|PMAK-[0-9a-f]{24}-[0-9a-f]{34}|NRAK-[A-Z0-9]{27}"
    r"|key-[0-9a-f]{32}(?![A-Za-z0-9])|AGE-SECRET-KEY-1[A-Z0-9]{40,}+|[0-9]{8,10}:AA[A-Za-z0-9_-]{30,}+"
    r")"
)
# Where a key may begin: before a mark that much of a token follows, or by letters of its own.
_MARK: Final = re.compile(r"[_.:-](?=[A-Za-z0-9_+/=-]{10})")
_LONGEST_PREFIX: Final = 10
_MARKLESS: Final = (
    re.compile(r"A(?=Iza|[KSB]IA|CCA)"), re.compile(r"SK(?=[0-9a-f]{32})"), re.compile(r"dapi(?=[0-9a-f]{32})"),
)  # fmt: skip

# What stands where a secret stands, whatever it looks like; the second one is a password in an address.
_BEARER: Final = re.compile(r"(?<![A-Za-z])(?:[Bb]earer|BEARER)[ ]{1,4}+([A-Za-z0-9._~+/-]{16,}+=*+)")
_BEARER_OPENS: Final = re.compile(r"[Bb](?=earer |EARER )")
_ADDRESSED: Final = re.compile(r"://[^\s/@:\"'<>\[\]]{0,128}+:([^\s/@\"'<>\[\]]{2,256}+)@")
_USER: Final = re.compile(r"://[^\s/@:]*+:\Z")
_PRIVATE: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}?PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[A-Za-z0-9+/=\s:,.()]|-(?!----))*+(?:-----END [A-Z0-9 ]{0,30}?PRIVATE KEY(?: BLOCK)?-----)?"
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{32}")

# from its third character, the first digit, on: digits are rarer than letters
_IBAN_OPENS: Final = re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])(?<![A-Za-z0-9][A-Za-z]{2}[0-9])(?=[0-9])")
_IBAN: Final = re.compile(r"[A-Za-z](?<![A-Za-z0-9][A-Za-z])[A-Za-z][0-9]{2}(?:[ \xa0.-]?[A-Za-z0-9]){11,30}+")

_CARD_OPENS: Final = re.compile(r"[1-6](?<![A-Za-z0-9_][1-6])(?=[0-9](?:[ \xa0.-]?[0-9]){10})")
_CARD: Final = re.compile(
    r"(?<![A-Za-z0-9_])(?<![0-9][.,])(?:"
    r"[2-6][0-9]{3}([ \xa0.-])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?+"
    r"|3[0-9]{3}([ \xa0.-])[0-9]{6}\2[0-9]{4,5}"
    r"|(?:5|6)[0-9]{3}([ \xa0.-])[0-9]{4}\3[0-9]{4,5}(?:\3[0-9]{1,4})?+"
    r"|[1-6][0-9](?:[ \xa0-]?[0-9]){10,17}+"
    r")(?![A-Za-z0-9_]|[.,-][0-9])"
)
_SSN_OPENS: Final = re.compile(r"[0-8](?<![A-Za-z0-9_][0-8])(?=[0-9]{2}[- .]?[0-9]{2}[- .]?[0-9]{4})")
_SSN: Final = re.compile(
    r"(?<![A-Za-z0-9_])(?<![0-9][.,-])(?!000|666|9)[0-9]{3}([- .]?)(?!00)[0-9]{2}\1(?!0000)[0-9]{4}"
    r"(?![A-Za-z0-9_]|[.,-][0-9])"
)
_SSN_SAID: Final = re.compile(r"(?i)\b(?:ssn|social[ -]?security|soc\.? sec)")
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4_OPENS: Final = re.compile(r"[0-9](?<![A-Za-z0-9_][0-9])(?=[0-9]{0,2}(?:\.[0-9]{1,3}){3})")
_IPV4: Final = re.compile(rf"(?<![A-Za-z0-9_])(?<![0-9]\.)(?:{_OCTET}\.){{3}}{_OCTET}(?![A-Za-z0-9_]|\.[0-9])")
# from its first colon on: what leads up to that is looked at once there is a second
_IPV6: Final = re.compile(r":[0-9A-Fa-f]{0,4}+:[0-9A-Fa-f:]*+(?:(?:\.[0-9]{1,3}){3})?+(?![A-Za-z0-9_])")
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_NOBODY: Final = frozenset({"127.0.0.1", "0.0.0.0", "255.255.255.255", "::1", "::"})  # noqa: S104 - nothing is bound
_FULL_IPV6: Final = 7
_FEWEST_COLONS: Final = 6
_LONGEST_GROUP: Final = 4

_NUMBERED: Final = re.compile(
    r"(?i)(?:\bv|version|release|build|firmware|section|paragraph|clause|chapter|article|oid|isbn(?:-1[03])?|ean|order|invoice|tracking|parcel|shipment"
    r"|ticket|serial|part|imei|bug|issue|commit|sku|gtin|upc)"
    r"(?:[ ](?:number|no|num|nr|code|id))?(?:[ ](?:is|was))?\Z"
)
_NUMBERED_BEHIND: Final = re.compile(r"(?i)[ ](?:is the (?:new |latest |current )?(?:version|release|build)|oid)\b")
_BEFORE: Final = 28


def find_personal(text: str, sorts: Collection[Sort] = SORTS) -> list[Found]:
    """The personal values of `sorts` in a text, in its order and apart from one another.

    The longest wins where several overlap, and whatever they cover goes with it; a phone number yields to all others.
    JSON's escapes in a text bound a value as what they stand for would.
    """
    plain = without_escapes(text)
    seen = [Found(start, end, sort) for sort in SORTS if sort in sorts for start, end in _FINDERS[sort](plain)]
    return _apart(seen)


def without_escapes(text: str) -> str:
    """The text with line breaks in place of JSON's escapes, as long as before: no value begins inside an escape."""
    if "\\" not in text:
        return text
    for escape in ("\\\\", '\\"', "\\/", "\\b", "\\f", "\\n", "\\r", "\\t"):
        text = text.replace(escape, "\n\n")
    return re.sub(r"\\u[0-9a-fA-F]{4}", "\n" * 6, text)


def _apart(seen: list[Found]) -> list[Found]:
    kept: list[Found] = []
    for found in sorted(seen, key=_place):
        if not kept or found.start >= kept[-1].end:
            kept.append(found)
            continue
        before = kept[-1]
        best = before if _weight(before) >= _weight(found) else found
        kept[-1] = Found(before.start, max(before.end, found.end), best.sort)
    return kept


def _place(found: Found) -> int:
    return found.start


def _weight(found: Found) -> tuple[bool, int, int]:
    return found.sort != "phone", found.end - found.start, -SORTS.index(found.sort)


def _emails(text: str) -> Iterator[tuple[int, int]]:
    end = 0
    at = text.find("@")
    before = 0
    while at >= 0:
        if hit := _DOMAIN.match(text, at + 1):
            # what leads up to this "@", read from it backwards
            run = _LOCAL.match(text[before:at][::-1])
            begins = at - run.end() if run else at
            if end <= begins < at:
                end = hit.end()
                if place := _address(text, begins, at, end):
                    yield place
        before = at + 1
        at = text.find("@", before)


def _address(text: str, begins: int, at: int, end: int) -> tuple[int, int] | None:
    """Where in `text[begins:end]`, which has its "@" at `at`, an e-mail address is."""
    local, domain = text[begins:at], text[at + 1 : end]
    bare = local.lstrip(_OPENING)
    if "=" in bare or "/" in bare:  # `to=ada@…`, `mailto/ada@…`: what leads up to an address, never part of one
        bare = re.split(r"[=/]", bare)[-1]
    if not bare or len(bare) > _LONGEST_LOCAL or ".." in bare:
        return None
    if text[begins - 1 : begins] == ":" and _USER.search(text, max(0, begins - 140), begins):
        return None
    if domain[0] != "[":
        trimmed = domain.rstrip("-_")
        if not _LAST_LABEL.fullmatch(trimmed.rpartition(".")[2]):
            return None
        end -= len(domain) - len(trimmed)
    return at - len(bare), end


def _keys(text: str) -> Iterator[tuple[int, int]]:
    starts = starts_before(_MARK, text, _LONGEST_PREFIX)
    starts.update(hit.start() for letters in _MARKLESS for hit in letters.finditer(text))
    for hit in matched_at(sorted(starts), _KEY, text):
        yield hit.span()
    for hit in matches_from(_BEARER_OPENS, _BEARER, text):
        yield hit.span(1)
    yield from given_secrets(text)
    for hit in _ADDRESSED.finditer(text):
        yield hit.span(1)
    for hit in _PRIVATE.finditer(text):
        block = hit[0].rstrip()
        if "-----END " in block or _BASE64.search(block):
            yield hit.start(), hit.start() + len(block)


def _jwts(text: str) -> Iterator[tuple[int, int]]:
    if "eyJ" in text:
        for hit in _JWT.finditer(text):
            yield hit.span()


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    place = 0
    while digit := _IBAN_OPENS.search(text, place + 2):
        start = place = digit.start() - 2
        hit = _IBAN.match(text, start)
        length = iban_length(hit[0]) if hit else 0
        if length:
            yield start, start + length
        place += length or (4 if hit else 1)


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for hit in matches_from(_CARD_OPENS, _CARD, text):
        if is_card(hit[0]) and not _is_numbered(text, hit.start()):
            yield hit.span()


def _ssns(text: str) -> Iterator[tuple[int, int]]:
    for hit in matches_from(_SSN_OPENS, _SSN, text):
        before = text[max(0, hit.start() - 48) : hit.start()]
        if _SSN_SAID.search(before) if hit[1] != "-" else not _is_numbered(text, hit.start()):
            yield hit.span()


def _ips(text: str) -> Iterator[tuple[int, int]]:
    for hit in matches_from(_IPV4_OPENS, _IPV4, text):
        if hit[0] in _NOBODY or _is_numbered(text, hit.start()) or _NUMBERED_BEHIND.match(text, hit.end()):
            continue
        yield hit.span()
    for hit in _IPV6.finditer(text):
        start, end = hit.span()
        if "::" not in hit[0] and hit[0].count(":") < _FEWEST_COLONS:  # a time of day
            continue
        while hit.start() - start < _LONGEST_GROUP and text[start - 1 : start] in _HEX:
            start -= 1
        if text[end - 1] == ":" and text[end - 2] != ":":
            end -= 1
        before = text[start - 1 : start] if start else ""
        if _is_ipv6(text[start:end]) and not (before and (before.isalnum() or before in "_:.")):
            yield start, end


def _is_ipv6(said: str) -> bool:
    head, dot, _ = said.partition(".")
    colons = head.count(":") + (1 if dot else 0)
    shortened = said.count("::")
    if colons > _FULL_IPV6 or (colons < _FULL_IPV6 and shortened != 1) or shortened > 1 or ":::" in said:
        return False
    groups = [group for group in head.split(":") if group]
    if (said[0] == ":" and said[1] != ":") or any(len(group) > _LONGEST_GROUP for group in groups):
        return False
    if not shortened:
        return True
    # `a::b` is C++; an address has a digit, and more than two groups or a first one that is written out
    told = len(groups) > 2 or (len(groups) > 1 and len(groups[0]) > 2)  # noqa: PLR2004 - as said
    return told and any(letter.isdigit() for letter in said)


def _is_numbered(text: str, start: int) -> bool:
    """Whether a number is led up to as the number of a thing: of a version, an order, a book."""
    before = text[max(0, start - _BEFORE) : start].rstrip(" #:.")
    return before[-1:].isalpha() and _NUMBERED.search(before) is not None


_FINDERS: Final[dict[Sort, Callable[[str], Iterator[tuple[int, int]]]]] = {
    "jwt": _jwts,
    "key": _keys,
    "email": _emails,
    "iban": _ibans,
    "card": _cards,
    "ssn": _ssns,
    "ip": _ips,
    "phone": find_phones,
}
