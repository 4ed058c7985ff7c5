"""What text providers cost, added up by tenant, day, kind and model; budgets, and what is set aside in them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import text

from domain.text.budget import Budget, Used
from domain.text.cost import Amount
from storage.database import Tx

_TODAY: Final = "CAST(clock_timestamp() AT TIME ZONE 'UTC' AS date)"

_BOOK: Final = text(f"""
INSERT INTO usage (tenant_id, day, kind, engine, model, calls, prompt_tokens, output_tokens, cost_micros)
VALUES (:tenant_id, {_TODAY}, :kind, :engine, :model, 1, :prompt_tokens, :output_tokens, :cost_micros)
ON CONFLICT (tenant_id, day, kind, engine, model) DO UPDATE SET
    calls = usage.calls + 1,
    prompt_tokens = usage.prompt_tokens + excluded.prompt_tokens,
    output_tokens = usage.output_tokens + excluded.output_tokens,
    cost_micros = usage.cost_micros + excluded.cost_micros
""")  # noqa: S608 - a constant of ours

_RELEASE: Final = text("DELETE FROM reservations WHERE job_id = :job_id AND lease = :lease")

_SHRINK: Final = text("""
UPDATE reservations SET tokens = greatest(0, tokens - :tokens), cost_micros = greatest(0, cost_micros - :cost_micros)
WHERE job_id = :job_id AND lease = :lease
""")

_HAS_BUDGETS: Final = text("SELECT EXISTS (SELECT 1 FROM budgets WHERE tenant_id = :tenant_id)")

_LOCK: Final = text("SELECT 1 FROM budgets WHERE tenant_id = :tenant_id ORDER BY kind FOR UPDATE")

_CLEAR: Final = text("""
DELETE FROM reservations WHERE tenant_id = :tenant_id AND NOT EXISTS (
    SELECT FROM jobs WHERE jobs.id = reservations.job_id AND jobs.lease = reservations.lease
)
""")

# One statement, one view: what is booked leaves its reservation in the same transaction.
_USED: Final = text(f"""
SELECT budgets.kind, budgets.tokens, budgets.cost_micros, booked.tokens AS used_tokens,
    booked.cost_micros AS used_cost_micros, reserved.tokens AS reserved_tokens,
    reserved.cost_micros AS reserved_cost_micros, clock_timestamp() AS now
FROM budgets,
LATERAL (
    SELECT CAST(coalesce(sum(prompt_tokens + output_tokens), 0) AS bigint) AS tokens,
        CAST(coalesce(sum(cost_micros), 0) AS bigint) AS cost_micros
    FROM usage WHERE usage.tenant_id = budgets.tenant_id AND day = {_TODAY}
        AND (budgets.kind = '' OR usage.kind = budgets.kind)
) AS booked,
LATERAL (
    SELECT CAST(coalesce(sum(reservations.tokens), 0) AS bigint) AS tokens,
        CAST(coalesce(sum(reservations.cost_micros), 0) AS bigint) AS cost_micros
    FROM reservations JOIN jobs ON jobs.id = reservations.job_id AND jobs.lease = reservations.lease
    WHERE reservations.tenant_id = budgets.tenant_id AND reservations.job_id <> :job_id
        AND (budgets.kind = '' OR reservations.kind = budgets.kind)
) AS reserved
WHERE budgets.tenant_id = :tenant_id AND (budgets.kind IN ('', :kind) OR :kind = '')
ORDER BY budgets.kind
""")  # noqa: S608 - a constant of ours

_RESERVE: Final = text("""
INSERT INTO reservations (job_id, tenant_id, kind, lease, tokens, cost_micros)
VALUES (:job_id, :tenant_id, :kind, :lease, :tokens, :cost_micros)
ON CONFLICT (job_id) DO UPDATE SET lease = excluded.lease, tokens = excluded.tokens,
    cost_micros = excluded.cost_micros, made_at = now()
""")

_BUDGETS: Final = text("""
SELECT nullif(kind, '') AS kind, tokens, cost_micros FROM budgets WHERE tenant_id = :tenant_id ORDER BY budgets.kind
""")

_SET: Final = text("""
INSERT INTO budgets (tenant_id, kind, tokens, cost_micros) VALUES (:tenant_id, :kind, :tokens, :cost_micros)
ON CONFLICT (tenant_id, kind) DO UPDATE SET tokens = excluded.tokens, cost_micros = excluded.cost_micros,
    updated_at = now()
""")

# Those that stay are changed, not made anew: who waits for their locks would find them gone, and no others.
_DROP: Final = text("DELETE FROM budgets WHERE tenant_id = :tenant_id AND kind <> ALL(CAST(:kinds AS text[]))")

# two who set them at once do so one after the other
_TAKE_TURN: Final = text("SELECT pg_advisory_xact_lock(hashtext('headrace.budgets'), hashtext(:tenant_id))")

_SUMS: Final = """
SELECT {columns}, CAST(sum(calls) AS bigint) AS calls, CAST(sum(prompt_tokens) AS bigint) AS prompt_tokens,
    CAST(sum(output_tokens) AS bigint) AS output_tokens, CAST(sum(cost_micros) AS bigint) AS cost_micros
FROM usage WHERE tenant_id = :tenant_id AND day BETWEEN :first AND :last
    AND (CAST(:kind AS text) IS NULL OR kind = :kind)
GROUP BY {groups} ORDER BY {groups}
"""

GROUPS: Final = ("day", "kind", "engine", "model")
"""What usage can be told apart by, besides the tenant."""


class Booking(Struct, frozen=True, kw_only=True):
    """What one question cost."""

    engine: str
    model: str
    prompt_tokens: int
    output_tokens: int
    cost_micros: int


class UsageSum(Struct, frozen=True, kw_only=True):
    """What was used up, of one day, kind, engine, model, or of all where it says none."""

    day: date | None = None
    kind: str | None = None
    engine: str | None = None
    model: str | None = None
    calls: int
    prompt_tokens: int
    output_tokens: int
    cost_micros: int


async def book_usage(tx: Tx, tenant_id: str, kind: str, booking: Booking) -> None:
    """Add what a question cost to today's, by the database's clock and UTC."""
    given = {
        "tenant_id": tenant_id,
        "kind": kind,
        "engine": booking.engine,
        "model": booking.model,
        "prompt_tokens": booking.prompt_tokens,
        "output_tokens": booking.output_tokens,
        "cost_micros": booking.cost_micros,
    }
    await tx.execute(_BOOK, given)


async def release(tx: Tx, job_id: str, lease: str) -> None:
    """Let go of what the attempt had set aside."""
    await tx.execute(_RELEASE, {"job_id": job_id, "lease": lease})


async def shrink(tx: Tx, job_id: str, lease: str, amount: Amount) -> None:
    """Set so much less aside for the attempt, as it is booked now."""
    await tx.execute(
        _SHRINK,
        {"job_id": job_id, "lease": lease, "tokens": amount.tokens, "cost_micros": amount.cost_micros or 0},
    )


async def has_budgets(tx: Tx, tenant_id: str) -> bool:
    """Whether the tenant has any budget."""
    return bool((await tx.execute(_HAS_BUDGETS, {"tenant_id": tenant_id})).scalar_one())


async def lock_budgets(tx: Tx, tenant_id: str) -> bool:
    """Decide about the tenant's budgets alone until the transaction ends; False: it has none, and nothing is locked."""
    return bool((await tx.execute(_LOCK, {"tenant_id": tenant_id})).all())


async def read_used(tx: Tx, tenant_id: str, kind: str, *, but: str = "") -> tuple[list[Used], datetime | None]:
    """The budgets that bound a kind ('': all there are), with what of them is used today, and the time it is.

    Reservations count while their attempts run; that of the job `but` does not. None: there are no such budgets.
    """
    rows = (await tx.execute(_USED, {"tenant_id": tenant_id, "kind": kind, "job_id": but})).all()
    used = [
        Used(
            budget=Budget(kind=row.kind or None, tokens=row.tokens, cost_micros=row.cost_micros),
            tokens=row.used_tokens,
            cost_micros=row.used_cost_micros,
            reserved_tokens=row.reserved_tokens,
            reserved_cost_micros=row.reserved_cost_micros,
        )
        for row in rows
    ]
    return used, rows[0].now if rows else None


async def reserve(  # noqa: PLR0913 - whose, for what, how much
    tx: Tx, job_id: str, lease: str, *, tenant_id: str, kind: str, amount: Amount
) -> None:
    """Set so much aside for the attempt, in place of what the job had set aside before; forget what ended attempts did.

    Asked after `lock_budgets`, in the same transaction.
    """
    await tx.execute(_CLEAR, {"tenant_id": tenant_id})
    await tx.execute(
        _RESERVE,
        {
            "job_id": job_id,
            "lease": lease,
            "tenant_id": tenant_id,
            "kind": kind,
            "tokens": amount.tokens,
            "cost_micros": amount.cost_micros or 0,
        },
    )


async def set_budgets(tx: Tx, tenant_id: str, budgets: Sequence[Budget]) -> list[Budget]:
    """Set the tenant's budgets in place of those there were, which are answered."""
    await tx.execute(_TAKE_TURN, {"tenant_id": tenant_id})
    before = [Budget(**row) for row in (await tx.execute(_BUDGETS, {"tenant_id": tenant_id})).mappings()]
    await tx.execute(_DROP, {"tenant_id": tenant_id, "kinds": [one.kind or "" for one in budgets]})
    for one in budgets:
        given = {"tenant_id": tenant_id, "kind": one.kind or "", "tokens": one.tokens, "cost_micros": one.cost_micros}
        await tx.execute(_SET, given)
    return before


async def sum_usage(  # noqa: PLR0913 - what narrows it
    tx: Tx, tenant_id: str, *, first: date, last: date, by: Sequence[str], kind: str | None = None
) -> list[UsageSum]:
    """What the tenant used up from the first day to the last, added up by some of `GROUPS`."""
    columns = [name for name in GROUPS if name in by]
    groups = ", ".join(columns) or "tenant_id"
    query = text(_SUMS.format(columns=groups, groups=groups))
    rows = await tx.execute(query, {"tenant_id": tenant_id, "first": first, "last": last, "kind": kind})
    found = [dict(row) for row in rows.mappings()]
    return [UsageSum(**{name: value for name, value in row.items() if name != "tenant_id"}) for row in found]
