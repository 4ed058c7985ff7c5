"""The handler of `chat.reply`."""

from contextlib import aclosing
from typing import Final

from domain.chat.conversation import MOST_CONTEXT
from domain.chat.reply import Replied, ReplyTo
from domain.ids import MessageId
from domain.jobs.verdict import Reject
from providers.text.provider import ProviderAnswerMalformed, Usage
from storage.chat import add_message, read_context
from workers.context import Context
from workers.screening import screen
from workers.spending import JobMeter, note_answer

_LOCAL: Final = Usage(engine="local", model="")


async def reply(asked: ReplyTo, ctx: Context) -> Replied:
    """Answer a message and keep the answer as the conversation's next one: written with the job's end, so once.

    Raises:
        Reject: the conversation was deleted.
        InputBlocked: the tenant blocks messages like this.
        ProviderAnswerMalformed: the provider said nothing.
    """
    async with ctx.use.database.read() as connection:
        context = await read_context(
            connection,
            ctx.tenant_id,
            ctx.caller_id,
            asked.conversation_id,
            asked.message_id,
            limit=MOST_CONTEXT,
        )
    if not context:
        raise _gone()
    await screen(ctx, context[-1].text)
    pieces: list[str] = []
    usage = _LOCAL
    async with aclosing(ctx.use.text.metered(JobMeter(ctx)).reply(context)) as parts:
        async for part in parts:
            pieces.append(part.text)
            usage = part.usage or usage
    ctx.use.kill_points.reach("ai.after_response", (ctx.job.id,))
    said = "".join(pieces).strip()
    if not said:
        raise ProviderAnswerMalformed("The reply was empty.")
    note_answer(ctx, usage if usage is not _LOCAL else None)
    async with ctx.settling() as tx:
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
    return Replied(message_id=message.id, text=said, engine=usage.engine)


def _gone() -> Reject:
    return Reject("conversation_gone", "The conversation, or the message to be answered, was deleted.")
