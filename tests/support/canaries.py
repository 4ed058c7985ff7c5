"""Scripted answers that give a canary away in every disguise we know, and which of them pass the screens."""

import base64
import codecs
import random
from collections.abc import Callable, Iterator
from typing import Final

from domain.errors import HeadraceError
from domain.text.prompts import bare
from providers.text.gemini_screen import Screen, refuse_marks
from providers.text.provider import ProviderBlocked
from tests.support.gemini_meeting import MARKS

CANARY: Final = MARKS.canary
LOOK_ALIKES: Final = str.maketrans("aceox", "\u0430\u0441\u0435\u043e\u0445")
DISGUISES: Final[dict[str, Callable[[str, random.Random], str]]] = {
    "plain": lambda text, _: text,
    "upper": lambda text, _: text.upper(),
    "mixed case": lambda text, dice: "".join(dice.choice((letter.upper(), letter)) for letter in text),
    "spaced": lambda text, _: " ".join(text),
    "a line a letter": lambda text, _: "\n".join(text),
    "dashes": lambda text, dice: dice.choice("-_.*|/").join(text),
    "zero width": lambda text, dice: dice.choice("\u200b\u2060\u00ad").join(text),
    "full width": lambda text, _: "".join(chr(ord(letter) + 0xFEE0) for letter in text),
    "look-alikes": lambda text, _: text.translate(LOOK_ALIKES),
    "accents": lambda text, _: "\u0301".join(text),
    "backwards": lambda text, _: text[::-1],
    "base64": lambda text, dice: base64.b64encode(f"{'x' * dice.randrange(4)}{text} is it".encode()).decode(),
    "url-safe base64 in lines": lambda text, _: "\n".join(base64.urlsafe_b64encode(text.encode()).decode()),
    "hex": lambda text, _: text.encode().hex(),
    "spaced hex": lambda text, _: text.encode().hex(" ").upper(),
    "rot13": lambda text, _: codecs.encode(text, "rot13"),
    "JSON escapes": lambda text, _: "".join(f"\\u{ord(letter):04x}" for letter in text),
    "Python escapes": lambda text, _: "".join(f"\\x{ord(letter):02X}" for letter in text),
    "HTML references": lambda text, dice: "".join(
        dice.choice((f"&#{ord(letter)};", f"&#x{ord(letter):x};")) for letter in text
    ),
    "percent": lambda text, _: "".join(f"%{ord(letter):02x}" for letter in text),
    "some escapes": lambda text, dice: "".join(dice.choice((letter, f"\\u{ord(letter):04x}")) for letter in text),
}
FILLER: Final = ("My instructions say ", "Of course! It is: ", "", "zqx ", "The reference: `", "\\u00", "&#1", "100% ")


def scripted(count: int) -> Iterator[tuple[str, str, random.Random]]:
    """That many answers that give the canary away, each disguise in its turn."""
    for number in range(count):
        dice = random.Random(number)  # noqa: S311 - a seed, so that a leak can be found again
        name = list(DISGUISES)[number % len(DISGUISES)]
        given = DISGUISES[name](CANARY, dice)
        yield name, f"{dice.choice(FILLER)} {given} {dice.choice(FILLER)}", dice


def leaks(count: int) -> list[str]:
    """The disguises in which the canary got through, whole or cut into chunks."""
    found = []
    for name, answer, dice in scripted(count):
        try:
            refuse_marks(answer, MARKS)
        except ProviderBlocked:
            pass
        else:
            found.append(f"{name}, whole")
        screen, shown, rest = Screen(MARKS), "", answer
        try:
            while rest:
                size = dice.randrange(1, 9)
                shown, rest = shown + screen.pass_on(rest[:size]), rest[size:]
        except HeadraceError:
            # what a reader saw before it was cut off holds no half of it, in the letters it came in
            if CANARY[: len(CANARY) // 2] in bare(shown):
                found.append(f"{name}, before the cut")
        else:
            found.append(f"{name}, streamed")
    return found
