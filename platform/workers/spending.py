"""What a job's questions to text providers cost: set aside before, booked after, whatever becomes of the attempt.

Both are transactions of their own: a failed attempt's tokens are money too, and so are those of a worker that dies
before its job's end is written.
"""

from typing import Final

import structlog
from msgspec import Struct

from domain.text.budget import refuse_beyond
from domain.text.cost import cost_of, estimate
from providers.text.provider import Usage
from storage.database import Tx
from storage.usage import Booking, book_usage, lock_budgets, read_used, release, reserve
from workers.booked import booked
from workers.context import Context

log: Final = structlog.get_logger()


class JobUsage(Struct, frozen=True, kw_only=True):
    """What is kept with the job of the answer's cost; None: nobody said what the model costs."""

    engine: str
    model: str
    prompt_tokens: int
    output_tokens: int
    prompt_version: str
    cost_micros: int | None
    currency: str


class JobMeter:
    """Pays for the questions of one attempt from the budgets of its tenant; see `providers.text.chain.Meter`."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._is_reserved = False

    async def reserve(self, kind: str, model: str, given_bytes: int) -> None:
        """Set aside what the question will probably cost, where the tenant has a budget; then take a turn.

        Raises:
            BudgetExhausted: there is not so much left.
            ProviderRationed: all workers together have asked as much as they may.
        """
        ctx = self._ctx
        most = ctx.use.most_output_tokens.get(kind)
        wanted = estimate(ctx.use.prices, model, kind, given_bytes=given_bytes, most_output_tokens=most)
        async with ctx.noting() as tx:
            if await lock_budgets(tx, ctx.tenant_id):
                used, now = await read_used(tx, ctx.tenant_id, kind, but=ctx.job.id)
                if now is not None:
                    refuse_beyond(used, wanted, now)
                    await reserve(
                        tx, ctx.job.id, ctx.job.lease or "", tenant_id=ctx.tenant_id, kind=kind, amount=wanted
                    )
                    self._is_reserved = True
        if ctx.use.rates is not None:
            await ctx.use.rates.take(wanted.tokens)

    async def settle(self, kind: str, usage: Usage | None) -> None:
        """Book what was used up, and let go of what was set aside, in one transaction."""
        ctx = self._ctx
        if usage is None and not self._is_reserved:
            return

        async def write(tx: Tx) -> None:
            if usage is not None:
                await book_usage(tx, ctx.tenant_id, kind, _booking(ctx, usage))
            if self._is_reserved:
                await release(tx, ctx.job.id, ctx.job.lease or "")

        await booked(ctx, write)
        self._is_reserved = False


def note_answer(ctx: Context, usage: Usage | None) -> None:
    """Keep what the answer cost, to be written with the job's result; nothing where nothing is counted."""
    if usage is None:
        return
    cost = cost_of(ctx.use.prices, usage.model, prompt_tokens=usage.prompt_tokens, output_tokens=usage.output_tokens)
    ctx.note_usage(
        JobUsage(
            engine=usage.engine,
            model=usage.model,
            prompt_tokens=usage.prompt_tokens,
            output_tokens=usage.output_tokens,
            prompt_version=usage.prompt_version,
            cost_micros=cost,
            currency=ctx.use.currency,
        )
    )


def _booking(ctx: Context, usage: Usage) -> Booking:
    cost = cost_of(ctx.use.prices, usage.model, prompt_tokens=usage.prompt_tokens, output_tokens=usage.output_tokens)
    if cost is None:
        log.warning("usage.unpriced", model=usage.model)
    return Booking(
        engine=usage.engine,
        model=usage.model,
        prompt_tokens=usage.prompt_tokens,
        output_tokens=usage.output_tokens,
        cost_micros=cost or 0,
    )
