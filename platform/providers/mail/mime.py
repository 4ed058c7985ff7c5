"""An e-mail as the bytes that go over the wire (RFC 5322, MIME)."""

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, parseaddr
from typing import Final

import idna

from domain.emails.message import Mail

MESSAGE_ID_DOMAIN: Final = "headrace"

# All lines short and ASCII: every server takes that, whatever extensions it has.
_WIRE: Final = SMTP.clone(cte_type="7bit")
_LINE: Final = 76
_LONGEST_WORD: Final = 60  # fits behind the header's name
_ENCODED_WORD_BYTES: Final = 45  # 60 in base64, and 12 of frame: within the 75 of RFC 2047


def to_bytes(mail: Mail, *, now: datetime) -> bytes:
    """The e-mail with its headers, lines ended by CR LF, all ASCII. Who is in `bcc` does not appear.

    Raises:
        ValueError: an address has a domain that cannot be written in ASCII (IDNA 2008).
    """
    head = "\r\n".join(f"{name}: {value}" for name, value in _headers(mail, now))
    return head.encode("ascii") + b"\r\n" + _body(mail).as_bytes(policy=_WIRE)


def to_ascii(address: str) -> str:
    """The address as the wire has it: an international domain spelled in ASCII (IDNA 2008).

    Raises:
        ValueError: the domain has no such spelling.
    """
    if address.isascii():
        return address
    local_part, _, domain = address.rpartition("@")
    return f"{local_part}@{idna.encode(domain, uts46=True).decode('ascii')}"


def bare_address(sender: str) -> str:
    """The address alone, of `Headrace <noreply@example.com>` or of a bare one.

    Raises:
        ValueError: there is no address in it.
    """
    address = parseaddr(sender)[1]
    if "@" not in address:
        raise ValueError(f"no e-mail address in {sender!r}")
    return to_ascii(address)


def _headers(mail: Mail, now: datetime) -> Iterator[tuple[str, str]]:
    yield "From", formataddr((parseaddr(mail.sender)[0], bare_address(mail.sender)))
    yield "To", _addresses(mail.to)
    if mail.cc:
        yield "Cc", _addresses(mail.cc)
    if mail.reply_to is not None:
        yield "Reply-To", to_ascii(mail.reply_to)
    yield "Subject", _unstructured("Subject", mail.subject)
    yield "Date", format_datetime(now.astimezone(UTC))
    yield "Message-ID", f"<{mail.message_id}@{MESSAGE_ID_DOMAIN}>"
    yield "Auto-Submitted", "auto-generated"  # RFC 3834: no holiday notices in answer


def _addresses(addresses: tuple[str, ...]) -> str:
    return ",\r\n ".join(to_ascii(address) for address in addresses)


def _unstructured(name: str, text: str) -> str:
    """Plain ASCII folded between its words; all that would not survive that, in encoded words (RFC 2047)."""
    words = text.split(" ")
    # A double space, or one at an end, may be lost in folding; what looks like an encoded word would be decoded.
    if not text.isascii() or "=?" in text or any(not word or len(word) > _LONGEST_WORD for word in words):
        return "\r\n ".join(f"=?utf-8?b?{b64encode(piece.encode()).decode('ascii')}?=" for piece in _pieces(text))
    lines, width = [words[0]], len(name) + len(": ") + len(words[0])
    for word in words[1:]:
        width += 1 + len(word)
        if width <= _LINE:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
            width = 1 + len(word)
    return "\r\n ".join(lines)


def _pieces(text: str) -> Iterator[str]:
    """`text` cut between characters, each piece small enough for one encoded word."""
    piece, size = "", 0
    for character in text:
        width = len(character.encode())
        if size + width > _ENCODED_WORD_BYTES:
            yield piece
            piece, size = "", 0
        piece, size = piece + character, size + width
    if piece:
        yield piece


def _body(mail: Mail) -> EmailMessage:
    body = EmailMessage(policy=_WIRE)
    if mail.text is not None:
        body.set_content(mail.text)
        if mail.html is not None:
            body.add_alternative(mail.html, subtype="html")
    else:
        body.set_content(mail.html or "", subtype="html")
    return body
