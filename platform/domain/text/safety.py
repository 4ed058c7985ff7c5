"""What is done about a text that was screened: the detectors, what a tenant wants of them, and what follows.

The detectors are telemetry, not a wall: docs/safety.md says what they find and what they miss.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from domain.errors import Invalid

Detector = Literal["injection", "unsafe"]
Action = Literal["off", "flag", "block"]

DETECTORS: Final[tuple[Detector, ...]] = ("injection", "unsafe")
FLAGGED_FROM: Final[dict[Detector, float]] = {"injection": 0.6, "unsafe": 0.7}
"""From which score a text is flagged: chosen so that few ordinary texts are, on rows kept apart from training."""

RULE_SCORE: Final = 0.8
"""The least score of a text that meets a rule."""

NOT_BLOCKED: Final[frozenset[tuple[str, Detector]]] = frozenset({("text.moderate", "unsafe")})
"""What is flagged at most: a moderator's texts are harmful by trade, and are there to be judged."""


class InputBlocked(Invalid):
    """The tenant blocks texts like this; asking again changes nothing."""

    code = "input_blocked"
    title = "The input was blocked"


class SafetyPolicy(Struct, frozen=True, kw_only=True):
    """What a tenant does about what each detector finds."""

    injection: Action = "flag"
    unsafe: Action = "flag"

    def action(self, detector: Detector) -> Action:
        """What is done about what the detector finds."""
        return self.injection if detector == "injection" else self.unsafe


class Flag(Struct, frozen=True, kw_only=True):
    """What a detector found: how sure it is, and which rules the text met; none where the model alone says so."""

    detector: Detector
    score: Annotated[float, Meta(ge=0, le=1)]
    rules: tuple[str, ...] = ()


def wanted_of(policy: SafetyPolicy) -> tuple[Detector, ...]:
    """The detectors that are not off."""
    return tuple(detector for detector in DETECTORS if policy.action(detector) != "off")


def blocking(flags: Sequence[Flag], policy: SafetyPolicy, kind: str) -> Flag | None:
    """The flag for which a job of this kind is to be blocked, if there is one."""
    for flag in flags:
        if policy.action(flag.detector) == "block" and (kind, flag.detector) not in NOT_BLOCKED:
            return flag
    return None


def told(flag: Flag) -> str:
    """A flag in a sentence, without a word of the text."""
    what = {"injection": "a prompt injection", "unsafe": "a request for something unsafe"}[flag.detector]
    why = f"; it met {', '.join(flag.rules)}" if flag.rules else ""
    return f"The text reads like {what} (score {flag.score:.2f}{why})."
