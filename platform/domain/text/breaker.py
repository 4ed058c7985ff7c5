"""When a provider that fails is left alone, and who may try it again: a circuit breaker as a pure rule."""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

PROBE_WAIT_SECONDS = 1.0
"""How long those wait who come while the one question is under way that decides."""


class BreakerRule(Struct, frozen=True, kw_only=True):
    """Opens after so many failures in a row; asks again, once, after `rest_seconds`."""

    failures: int = 5
    rest_seconds: float = 30.0


class EngineStanding(Struct, frozen=True, kw_only=True):
    """How an engine is, as one process has found it since it started.

    `open`: nobody asks it for `wait_seconds`; `probing`: that time is over, and one question decides; `held`: it asked
    not to be asked for so long. `open_seconds` is since when it failed; None while it is closed or held. `failures`
    count questions that it did not answer, `throttled` those that it refused for there were too many, `refused` those
    that were not put to it at all, `fallbacks` what the next engine answered in its place.
    """

    name: str
    state: Literal["closed", "held", "open", "probing"] = "closed"
    wait_seconds: float = 0.0
    open_seconds: float | None = None
    calls: int = 0
    failures: int = 0
    throttled: int = 0
    refused: int = 0
    fallbacks: int = 0
    opened: int = 0


class Breaker(Struct, frozen=True, kw_only=True):
    """What is known of a provider. Times are in seconds, on the clock of whoever hands them in.

    Closed while `open_until` is None; half open from then on, when one question, the probe, decides. `held_until` is
    the provider's own word on when it may be asked again; it counts whatever else is known.
    """

    failures: int = 0
    open_until: float | None = None
    is_probing: bool = False
    held_until: float | None = None


def wait_of(breaker: Breaker, now: float) -> float:
    """For how many seconds nobody is to ask; 0: go on."""
    held = 0.0 if breaker.held_until is None else max(0.0, breaker.held_until - now)
    if breaker.open_until is None:
        return held
    rest = breaker.open_until - now
    if rest > 0:
        return max(held, rest)
    return max(held, PROBE_WAIT_SECONDS) if breaker.is_probing else held


def asked(breaker: Breaker) -> tuple[Breaker, bool]:
    """After `wait_of` said 0: a question goes out, and whether it is the probe."""
    if breaker.open_until is None:
        return breaker, False
    return replace(breaker, is_probing=True), True


def answered(breaker: Breaker, *, is_probe: bool) -> Breaker:
    """The provider answered, be it with a refusal. While open only the probe's word counts: others set out before."""
    if breaker.open_until is not None and not is_probe:
        return breaker
    return Breaker(held_until=breaker.held_until)


def failed(breaker: Breaker, rule: BreakerRule, now: float, *, is_probe: bool) -> Breaker:
    """The provider was down, or silent for too long."""
    if breaker.open_until is not None and not is_probe:
        return breaker
    failures = breaker.failures + 1
    is_open = is_probe or failures >= rule.failures
    return replace(
        breaker, failures=failures, is_probing=False, open_until=now + rule.rest_seconds if is_open else None
    )


def held(breaker: Breaker, until: float, *, is_probe: bool) -> Breaker:
    """The provider lives, and asks not to be asked before `until`; of two such words the later counts."""
    alive = answered(breaker, is_probe=is_probe)
    return replace(alive, held_until=max(until, alive.held_until or until))


def left(breaker: Breaker, *, is_probe: bool) -> Breaker:
    """The question was given up before anything was learned: the next may be the probe."""
    return replace(breaker, is_probing=False) if is_probe else breaker
