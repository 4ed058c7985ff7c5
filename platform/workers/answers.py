"""How every text kind gets its answer: one path, so that what holds for one holds for all."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from providers.text.provider import Answer, TextProvider
from workers.cached import asked_once
from workers.context import Context

ResultT = TypeVar("ResultT")


async def answered(ctx: Context, ask: Callable[[TextProvider], Awaitable[Answer[ResultT]]]) -> ResultT:
    """What the provider answers to `ask`, now or to somebody before; what it cost is written with the job's result.

    Raises:
        HeadraceError: one of the provider's; see `providers.text.provider`.
    """
    return await asked_once(ctx, lambda: _asked(ctx, ask))


async def _asked(ctx: Context, ask: Callable[[TextProvider], Awaitable[Answer[ResultT]]]) -> ResultT:
    answer = await ask(ctx.use.text)
    ctx.use.kill_points.reach("ai.after_response", (ctx.job.id,))
    ctx.note_usage(answer.usage)
    return answer.value
