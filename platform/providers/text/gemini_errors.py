"""What Gemini's refusals, finish reasons and silences mean: each becomes one of the provider's own errors.

The SDK's exceptions hold the request with the key in its headers, and some cannot be pickled. None of them gets out:
callers raise what `meaning_of` returns outside their `except`, so that it carries no context either.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast

import msgspec
from google.genai.errors import APIError
from msgspec import Struct, field

from domain.errors import HeadraceError
from domain.text.redaction import masked
from providers.text.gemini_answers import AnswerCutShort
from providers.text.provider import (
    ProviderAnswerMalformed,
    ProviderBlocked,
    ProviderDown,
    ProviderRefused,
    ProviderThrottled,
)

MOST_DETAIL: Final = 300
_MOST_READ: Final = 4_000
LONGEST_WAIT_SECONDS: Final = 86_400.0

PASSING: Final = frozenset({408, 500, 502, 503, 504})
FINISHED: Final = frozenset({"STOP"})
CUT: Final = frozenset({"MAX_TOKENS", "CONTINUATION"})
BLOCKED: Final = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MODEL_ARMOR",
        "ESCALATION",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
    }
)
ACCOUNT: Final = frozenset({"PUP_LIMITED_DISABLED"})


class _Detail(Struct, frozen=True):
    type: str = field(name="@type", default="")
    retry_delay: str = field(name="retryDelay", default="")


class _Error(Struct, frozen=True):
    details: tuple[_Detail, ...] = ()


class _Body(Struct, frozen=True):
    error: _Error


def meaning_of(raised: Exception, *, key: str) -> HeadraceError:  # noqa: PLR0911 - one return a meaning
    """The provider's error for what the SDK raised. The key is struck out of whatever it quotes."""
    match raised:
        case APIError(code=429):
            return ProviderThrottled("Gemini asks for fewer requests.", retry_after_seconds=_wait_of(raised))
        case APIError(code=int(code)) if code in PASSING or not 400 <= code < 500:  # noqa: PLR2004 - HTTP's own ranges
            return ProviderDown(f"Gemini answered {code}.", retry_after_seconds=_wait_of(raised))
        case APIError(code=code):
            return ProviderRefused(f"Gemini answered {code}: {_quoted(raised.message, key)}")
        case TimeoutError():
            return ProviderDown("Gemini did not answer in time.")
        case OSError():
            return ProviderDown(f"Gemini could not be reached ({type(raised).__name__}).")
        case ValueError() | TypeError() | AttributeError() | LookupError() | RecursionError():
            return ProviderAnswerMalformed(f"Gemini's answer could not be read ({type(raised).__name__}).")
        case _:  # the transports' own: aiohttp's ClientError, httpx2's TransportError
            return ProviderDown(f"The connection to Gemini failed ({type(raised).__name__}).")


def objection_to(finish: str) -> HeadraceError | None:
    """What a finish reason makes of an answer; None where it simply ended."""
    if finish in FINISHED:
        return None
    if finish in CUT:
        return AnswerCutShort("Gemini's answer outgrew its token limit; ask for less, or give a shorter text.")
    if finish in BLOCKED:
        return ProviderBlocked(f"Gemini stopped writing: {finish}.")
    if finish in ACCOUNT:
        return ProviderRefused(f"Gemini has limited this account: {finish}.")
    return ProviderAnswerMalformed(f"Gemini stopped writing: {finish}.")


def _wait_of(raised: APIError) -> float | None:
    told = (_seconds_in_headers(raised), _seconds_in_details(cast("Any", raised).details))
    return max((seconds for seconds in told if seconds is not None), default=None)


def _seconds_in_headers(raised: APIError) -> float | None:
    # The response is aiohttp's or httpx2's; of an error in mid-stream, the SDK's own; there may be none.
    headers: Mapping[str, str] = getattr(cast("Any", raised).response, "headers", {})
    value = headers.get("Retry-After", "")
    seconds = _seconds(value)
    if seconds is not None:
        return seconds
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return _bounded((when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _seconds_in_details(body: Any) -> float | None:  # noqa: ANN401 - JSON as it came
    try:
        details = msgspec.convert(body, _Body).error.details
    except msgspec.ValidationError:
        return None
    told = (detail.retry_delay for detail in details if detail.type.endswith("google.rpc.RetryInfo"))
    return _seconds(next(told, "").removesuffix("s"))


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return _bounded(seconds) if math.isfinite(seconds) else None


def _bounded(seconds: float) -> float | None:
    return None if seconds < 0 else min(seconds, LONGEST_WAIT_SECONDS)


def _quoted(message: Any, key: str) -> str:  # noqa: ANN401 - JSON as it came
    if not isinstance(message, str) or not message:
        return "no reason given."
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in message.replace(key, "***")).split())
    plain = masked(
        plain[:_MOST_READ]
    )  # it may quote the text, and stands in the job's error for as long as that is kept
    return plain if len(plain) <= MOST_DETAIL else plain[:MOST_DETAIL] + "…"
