"""Makes texts in five locales with personal values at known places, and with look-alikes that are none.

Everything in them is invented: numbers come from a seeded generator, addresses end in reserved names.
"""

import base64
import json
import random
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from domain.text.personal import Found, Sort


class Made(Struct, frozen=True):
    """A text, and what should be found in it."""

    text: str
    spans: tuple[Found, ...]


_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WORDY: Final = _LETTERS + _LETTERS.lower() + "0123456789"
_PEOPLE: Final = ("ada", "bruno", "chloe", "dmitri", "eva", "farid", "greta", "hugo", "ines", "jonas")
_HOSTS: Final = ("example.com", "mail.example.org", "firma.example", "uni.example.net", "correo.example.es")

_PHONES: Final = {
    "en-US": ("({n3}) {n3}-{d4}", "{n3}-{n3}-{d4}", "+1 {n3} {n3} {d4}", "{n3}.{n3}.{d4}",
              "+1-{n3}-{n3}-{d4} ext. {d2}"),
    "en-GB": ("+44 20 {d4} {d4}", "020 {d4} {d4}", "07{d3} {d6}", "+44 (0)1632 {d6}", "01632 {d6}"),
    "de": ("+49 30 {d6}", "030 {d4} {d4}", "0151 {d4} {d4}", "+49 (0)89 {d4}-{d2}", "0049 40 {d6}"),
    "fr": ("+33 6 {d2} {d2} {d2} {d2}", "06 {d2} {d2} {d2} {d2}", "01.{d2}.{d2}.{d2}.{d2}",
           "0033 1 {d2} {d2} {d2} {d2}", "+336{d8}"),
    "es": ("+34 6{d2} {d3} {d3}", "+34 91 {d3} {d2} {d2}", "(+34) 6{d2} {d2} {d2} {d2}",
           "+34-93-{d3}-{d4}", "+346{d8}"),
}  # fmt: skip
_FRAMES: Final = {
    "en-US": (
        "Please write to {email} or call {phone}.", "My card {card} was charged twice, mail me at {email}.",
        "SSN: {ssn}. Reach me at {phone}", "{email};{phone};{ip}", "Login from {ip} by {email} at 10:30.",
        "Use the key {key} and the token {jwt} for now.", 'Reply-To: "A. B." <{email}>\nX-Origin: [{ip}]',
    ),
    "en-GB": (
        "Ring {phone} after six, or {phone}.", "Pay into {iban}, please, and tell {email}.",
        "Mobile: {phone}\nE-mail: {email}", "The card ({card}) expires 09/27.", "Authorization: Bearer {key}",
    ),
    "de": (
        "Bitte melden Sie sich bei {email} oder unter {phone}.", "Überweisen Sie auf {iban} bis zum 01.02.2027.",
        "Tel. {phone}, Karte {card}", "Zugriff von {ip}, Schlüssel {key}",
    ),
    "fr": (
        "Écrivez à {email} ou appelez le {phone}.", "Mon IBAN est {iban}, merci.", "Tél. : {phone}",
        "Carte {card} refusée pour {email}.", "Connexion depuis {ip}.",
    ),
    "es": (
        "Escriba a {email} o llame al {phone}.", "La cuenta es {iban}.", "Móvil: {phone}; correo: {email}",
        "Pagó con {card} desde {ip}.",
    ),
}  # fmt: skip
_LOOK_ALIKES: Final = (
    "Order {d4}-{d4}-{d4} shipped on 2026-03-{d2}.", "Version 10.{d2}.3.4 fixes bug #{d9}.", "ISBN 978-3-16-14{d4}-0",
    "Tracking number 1Z{d9}{d7} left the depot.", "Rechnung 2026-{d6} über 1.{d3},{d2} EUR, fällig am 31.12.2026",
    "The commit is {hex40}.", "Job job_{hex32} ran for {d4} ms.", "It took 3.14159265{d2} seconds at 10:30:{d2}.",
    "The invalid card 4{d3} {d4} {d4} was refused; part no. 555-0199-{d2}.", "Follow @example and #sale{d4}.",
    "La factura 2026/{d4} suma {d1}.{d3}.{d3},{d2} euros.", "std::vector<int> a::b; 12:30:45; 00:1a:2b:3c:4d:5e",
    "Le 12/03/2026, page {d3}, chapitre {d2} : {d3} {d3} {d3} habitants.", "Mail me @ noon; a@b is no address.",
    "Population {d1},{d3},{d3}; budget $1{d3}{d3}{d3}; ticket {d9}.",
    "2026-01-02T03:04:05.{d6}Z level=info port=54{d3}",
)  # fmt: skip


def made_texts(number: int, seed: int = 20260101) -> list[Made]:
    """So many texts, the same for the same seed; every fourth holds look-alikes alone."""
    draw = random.Random(seed)  # noqa: S311 - test values
    return [_look_alike(draw) if at % 4 == 3 else _personal(draw) for at in range(number)]  # noqa: PLR2004 - every fourth


def _personal(draw: random.Random) -> Made:
    locale = draw.choice(tuple(_FRAMES))
    text, spans = "", []
    rest = draw.choice(_FRAMES[locale])
    while "{" in rest:
        before, _, rest = rest.partition("{")
        name, _, rest = rest.partition("}")
        value = _MAKERS[name](draw, locale)
        text += before
        spans.append(Found(len(text), len(text) + len(value), name))  # type: ignore[arg-type]  # the frames name sorts
        text += value
    return Made(text + rest, tuple(spans))


def _look_alike(draw: random.Random) -> Made:
    return Made(_filled(draw.choice(_LOOK_ALIKES), draw), ())


def _filled(form: str, draw: random.Random) -> str:
    said = ""
    while "{" in form:
        before, _, form = form.partition("{")
        name, _, form = form.partition("}")
        size = int(name.lstrip("dnhex"))
        drawn = "".join(
            draw.choice("0123456789abcdef" if name.startswith("hex") else "0123456789") for _ in range(size)
        )
        said += before + (draw.choice("23456789") + drawn[1:] if name.startswith("n") else drawn)
    return said + form


def _email(draw: random.Random, _locale: str) -> str:
    joint = draw.choice((".", "_", "+", "-", ""))
    return f"{draw.choice(_PEOPLE)}{joint}{draw.choice(_PEOPLE)}{draw.choice(('', '7', '42'))}@{draw.choice(_HOSTS)}"


def _phone(draw: random.Random, locale: str) -> str:
    return _filled(draw.choice(_PHONES[locale]), draw)


def _card(draw: random.Random, _locale: str) -> str:
    start, size = draw.choice(
        (("4", 16), ("51", 16), ("2221", 16), ("34", 15), ("3528", 16), ("6011", 16), ("5018", 12))
    )
    digits = start + "".join(draw.choice("0123456789") for _ in range(size - len(start) - 1))
    total = sum(sum(divmod(int(digit) * 2, 10)) for digit in digits[::-2]) + sum(map(int, digits[-2::-2]))
    digits += str(-total % 10)
    joint = draw.choice(("", " ", "-")) if size == 16 else ""  # noqa: PLR2004 - four by four
    return joint.join(digits[at : at + 4] for at in range(0, size, 4))


def _iban(draw: random.Random, _locale: str) -> str:
    country, bank, size = draw.choice(
        (("DE", "", 18), ("FR", "", 23), ("ES", "", 20), ("GB", "WEST", 14), ("NL", "ABNA", 10))
    )
    account = bank + "".join(draw.choice("0123456789") for _ in range(size))
    whole = "".join(str(int(letter, 36)) for letter in f"{account}{country}00")
    spelled = f"{country}{98 - int(whole) % 97:02}{account}"
    return " ".join(spelled[at : at + 4] for at in range(0, len(spelled), 4)) if draw.random() < 0.5 else spelled  # noqa: PLR2004


def _ssn(draw: random.Random, _locale: str) -> str:
    return f"{draw.randint(1, 665):03}-{draw.randint(1, 99):02}-{draw.randint(1, 9999):04}"


def _ip(draw: random.Random, _locale: str) -> str:
    if draw.random() < 0.6:  # noqa: PLR2004 - most are of the old form
        return ".".join(str(draw.randint(1, 254)) for _ in range(4))
    groups = [f"{draw.randint(1, 0xFFFF):x}" for _ in range(8)]
    return f"2001:db8::{groups[0]}" if draw.random() < 0.4 else ":".join(groups)  # noqa: PLR2004


def _key(draw: random.Random, _locale: str) -> str:
    start, size = draw.choice(
        (("hr_aB3dE6gH_", 44), ("hra_", 43), ("sk-proj-", 48), ("sk_live_", 24), ("ghp_", 36), ("AIza", 35),
         ("xoxb-", 40), ("glpat-", 20), ("github_pat_", 40), ("npm_", 36))
    )  # fmt: skip
    return start + "".join(draw.choice(_WORDY) for _ in range(size))


def _jwt(draw: random.Random, _locale: str) -> str:
    parts = (json.dumps({"alg": "HS256"}), json.dumps({"sub": draw.choice(_PEOPLE)}), str(draw.random()) * 2)
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


_MAKERS: Final[dict[str, Callable[[random.Random, str], str]]] = {
    "email": _email, "phone": _phone, "card": _card, "iban": _iban, "ssn": _ssn, "ip": _ip, "key": _key, "jwt": _jwt,
}  # fmt: skip

SORTS_MADE: Final[tuple[Sort, ...]] = ("email", "phone", "card", "iban", "ssn", "ip", "key", "jwt")
