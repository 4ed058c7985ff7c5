"""Writing down what was spent: it is money, whatever becomes of the attempt, its job or its worker's other work."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from storage.database import DatabaseBusy, Tx
from workers.context import Context

_PATIENCE_SECONDS: Final = 30.0


async def booked(ctx: Context, write: Callable[[Tx], Awaitable[None]]) -> None:
    """Let `write` write in a transaction of its own, also for an attempt that is over.

    Whoever is stopped meanwhile is stopped once it is done. Where every connection is in use it is tried again, for
    half a minute: nothing was asked of Postgres then, so nothing is booked twice.

    Raises:
        DatabaseDown: it was not written, or nobody knows.
    """
    booking = asyncio.create_task(_insist(ctx, write), name="booking")
    try:
        await asyncio.shield(booking)
    except asyncio.CancelledError:
        await asyncio.wait([booking])
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
