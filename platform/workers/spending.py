"""What a job's questions to text providers cost: set aside before, booked after, whatever becomes of the attempt.

Both are transactions of their own: a failed attempt's tokens are money too, and so are those of a worker that dies
before its job's end is written.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from msgspec import Struct

from domain.errors import Unavailable
from domain.text.budget import refuse_beyond
from domain.text.cost import BATCH_ENGINE, Amount, cost_of, estimate, halved, sum_of_amounts
from providers.text.provider import Usage
from storage.database import Tx
from storage.usage import Booking, book_usage, has_budgets, lock_budgets, read_used, release, reserve, shrink
from workers.booked import booked
from workers.context import Context, LeaseLost

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
    """Pays for the questions of one attempt from the budgets of its tenant; see `providers.text.chain.Meter`.

    It is booked for the kind that is asked, or for the one that is named; what is set aside is what that asked takes.
    `is_unbounded`: the tenant was seen a moment ago to have no budget, and its first question need not ask for one.
    """

    def __init__(self, ctx: Context, *, books_for: str | None = None, is_unbounded: bool = False) -> None:
        self._ctx = ctx
        self._books_for = books_for
        self._is_reserved = False
        self._is_unbounded = is_unbounded

    async def reserve(self, kind: str, model: str, given_bytes: int) -> None:
        """Set aside what the question will probably cost, where the tenant has a budget; then take a turn.

        Raises:
            BudgetExhausted: there is not so much left.
            ProviderRationed: all workers together have asked as much as they may.
        """
        if not self._is_unbounded:
            wanted = _estimated(self._ctx, model, kind, given_bytes)
            self._is_reserved = await _set_aside(self._ctx, self._books_for or kind, wanted) or self._is_reserved
        self._is_unbounded = False
        await _take_turn(self._ctx, kind, model, given_bytes)

    @asynccontextmanager
    async def together(self, kind: str, model: str, sizes: Sequence[int]) -> AsyncGenerator["PartsMeter"]:
        """Set aside what questions of so many bytes each will probably cost, all of them before the first is asked.

        Raises:
            BudgetExhausted: there is not so much left.
        """
        wanted = sum_of_amounts([_estimated(self._ctx, model, kind, size) for size in sizes])
        is_reserved = await _set_aside(self._ctx, self._books_for or kind, wanted)
        meter = PartsMeter(self._ctx, books_for=self._books_for, is_reserved=is_reserved)
        try:
            yield meter
        finally:
            await meter.let_go()

    async def settle(self, kind: str, usage: Usage | None) -> None:
        """Book what was used up, and let go of what was set aside, in one transaction."""
        ctx, kind = self._ctx, self._books_for or kind
        if usage is None and not self._is_reserved:
            return

        async def write(tx: Tx) -> None:
            if usage is not None:
                await book_usage(tx, ctx.tenant_id, kind, booking_of(ctx, usage))
            if self._is_reserved:
                await release(tx, ctx.job.id, ctx.job.lease or "")

        await booked(ctx, write, usage=usage)
        self._is_reserved = False


class PartsMeter:
    """Pays for questions whose cost is set aside already: what is booked for one is set aside no more."""

    def __init__(self, ctx: Context, *, books_for: str | None, is_reserved: bool) -> None:
        self._ctx = ctx
        self._books_for = books_for
        self._is_reserved = is_reserved

    async def reserve(self, kind: str, model: str, given_bytes: int) -> None:
        """Take a turn.

        Raises:
            ProviderRationed: all workers together have asked as much as they may.
        """
        await _take_turn(self._ctx, kind, model, given_bytes)

    async def settle(self, kind: str, usage: Usage | None) -> None:
        """Book what was used up, and set so much less aside, in one transaction."""
        if usage is None:
            return
        ctx, kind = self._ctx, self._books_for or kind
        booking = booking_of(ctx, usage)

        async def write(tx: Tx) -> None:
            await book_usage(tx, ctx.tenant_id, kind, booking)
            if self._is_reserved:
                tokens = booking.prompt_tokens + booking.output_tokens
                amount = Amount(tokens=tokens, cost_micros=booking.cost_micros)
                await shrink(tx, ctx.job.id, ctx.job.lease or "", amount)

        await booked(ctx, write, usage=usage)

    async def let_go(self) -> None:
        """Let go of what is set aside still, if the attempt lasts: else it counts no more anyway."""
        if self._is_reserved:
            with suppress(LeaseLost, Unavailable):
                async with self._ctx.noting() as tx:
                    await release(tx, self._ctx.job.id, self._ctx.job.lease or "")


def note_answer(ctx: Context, usage: Usage | None) -> None:
    """Keep what the answer cost, to be written with the job's result; nothing where nothing is counted."""
    if usage is None:
        return
    cost = _cost(ctx, usage)
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


def _estimated(ctx: Context, model: str, kind: str, given_bytes: int) -> Amount:
    most = ctx.use.most_output_tokens.get(kind)
    return estimate(ctx.use.prices, model, kind, given_bytes=given_bytes, most_output_tokens=most)


async def _set_aside(ctx: Context, kind: str, wanted: Amount) -> bool:
    """Whether anything was: where no budget bounds the kind, nothing is."""
    # most tenants have none, and need no transaction for it
    async with ctx.reading() as connection:
        if not await has_budgets(connection, ctx.tenant_id):
            return False
    async with ctx.noting() as tx:
        if not await lock_budgets(tx, ctx.tenant_id):
            return False
        used, now = await read_used(tx, ctx.tenant_id, kind, but=ctx.job.id)
        if now is None:
            return False
        refuse_beyond(used, wanted, now)
        await reserve(tx, ctx.job.id, ctx.job.lease or "", tenant_id=ctx.tenant_id, kind=kind, amount=wanted)
    return True


async def _take_turn(ctx: Context, kind: str, model: str, given_bytes: int) -> None:
    if ctx.use.rates is not None:
        # what it likely takes: by the most that it may, a minute would have room for a fraction of its questions
        await ctx.use.rates.take(estimate(ctx.use.prices, model, kind, given_bytes=given_bytes).tokens)


def booking_of(ctx: Context, usage: Usage) -> Booking:
    """What is to be booked of it."""
    cost = _cost(ctx, usage)
    if cost is None:
        log.warning("usage.unpriced", model=usage.model)
    return Booking(
        engine=usage.engine,
        model=usage.model,
        prompt_tokens=usage.prompt_tokens,
        output_tokens=usage.output_tokens,
        cost_micros=cost or 0,
    )


def _cost(ctx: Context, usage: Usage) -> int | None:
    cost = cost_of(ctx.use.prices, usage.model, prompt_tokens=usage.prompt_tokens, output_tokens=usage.output_tokens)
    return halved(cost) if usage.engine == BATCH_ENGINE else cost
