"""The weather of a day at Gemini's: hours one after the other, and what becomes of each request in them."""

import json
import random
import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from tests.support.gemini_answers import plausible
from tests.support.gemini_script import (
    Asked,
    Blocks,
    Breaks,
    Echoes,
    Hangs,
    NoCandidates,
    Refuses,
    Resets,
    Says,
    Sends,
    Step,
    Truncates,
)

WAIT_SECONDS: Final = 3.0
"""How long a throttling Gemini asks to be left alone."""

HANGS_IN: Final = "text.generate"
"""The kind whose questions may meet silence: its time is set short, and no answer of another kind is ever too late."""

MILLION: Final = 1_000_000
"""An answer in numbers tells which it is in millionths."""

STAND_IN: Final = re.compile(r"\[[A-Z]+_\d+\]")
"""What stands for a personal value in what Gemini sees."""

CANNOT: Final = frozenset({"throttled", "failed"})
"""What says nothing about the question, so that a job is tried again, or answered by another engine."""


class Fate(Struct, frozen=True, kw_only=True):
    """What is done with a request. `good`: what was answered, if it is an answer; `wait_seconds`: what was asked for.

    `outcome` is what whoever asked should make of it: answered, throttled, failed, malformed, blocked or cut.
    """

    step: Step
    outcome: str
    good: Any = None
    wait_seconds: float = 0.0


class Hour(Struct, frozen=True, kw_only=True):
    """A part of the day: its share of the jobs, how long it lasts at least, and what happens how often."""

    name: str
    share: float
    seconds: float
    weights: Mapping[str, int]
    kills: bool = False


HOURS: Final = (
    Hour(name="clear morning", share=0.1, seconds=0.2, weights={"well": 1}),
    Hour(
        name="throttling",
        share=0.15,
        seconds=2.0,
        kills=True,
        weights={"well": 7, "throttle": 2, "throttle by header": 1},
    ),
    Hour(
        name="gusts",
        share=0.15,
        seconds=1.5,
        weights={"well": 12, "slow": 4, "error 500": 2, "error 503": 2, "reset": 2, "truncated": 1, "silence": 1},
    ),
    Hour(
        name="fog",
        share=0.2,
        seconds=2.0,
        weights={
            "well": 20,
            "words": 4,
            "another schema": 3,
            "half": 2,
            "no JSON at all": 1,
            "no candidates": 2,
            "blocked": 3,
            "stopped": 2,
            "cut": 1,
            "echo": 3,
        },
    ),
    Hour(name="outage", share=0.2, seconds=4.5, weights={"error 503": 6, "error 500": 2, "reset": 3, "truncated": 1}),
    Hour(name="recovery", share=0.1, seconds=2.0, kills=True, weights={"well": 9, "slow": 2, "error 503": 1}),
    Hour(name="clear evening", share=0.1, seconds=0.2, weights={"well": 1}),
)


def fate_of(  # noqa: PLR0913, PLR0917 - a request and its hour
    asked: Asked, kind: str, number: int, tag: str, hour: Hour, chance: random.Random
) -> Fate:
    """What becomes of the request of that number, about a tag, in an hour."""
    what = chance.choices(list(hour.weights), list(hour.weights.values()))[0]
    if what == "silence" and kind != HANGS_IN:
        what = "reset"
    if kind == "text.moderate" and what == "echo":  # there are no words in its answers
        what = "blocked"
    if kind == "chat.reply" and what in {"words", "another schema", "half", "cut"}:
        what = "broken off"
    return _FATES[what] if what in _FATES else _spoken(what, asked, kind, number, tag)


_FATES: Final = {
    "throttle": Fate(
        step=Refuses(code=429, retry_delay=f"{WAIT_SECONDS:.0f}s"), outcome="throttled", wait_seconds=WAIT_SECONDS
    ),
    "throttle by header": Fate(
        step=Refuses(code=429, retry_after=f"{WAIT_SECONDS:.0f}"), outcome="throttled", wait_seconds=WAIT_SECONDS
    ),
    "error 500": Fate(step=Refuses(code=500), outcome="failed"),
    "error 503": Fate(step=Refuses(code=503), outcome="failed"),
    "reset": Fate(step=Resets(), outcome="failed"),
    "truncated": Fate(step=Truncates(), outcome="failed"),
    "silence": Fate(step=Hangs(), outcome="failed"),
    "broken off": Fate(step=Breaks(words=("Let me", " see"), then=Resets()), outcome="failed"),
    "words": Fate(step=Says(text="Certainly! Here is what you asked for."), outcome="malformed"),
    "another schema": Fate(step=Says(text='{"headline": "x"}'), outcome="malformed"),
    "half": Fate(step=Says(text='{"summary": "It'), outcome="malformed"),
    "no JSON at all": Fate(step=Sends(body=b"<html>Bad Gateway</html>"), outcome="malformed"),
    "no candidates": Fate(step=NoCandidates(), outcome="malformed"),
    "blocked": Fate(step=Blocks(), outcome="blocked"),
    "stopped": Fate(step=Says(text="It", finish="SAFETY"), outcome="blocked"),
    "cut": Fate(step=Says(text='{"summary": "It', finish="MAX_TOKENS"), outcome="cut"),
    "echo": Fate(step=Echoes(), outcome="blocked"),
}


def _spoken(what: str, asked: Asked, kind: str, number: int, tag: str) -> Fate:
    """A good answer, in which stand its number and what it is about, so that nobody else's can pass for it."""
    step, good = _good(asked, kind, number, tag)
    if what == "slow":  # a reply comes word by word, so that some are stopped in the middle
        step = replace(step, pause_seconds=0.1) if kind == "chat.reply" else replace(step, delay_seconds=0.2)
    return Fate(step=step, outcome="answered", good=good)


def _good(asked: Asked, kind: str, number: int, tag: str) -> tuple[Says, Any]:
    stand_ins = " ".join(dict.fromkeys(STAND_IN.findall(asked.user)))
    words = f"Answer {number} to case {tag}{f', for {stand_ins}' if stand_ins else ''}."
    if kind == "chat.reply":
        reply = f"{words} I read it with care, and would do as it says."
        return Says(text=reply), reply
    filled = json.loads(plausible(asked).text)
    match kind:
        case "text.summarize":
            filled["summary"] = words
        case "text.generate":
            filled["text"] = words
        case "text.moderate":
            filled["toxicity"] = number / MILLION
        case _:
            filled |= {"sentiment": "positive", "sentiment_score": number / MILLION}
    return Says(text=json.dumps(filled, ensure_ascii=False)), filled
