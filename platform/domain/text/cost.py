"""What answers cost: prices of models, and what a question will probably use up."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

MILLION: Final = 1_000_000
_PROMPT_OVERHEAD: Final = 400  # our own words around the caller's
_BYTES_A_TOKEN: Final = 3  # fewer than providers say, so that estimates are rather too high

_USUAL_OUTPUT: Final = {
    "text.summarize": 300,
    "text.moderate": 300,
    "text.classify": 600,
    "text.generate": 2_000,
    "chat.reply": 1_000,
}


_ASKED_ONCE: Final = frozenset({"chat.reply"})
"""Kinds whose answers meet no schema, and so are never repaired."""


class Price(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a million tokens cost, in millionths of the currency: 750000 is 0.75."""

    input: Annotated[int, Meta(ge=0, le=10**12)]
    output: Annotated[int, Meta(ge=0, le=10**12)]


Prices = Mapping[str, Price]
"""By model."""


class Parameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a kind is asked for, where that differs from what holds for all."""

    model: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    most_output_tokens: Annotated[int, Meta(ge=16, le=65_536)] | None = None
    timeout_seconds: Annotated[float, Meta(gt=0, le=600)] | None = None


class Amount(Struct, frozen=True, kw_only=True):
    """Tokens, and what they cost in millionths of the currency; None: nobody said what the model costs."""

    tokens: int
    cost_micros: int | None


def cost_of(prices: Prices, model: str, *, prompt_tokens: int, output_tokens: int) -> int | None:
    """In millionths of the currency, rounded up; None where the model has no price. No tokens cost nothing."""
    if not prompt_tokens and not output_tokens:
        return 0
    price = prices.get(model)
    if price is None:
        return None
    return -(-(prompt_tokens * price.input + output_tokens * price.output) // MILLION)


BATCH_ENGINE: Final = "gemini-batch"
"""What is booked under that was answered by a provider's batches, at half the price."""


def halved(cost_micros: int | None) -> int | None:
    """What is left of a cost at half the price, rounded up."""
    return None if cost_micros is None else -(-cost_micros // 2)


def estimate(  # noqa: PLR0913 - what it depends on
    prices: Prices,
    model: str,
    kind: str,
    *,
    given_bytes: int,
    most_output_tokens: int | None = None,
    is_repaired: bool = True,
) -> Amount:
    """What asking for `kind` with an input of so many bytes of UTF-8 will hardly exceed.

    With `most_output_tokens`, which the model is told, it is the most: also of an answer that does not fit, which is
    shown to the model again and asked for once more, if it `is_repaired`.
    """
    prompt = _PROMPT_OVERHEAD + -(-given_bytes // _BYTES_A_TOKEN)
    output = most_output_tokens or _USUAL_OUTPUT.get(kind, max(_USUAL_OUTPUT.values()))
    if most_output_tokens is not None and is_repaired and kind not in _ASKED_ONCE:
        prompt, output = 2 * prompt + output, 2 * output
    return Amount(
        tokens=prompt + output, cost_micros=cost_of(prices, model, prompt_tokens=prompt, output_tokens=output)
    )


def sum_of_amounts(amounts: Sequence[Amount]) -> Amount:
    """All of them together; without a cost where one has none."""
    costs = [amount.cost_micros for amount in amounts]
    known = [cost for cost in costs if cost is not None]
    return Amount(
        tokens=sum(amount.tokens for amount in amounts), cost_micros=sum(known) if len(known) == len(costs) else None
    )
