"""Usage and budgets as they are spelled and seen."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Final

from msgspec import Meta, Struct

from api.bodies import BodyInvalid
from api.fields import FieldError
from domain.catalog import KINDS
from domain.text.budget import Budget, Used

TEXT_KINDS: Final = sorted(kind.name for kind in KINDS if kind.is_text)

Micros = Annotated[int, Meta(ge=0, le=10**15, description="millionths of the currency: 1500000 is 1.50")]
Tokens = Annotated[int, Meta(ge=0, le=10**15)]


class UsageView(Struct, frozen=True, kw_only=True):
    """What was used up of one day, kind, engine and model; null where they were added up."""

    tenant_id: str
    day: date | None
    kind: str | None
    engine: str | None
    model: str | None
    calls: Annotated[int, Meta(description="questions put to the provider; those that cost nothing do not count")]
    prompt_tokens: int
    output_tokens: int
    tokens: Annotated[int, Meta(description="of prompts and of answers together")]
    cost_micros: Micros


class UsageReport(Struct, frozen=True, kw_only=True):
    """The tenant's use of text providers, by days of UTC from the first to the last, both included."""

    first: date
    last: date
    currency: str
    items: list[UsageView]
    total: UsageView


class BudgetBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be used up in a day of UTC by jobs of the kind, or by all where it is null."""

    kind: Annotated[str, Meta(max_length=100, extra_json_schema={"enum": TEXT_KINDS})] | None = None
    tokens: Tokens | None = None
    cost_micros: Micros | None = None


class BudgetsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The budgets of the tenant; none of a kind is no bound."""

    budgets: Annotated[tuple[BudgetBody, ...], Meta(max_length=100)]


class BudgetView(Struct, frozen=True, kw_only=True):
    """A budget, and what of it was used today. `reserved` is what jobs that run now will probably use."""

    kind: str | None
    tokens: int | None
    cost_micros: int | None
    used_tokens: int
    used_cost_micros: int
    reserved_tokens: int
    reserved_cost_micros: int


class BudgetsView(Struct, frozen=True, kw_only=True):
    """The tenant's budgets."""

    currency: str
    budgets: list[BudgetView]


def read_budgets(body: BudgetsBody) -> list[Budget]:
    """The budgets a body tells.

    Raises:
        BodyInvalid: one is for no kind of text, for one that another is for, or bounds nothing.
    """
    errors: list[FieldError] = []
    seen: set[str | None] = set()
    for index, one in enumerate(body.budgets):
        if one.kind is not None and one.kind not in TEXT_KINDS:
            errors.append(FieldError(f"/budgets/{index}/kind", f"Expected null or one of {', '.join(TEXT_KINDS)}."))
        elif one.kind in seen:
            errors.append(FieldError(f"/budgets/{index}/kind", "Another budget here is for the same."))
        if one.tokens is None and one.cost_micros is None:
            errors.append(FieldError(f"/budgets/{index}", "Give tokens, cost_micros, or both."))
        seen.add(one.kind)
    if errors:
        raise BodyInvalid(errors)
    return [Budget(kind=one.kind, tokens=one.tokens, cost_micros=one.cost_micros) for one in body.budgets]


def spell_budgets(budgets: Sequence[Budget]) -> BudgetsBody:
    """Budgets as a body tells them."""
    told = [BudgetBody(kind=one.kind, tokens=one.tokens, cost_micros=one.cost_micros) for one in budgets]
    return BudgetsBody(budgets=tuple(told))


def view_budgets(used: Sequence[Used], currency: str) -> BudgetsView:
    """Budgets as they are seen."""
    return BudgetsView(
        currency=currency,
        budgets=[
            BudgetView(
                kind=one.budget.kind,
                tokens=one.budget.tokens,
                cost_micros=one.budget.cost_micros,
                used_tokens=one.tokens,
                used_cost_micros=one.cost_micros,
                reserved_tokens=one.reserved_tokens,
                reserved_cost_micros=one.reserved_cost_micros,
            )
            for one in used
        ],
    )
