"""Budgets: how much a tenant may have used up in a day at text providers that cost."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final

from msgspec import Struct

from domain.errors import Limited
from domain.text.cost import Amount

_SETTLES_SECONDS: Final = 5.0


class BudgetExhausted(Limited):
    """The tenant's budget for the day is used up."""

    code = "budget_exhausted"
    title = "The budget is used up"


class Budget(Struct, frozen=True, kw_only=True):
    """What may be used up in a day of UTC: by jobs of `kind`, or by all where it is None. None of a bound: no bound."""

    kind: str | None = None
    tokens: int | None = None
    cost_micros: int | None = None


class Used(Struct, frozen=True, kw_only=True):
    """A budget, what of it is used, and what is reserved by questions under way."""

    budget: Budget
    tokens: int = 0
    cost_micros: int = 0
    reserved_tokens: int = 0
    reserved_cost_micros: int = 0


def refuse_spent(used: Sequence[Used], now: datetime) -> None:
    """Go on only if something is left in every one of the budgets.

    Raises:
        BudgetExhausted: in one there is not; it says when the day ends.
    """
    for one in used:
        budget = one.budget
        if _is_over(one.tokens + 1, budget.tokens) or _is_over(one.cost_micros + 1, budget.cost_micros):
            raise BudgetExhausted(f"{_named(budget)} is used up.", retry_after_seconds=seconds_left(now))


def refuse_beyond(used: Sequence[Used], wanted: Amount, now: datetime) -> None:
    """Go on only if every one of the budgets has room for so much more.

    Raises:
        BudgetExhausted: one has not. Where only what others reserved is in the way, it says to come back in seconds.
    """
    for one in used:
        budget = one.budget
        if budget.cost_micros is not None and wanted.cost_micros is None:
            raise BudgetExhausted(
                f"{_named(budget)} is in money, and the model has no price.", retry_after_seconds=seconds_left(now)
            )
        cost = wanted.cost_micros or 0
        if _is_over(one.tokens + wanted.tokens, budget.tokens) or _is_over(one.cost_micros + cost, budget.cost_micros):
            raise BudgetExhausted(f"{_named(budget)} is used up.", retry_after_seconds=seconds_left(now))
        if _is_over(one.tokens + one.reserved_tokens + wanted.tokens, budget.tokens) or _is_over(
            one.cost_micros + one.reserved_cost_micros + cost, budget.cost_micros
        ):
            raise BudgetExhausted(
                f"{_named(budget)} is taken by jobs that run.",
                retry_after_seconds=min(_SETTLES_SECONDS, seconds_left(now)),
            )


def seconds_left(now: datetime) -> float:
    """Until the day of UTC ends."""
    tomorrow = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
    return (tomorrow - now).total_seconds()


def _is_over(amount: int, most: int | None) -> bool:
    return most is not None and amount > most


def _named(budget: Budget) -> str:
    return "The day's budget" if budget.kind is None else f"The day's budget for {budget.kind}"
