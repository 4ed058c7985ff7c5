"""What Gemini's side knows of a day: every question, who asked it when, what became of it, and what it was billed."""

import itertools
import random
import re
import time
from typing import Any, Final

from msgspec import Struct, field

from tests.day.weather import Fate, Hour, fate_of
from tests.support.gemini_answers import tokens_in
from tests.support.gemini_script import Asked, JsonObject, Step
from tests.support.gemini_server import GeminiServer

CASE: Final = re.compile(r"[Cc]ase (\w+-[a-z]+)")
"""How a text says what it is about: `case north-bcdf`, the tenant and a name of its own."""

_CANARY: Final = re.compile(r"zqx[0-9a-f]{16}")


class Call(Struct, kw_only=True):
    """A question. `process` is the canary in its system text: each process that asks has its own, whole life long.

    Times are those of the clock, which Postgres here has too. `said_at`: when its tokens were told; None: never.
    """

    number: int
    process: str
    hour: str
    kind: str
    tag: str
    sent: str
    begun_at: float
    over_at: float = 0.0
    said_at: float | None = None
    outcome: str = ""
    good: Any = None
    wait_seconds: float = 0.0
    is_repair: bool = False
    left: bool = False
    prompt_tokens: int = 0
    output_tokens: int = 0
    told: list[tuple[float, int, int]] = field(default_factory=list)
    """What it had cost by when, each from the beginning; more than one of a stream."""

    @property
    def tenant(self) -> str:
        """The tenant's name."""
        return self.tag.partition("-")[0]


class Gemini(GeminiServer):
    """The stand-in in some weather, with its own books."""

    def __init__(self, seed: int, hour: Hour) -> None:
        super().__init__()
        self.hour = hour
        self.calls: list[Call] = []
        self._seed = seed
        self._numbers = itertools.count(1)
        self._under_way: dict[int, Call] = {}
        self._asked_about: dict[str, int] = {}

    def step_for(self, asked: Asked) -> Step:
        """Whatever the hour has for this request; the n-th about a tag in an hour of a seed always meets the same."""
        number = next(self._numbers)
        kind, tag = kind_of(asked), tag_of(asked)
        about = f"{self._seed}/{self.hour.name}/{kind}/{tag}"
        self._asked_about[about] = nth = self._asked_about.get(about, 0) + 1
        fate: Fate = fate_of(asked, kind, number, tag, self.hour, random.Random(f"{about}/{nth}"))  # noqa: S311 - a seed
        found = _CANARY.search(asked.system)
        call = Call(
            number=number,
            process=found[0] if found else "",
            hour=self.hour.name,
            kind=kind,
            tag=tag,
            sent="\n".join((asked.system, *(content.text for content in asked.wanted.contents))),
            begun_at=time.time(),
            outcome=fate.outcome,
            good=fate.good,
            wait_seconds=fate.wait_seconds,
            is_repair=kind != "chat.reply" and len(asked.wanted.contents) > 1,
        )
        self.calls.append(call)
        self._under_way[id(asked)] = call
        return fate.step

    def told(self, asked: Asked, said: JsonObject) -> None:
        """Book what the message bills; each counts from the beginning."""
        call, bill = self._under_way.get(id(asked)), tokens_in(said)
        if call is not None and bill is not None:
            call.prompt_tokens, call.output_tokens = bill
            call.said_at = time.time()
            call.told.append((call.said_at, *bill))

    def over(self, asked: Asked, *, left: bool) -> None:
        """Note when it was over, and for whom."""
        call = self._under_way.pop(id(asked), None)
        if call is not None:
            call.over_at = time.time()
            call.left = left


def kind_of(asked: Asked) -> str:
    """The kind a question is asked for, by what is to be filled in."""
    if asked.schema is None:
        return "chat.reply"
    fields = asked.schema.get("properties", {})
    of_field = {"summary": "text.summarize", "toxicity": "text.moderate", "category": "text.classify"}
    return next((kind for field, kind in of_field.items() if field in fields), "text.generate")


def tag_of(asked: Asked) -> str:
    """What the latest of what a user said names; a repair says nothing new."""
    for content in reversed(asked.wanted.contents):
        found = CASE.findall(content.text) if content.role != "model" else []
        if found:
            return str(found[-1])
    return ""
