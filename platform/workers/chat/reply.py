"""The handler of `chat.reply`."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from msgspec import Struct

from domain.chat.condense import CONDENSE, Condense
from domain.chat.conversation import StoredMessage, Trimmed
from domain.chat.earlier import MOST_EXCERPTS, ChatSummary, Recalled, SaidMessage, covered_by, due, recall
from domain.chat.reply import Replied, ReplyTo
from domain.ids import MessageId
from domain.jobs.job import NewJob
from domain.jobs.verdict import Reject
from domain.text.safety import InputBlocked
from providers.text.provider import ProviderAnswerMalformed, ProviderBlocked, ReplyPart, Usage
from runtime.streams import Writing
from storage.chat import add_message, read_context
from storage.chat_history import is_cancelled, lock_conversation, mark_blocked, supersede_answer
from storage.chat_summaries import find_summary, forget_summaries
from storage.jobs import submit_jobs
from workers.context import Context
from workers.screening import screen
from workers.spending import JobMeter, note_answer

_LOCAL: Final = Usage(engine="local", model="")


async def reply(asked: ReplyTo, ctx: Context) -> Replied:
    """Answer a message and keep the answer as the conversation's next one: written with the job's end, so once.

    Readers are told of it as it is written. Cancelled, it stops the provider and keeps what there is as a partial
    answer. A message that is blocked is marked so, and no reply to another sees it.

    Raises:
        Reject: the conversation or the message is gone.
        InputBlocked, ProviderBlocked: the tenant blocks messages like this, or the provider does.
        ProviderAnswerMalformed: the provider said nothing.
    """
    talk = await _read(asked, ctx)
    heard = _Heard()
    try:
        await screen(ctx, talk.said[-1].text)
        async with ctx.use.replies.writing(ctx.job.id, ctx.job.lease or "") as stream:
            try:
                await _ask(talk, ctx, heard, stream)
            except asyncio.CancelledError:
                await _keep_partial(asked, ctx, heard)
                raise
    except (InputBlocked, ProviderBlocked) as block:
        await _mark_blocked(asked, ctx, block.code)
        raise
    ctx.use.kill_points.reach("ai.after_response", (ctx.job.id,))
    if not heard.text:
        raise ProviderAnswerMalformed("The reply was empty.")
    note_answer(ctx, heard.usage)
    return await _keep(asked, ctx, talk, heard.text, heard.usage or _LOCAL)


class _Heard:
    """What there is of a reply, and what it has cost as it was told last; no usage where nothing is counted."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._written = Trimmed()

    @property
    def text(self) -> str:
        return self._written.text

    def add(self, part: ReplyPart) -> str:
        """What of the text is certain with this part, and was not before."""
        self.usage = part.usage or self.usage
        return self._written.add(part.text)


class _Talk(Struct, frozen=True, kw_only=True):
    """A conversation as an attempt found it."""

    said: Sequence[SaidMessage]
    summary: ChatSummary | None
    recalled: Recalled
    has_budgets: bool


async def _read(asked: ReplyTo, ctx: Context) -> _Talk:
    window = ctx.use.chat_window
    limit = window.messages + MOST_EXCERPTS
    async with ctx.use.database.read() as connection:
        found = await read_context(
            connection, ctx.tenant_id, ctx.caller_id, asked.conversation_id, asked.message_id, limit=limit
        )
        said = found.said
        if not said:
            raise _gone()
        # one that was made since, where this is an old message answered late, tells of what came after it
        is_short = len(said) < limit and not due(window, said)
        summary = None if is_short else await find_summary(connection, asked.conversation_id, before=said[-1].turn)
    recalled = recall(window, said, summary, is_all=len(said) < limit)
    return _Talk(said=said, summary=summary, recalled=recalled, has_budgets=found.has_budgets)


async def _ask(talk: _Talk, ctx: Context, heard: _Heard, stream: Writing) -> None:
    meter = JobMeter(ctx, is_unbounded=not talk.has_budgets)
    replying = ctx.use.text.metered(meter).reply(talk.recalled.messages, talk.recalled.earlier)
    async with aclosing(replying) as parts:
        async for part in parts:
            if certain := heard.add(part):
                stream.add(certain)


async def _keep(asked: ReplyTo, ctx: Context, talk: _Talk, said: str, usage: Usage) -> Replied:
    async with ctx.settling() as tx:
        # a job that was cancelled, and is run again by hand, may have left a part of an answer
        await supersede_answer(tx, asked.message_id)
        message = await add_message(
            tx,
            ctx.tenant_id,
            ctx.caller_id,
            asked.conversation_id,
            message_id=MessageId(ctx.stable_id("msg")),
            role="assistant",
            body=said,
            reply_to=asked.message_id,
            engine=usage.engine,
            prompt_tokens=usage.prompt_tokens,
            output_tokens=usage.output_tokens,
        )
        if message is None:
            raise _gone()
        if talk.said[-1].is_blocked:  # before; it is answered now
            await mark_blocked(tx, asked.message_id, None)
        await forget_summaries(tx, asked.conversation_id, asked.message_id)
        if due(ctx.use.chat_window, _uncovered(talk, message)):
            await submit_jobs(tx, [_summary_of(asked, ctx)])
    return Replied(message_id=message.id, text=said, engine=usage.engine)


async def _keep_partial(asked: ReplyTo, ctx: Context, heard: _Heard) -> None:
    """Keep what was written, if the attempt was cut off because the job is cancelled, and not to be tried again."""
    lease = ctx.job.lease or ""
    if not heard.text:
        return
    usage = heard.usage or Usage(engine="", model="")
    async with ctx.noting() as tx:
        if not await is_cancelled(tx, ctx.job.id, lease):
            return
        await supersede_answer(tx, asked.message_id)
        await add_message(
            tx,
            ctx.tenant_id,
            ctx.caller_id,
            asked.conversation_id,
            message_id=MessageId(ctx.stable_id("msg", lease)),
            role="assistant",
            body=heard.text,
            reply_to=asked.message_id,
            engine=usage.engine or None,
            prompt_tokens=usage.prompt_tokens,
            output_tokens=usage.output_tokens,
            partial=True,
        )
        await forget_summaries(tx, asked.conversation_id, asked.message_id)


async def _mark_blocked(asked: ReplyTo, ctx: Context, code: str) -> None:
    """Mark the message, at once: the next reply begins as soon as this job has ended."""
    async with ctx.noting() as tx:
        if await lock_conversation(tx, ctx.tenant_id, ctx.caller_id, asked.conversation_id):
            await mark_blocked(tx, asked.message_id, code)
            # where it is an old message, answered late, it may be told of there
            await forget_summaries(tx, asked.conversation_id, asked.message_id)


def _uncovered(talk: _Talk, answer: StoredMessage) -> Sequence[SaidMessage]:
    said = SaidMessage(id=answer.id, turn=talk.said[-1].turn, role=answer.role, text=answer.text)
    return [*(one for one in talk.said if one.turn > covered_by(talk.summary)), said]


def _summary_of(asked: ReplyTo, ctx: Context) -> NewJob:
    return ctx.follow_up(
        CONDENSE,
        Condense(conversation_id=asked.conversation_id, message_id=asked.message_id),
        # one at a time, and beside the next reply
        concurrency_key=f"{asked.conversation_id}/earlier",
    )


def _gone() -> Reject:
    return Reject("conversation_gone", "The conversation, or the message to be answered, was deleted or superseded.")
