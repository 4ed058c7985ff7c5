"""How every text kind gets its answer: one path, so that what holds for one holds for all."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from domain.errors import HeadraceError
from providers.text.provider import Answer, TextProvider
from workers.cached import asked_once
from workers.context import Context
from workers.part_notes import PartNotes
from workers.ready_answers import ready_answer
from workers.screening import Asked, screen, words_of
from workers.spending import JobMeter, note_answer

log: Final = structlog.get_logger()

ResultT = TypeVar("ResultT")


async def answered(ctx: Context, asked: Asked, ask: Callable[[TextProvider], Awaitable[Answer[ResultT]]]) -> ResultT:
    """What the provider answers to `ask`, now or to somebody before, once what was `asked` is screened.

    A new answer's cost is booked at once, whatever becomes of the attempt.

    Raises:
        InputBlocked: the tenant blocks texts like this.
        HeadraceError: one of the provider's; see `providers.text.provider`.
    """
    screened = await screen(ctx, words_of(asked))
    if screened.flags:  # neither kept nor taken from what is kept: who asks the same is to be told the same
        return await _asked(ctx, ask)
    return await asked_once(ctx, screened.by, lambda: _asked(ctx, ask))


async def _asked(ctx: Context, ask: Callable[[TextProvider], Awaitable[Answer[ResultT]]]) -> ResultT:
    ready = await ready_answer(ctx)
    if ready is not None:
        try:
            given = await ask(ready.provider)
        except HeadraceError as failure:  # it is asked as usual then, and paid as usual
            log.warning("economy.unfit", code=failure.code)
        else:
            note_answer(ctx, ready.usage)
            return given.value
    answer = await ask(ctx.use.text.metered(JobMeter(ctx), PartNotes(ctx)))
    ctx.use.kill_points.reach("ai.after_response", (ctx.job.id,))
    note_answer(ctx, answer.usage)
    return answer.value
