"""What the tenant used up at text providers, and its budgets."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final

from litestar import Router, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from api.acts import act, actor_of, audited
from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use
from api.fields import FieldError
from api.parameters import ParameterInvalid
from api.usage.views import (
    BudgetsBody,
    BudgetsView,
    UsageReport,
    UsageView,
    read_budgets,
    spell_budgets,
    view_budgets,
)
from domain.accounts.user import Caller
from storage.audit import audit
from storage.usage import GROUPS, UsageSum, read_used, set_budgets, sum_usage

_LONGEST_DAYS: Final = 400
_USUAL_DAYS: Final = 30
_BY: Final = "day,kind"
_KNOWN: Final = ("tenant", *GROUPS)
_ONE_OF: Final = f"({'|'.join(_KNOWN)})"
_EXAMPLE: Final = {"budgets": [{"tokens": 2_000_000}, {"kind": "text.generate", "cost_micros": 5_000_000}]}


@get("/usage", guards=[needs("stats:read")])
async def get_usage(  # noqa: PLR0913, PLR0917 - what narrows it
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    first: Annotated[date | None, QueryParameter(name="from", description="the first day; 29 before the last")] = None,
    last: Annotated[date | None, QueryParameter(name="to", description="the last day; today")] = None,
    by: Annotated[
        str,
        QueryParameter(
            max_length=60,
            pattern=rf"^ *{_ONE_OF} *(, *{_ONE_OF} *)*$",
            description="of tenant, day, kind, engine and model, comma-separated",
        ),
    ] = _BY,
    kind: Annotated[str | None, QueryParameter(max_length=100, description="of this kind alone")] = None,
) -> UsageReport:
    """Tokens and cost of the tenant by day and kind, or as `by` says. Days are those of UTC, at most 400 of them.

    Failed attempts count; answers that cost nothing, from this machine or from a cache, do not.
    """
    until = last or datetime.now(UTC).date()
    since = first or max(date.min + timedelta(days=_USUAL_DAYS), until) - timedelta(days=_USUAL_DAYS - 1)
    groups = [name.strip() for name in by.split(",")]
    if not 0 <= (until - since).days < _LONGEST_DAYS:
        raise ParameterInvalid([FieldError("query:from", f"Give 1 to {_LONGEST_DAYS} days, the first one first.")])
    async with use.database.read() as tx:
        sums = await sum_usage(tx, caller.tenant_id, first=since, last=until, by=groups, kind=kind)
    items = [_view(caller.tenant_id, one) for one in sums]
    return UsageReport(
        first=since,
        last=until,
        currency=use.settings.text_currency,
        items=items,
        total=_view(caller.tenant_id, _total(sums)),
    )


@get("/budgets", guards=[needs("stats:read")])
async def list_budgets(use: NamedDependency[Use], caller: NamedDependency[Caller]) -> BudgetsView:
    """The tenant's budgets, and what of them was used today."""
    async with use.database.read() as tx:
        used, _ = await read_used(tx, caller.tenant_id, "")
    return view_budgets(used, use.settings.text_currency)


@put("/budgets", guards=[needs("budgets:manage")], opt={**audited("budgets.changed"), "example": _EXAMPLE})
async def put_budgets(
    request: ApiRequest, data: JSONBody[BudgetsBody], use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> BudgetsView:
    """Set the tenant's budgets in place of those there were: tokens, money, or both, a day of UTC.

    A job whose budget is used up is refused with 429. One accepted before is answered by the local engine, where that
    may answer its kind, and else waits for the next day.
    """
    budgets = read_budgets(data)
    async with use.database.begin() as tx:
        before = await set_budgets(tx, caller.tenant_id, budgets)
        used, _ = await read_used(tx, caller.tenant_id, "")
        told = act("budgets.changed", caller.tenant_id, before=spell_budgets(before), after=spell_budgets(budgets))
        await audit(tx, actor_of(request), told)
    use.spent.forget(caller.tenant_id)
    return view_budgets(used, use.settings.text_currency)


router: Final = Router("/v1", route_handlers=[get_usage, list_budgets, put_budgets], tags=["Usage"])


def _total(sums: Iterable[UsageSum]) -> UsageSum:
    found = list(sums)
    return UsageSum(
        calls=sum(one.calls for one in found),
        prompt_tokens=sum(one.prompt_tokens for one in found),
        output_tokens=sum(one.output_tokens for one in found),
        cost_micros=sum(one.cost_micros for one in found),
    )


def _view(tenant_id: str, one: UsageSum) -> UsageView:
    return UsageView(
        tenant_id=tenant_id,
        day=one.day,
        kind=one.kind,
        engine=one.engine,
        model=one.model,
        calls=one.calls,
        prompt_tokens=one.prompt_tokens,
        output_tokens=one.output_tokens,
        tokens=one.prompt_tokens + one.output_tokens,
        cost_micros=one.cost_micros,
    )
