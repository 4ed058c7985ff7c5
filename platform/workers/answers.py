"""How every text kind gets its answer: one path, so that what holds for one holds for all."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from providers.text.provider import Answer, TextProvider
from workers.context import Context
from workers.screening import Asked, screen, words_of

ResultT = TypeVar("ResultT")


async def answered(ctx: Context, asked: Asked, ask: Callable[[TextProvider], Awaitable[Answer[ResultT]]]) -> ResultT:
    """What the provider answers to `ask`, once what was `asked` is screened; what it cost is kept with the result.

    Raises:
        InputBlocked: the tenant blocks texts like this.
        HeadraceError: one of the provider's; see `providers.text.provider`.
    """
    await screen(ctx, words_of(asked))
    answer = await ask(ctx.use.text)
    ctx.use.kill_points.reach("ai.after_response", (ctx.job.id,))
    ctx.note_usage(answer.usage)
    return answer.value
