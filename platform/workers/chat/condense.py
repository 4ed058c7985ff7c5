"""The handler of `chat.condense`."""

from collections.abc import Sequence
from typing import Final

from domain.chat.condense import CONDENSE, Condense, Condensed
from domain.chat.earlier import MOST_TRANSCRIPT_CHARS, ChatSummary, SaidMessage, covered_by, due, transcript
from domain.text.summarize import MOST_CHARS, Summarize
from storage.chat_history import lock_conversation
from storage.chat_summaries import add_summary, find_summary, read_said
from workers.context import Context
from workers.spending import JobMeter, note_answer

_MOST_MESSAGES: Final = 500
_FEWEST_CHARS: Final = 20  # that a summary can be asked for with


async def condense(asked: Condense, ctx: Context) -> Condensed:
    """Summarize what is about to fall out of the window, unless nothing is, or the conversation changes meanwhile.

    What it costs is booked for this kind, though the engines are asked as for `text.summarize`.
    """
    async with ctx.use.database.read() as connection:
        before = await find_summary(connection, asked.conversation_id)
        uncovered = await read_said(
            connection,
            ctx.tenant_id,
            ctx.caller_id,
            asked.conversation_id,
            asked.message_id,
            covered=covered_by(before),
            limit=_MOST_MESSAGES,
        )
    falling = _bounded(due(ctx.use.chat_window, uncovered))
    if not falling:
        return Condensed()
    given = Summarize(
        text=transcript(before, falling)[:MOST_CHARS], max_chars=max(_FEWEST_CHARS, ctx.use.chat_window.summary_chars)
    )
    answer = await ctx.use.text.metered(JobMeter(ctx, books_for=CONDENSE.name)).summarize(given)
    ctx.use.kill_points.reach("ai.after_response", (ctx.job.id,))
    note_answer(ctx, answer.usage)
    covers = await _keep(asked, ctx, answer.value.summary, answer.value.engine, before, falling)
    return Condensed() if covers is None else Condensed(messages=covers, engine=answer.value.engine)


async def _keep(  # noqa: PLR0913, PLR0917 - a row
    asked: Condense,
    ctx: Context,
    summary: str,
    engine: str,
    before: ChatSummary | None,
    of: Sequence[SaidMessage],
) -> int | None:
    async with ctx.settling() as tx:
        if not await lock_conversation(tx, ctx.tenant_id, ctx.caller_id, asked.conversation_id):
            return None
        return await add_summary(tx, asked.conversation_id, summary, engine=engine, before=before, of=of)


def _bounded(falling: Sequence[SaidMessage]) -> Sequence[SaidMessage]:
    """Of the messages so many whole turns, the oldest, as are summarized at once."""
    chars = 0
    for one in falling:
        chars += len(one.text)
        if chars > MOST_TRANSCRIPT_CHARS:
            return [other for other in falling if other.turn < one.turn]
    return falling
