"""What may stand in the headers of an e-mail: its addresses and its subject."""

import re
import unicodedata
from typing import Final

LONGEST_ADDRESS: Final = 254  # RFC 5321, 4.5.3.1.3: a path of 256 with its angle brackets
LONGEST_LOCAL_PART: Final = 64
LONGEST_DOMAIN: Final = 253
LONGEST_LABEL: Final = 63
LONGEST_SUBJECT: Final = 998

# A dot-atom (RFC 5322, 3.2.3). Quoted local parts are legal and unused; what they allow is mostly trouble.
_LOCAL_PART: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_ASCII_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_LINE_BREAKS: Final = frozenset("\u2028\u2029")
_ACE: Final = "xn--"


def check_address(address: str) -> None:
    """Go on only if `address` is a bare e-mail address the platform sends to.

    The local part is an ASCII dot-atom of at most 64 characters; the domain has at least two labels, and may be
    international (`post@bücher.example`).

    Raises:
        ValueError: it is not; the sentence says why.
    """
    local_part, at, domain = address.rpartition("@")
    if not at:
        raise ValueError("an e-mail address has an @")
    if len(address) > LONGEST_ADDRESS or len(local_part) > LONGEST_LOCAL_PART:
        raise ValueError(
            f"an e-mail address has at most {LONGEST_ADDRESS} characters, {LONGEST_LOCAL_PART} of them before the @"
        )
    if not _LOCAL_PART.fullmatch(local_part):
        raise ValueError("before the @ stand letters, digits and single dots; no spaces, quotes or display names")
    _check_domain(domain)


def check_subject(subject: str) -> None:
    """Go on only if `subject` fits on one line: at most 998 characters, none of them a control or a line break.

    Raises:
        ValueError: it does not; the sentence says why.
    """
    if len(subject) > LONGEST_SUBJECT:
        raise ValueError(f"a subject has at most {LONGEST_SUBJECT} characters")
    if not subject.strip():
        raise ValueError("a subject is not blank")
    if any(unicodedata.category(character) == "Cc" or character in _LINE_BREAKS for character in subject):
        raise ValueError("a subject has no line breaks and no control characters")


def _check_domain(domain: str) -> None:
    labels = domain.split(".")
    if len(labels) < 2:  # noqa: PLR2004 - a name and what it stands under
        raise ValueError("the domain has at least two parts, as in example.com")
    encoded = [_encoded_length(label) for label in labels]
    if sum(encoded) + len(labels) - 1 > LONGEST_DOMAIN:
        raise ValueError(f"the domain has at most {LONGEST_DOMAIN} characters")
    if labels[-1].isdigit():
        raise ValueError("the domain is a name, not an address of a machine")


def _encoded_length(label: str) -> int:
    """How long a label is on the wire, once it is known to be one."""
    if label.isascii():
        if not _ASCII_LABEL.fullmatch(label):
            raise ValueError("each part of the domain has letters, digits and inner hyphens")
        length = len(label)
    else:
        # Letters, marks and digits in composed form, without compatibility look-alikes (U+3002 reads as a dot).
        if unicodedata.normalize("NFKC", label) != label or not all(_is_word(character) for character in label):
            raise ValueError("each part of the domain has letters, digits and inner hyphens, in composed form")
        length = len(_ACE) + len(label.encode("punycode"))
    if length > LONGEST_LABEL:
        raise ValueError(f"each part of the domain has at most {LONGEST_LABEL} characters")
    return length


def _is_word(character: str) -> bool:
    return character == "-" or unicodedata.category(character)[0] in "LMN"
