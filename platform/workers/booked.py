"""Writing down what was spent: it is money, whatever becomes of the attempt, its job or its worker's other work."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from providers.text.provider import Usage
from storage.database import DatabaseBusy, Tx
from workers.context import Context

log: Final = structlog.get_logger()

_PATIENCE_SECONDS: Final = 30.0


async def booked(ctx: Context, write: Callable[[Tx], Awaitable[None]], *, usage: Usage | None) -> None:
    """Let `write` write in a transaction of its own, also for an attempt that is over.

    Whoever is stopped meanwhile is stopped once it is done. Where every connection is in use it is tried again, for
    half a minute: nothing was asked of Postgres then, so nothing is booked twice. That `usage` was not booked is told
    in the log, for whoever is stopped hears of no failure.

    Raises:
        DatabaseDown: it was not written, or nobody knows.
    """
    booking = asyncio.create_task(_tell_failure(_insist(ctx, write), ctx, usage), name="booking")
    try:
        await asyncio.shield(booking)
    except asyncio.CancelledError:
        await asyncio.wait([booking])
        if not booking.cancelled():
            booking.exception()  # asked for, so that asyncio does not complain: it is told
        raise


async def _tell_failure(booking: Awaitable[None], ctx: Context, usage: Usage | None) -> None:
    try:
        await booking
    except Exception as error:
        if usage is not None:
            log.exception(
                "usage.not_booked",
                tenant_id=ctx.tenant_id,
                engine=usage.engine,
                model=usage.model,
                prompt_tokens=usage.prompt_tokens,
                output_tokens=usage.output_tokens,
                error=type(error).__name__,
            )
        raise


async def _insist(ctx: Context, write: Callable[[Tx], Awaitable[None]]) -> None:
    clock = asyncio.get_running_loop().time
    patience_ends = clock() + _PATIENCE_SECONDS
    while True:
        try:
            async with ctx.booking() as tx:
                await write(tx)
        except DatabaseBusy:
            if clock() >= patience_ends:
                raise
        else:
            return
