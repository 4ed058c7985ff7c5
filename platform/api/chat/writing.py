"""What the routes of chat write: a message and the job that replies to it, at once, never one without the other."""

from api.bodies import ApiRequest
from api.context import notes_of
from domain.accounts.user import Caller
from domain.chat.conversation import (
    Conversation,
    ConversationNotFound,
    MessageNotCurrent,
    MessageNotFound,
    ReplyUnderWay,
    StoredMessage,
    title_from,
)
from domain.chat.reply import REPLY, ReplyTo
from domain.ids import ConversationId, JobId, MessageId, is_id
from domain.jobs.job import Job, JobOptions, NewJob, new_job
from runtime.unique_ids import new_id
from storage.chat import find_conversation, say
from storage.chat_history import find_message, is_replied_to, lock_conversation, note_reply_job, supersede_after
from storage.chat_summaries import forget_summaries
from storage.database import Tx
from storage.jobs import submit_jobs


async def write_message(  # noqa: PLR0913 - what is said, where, by whom
    tx: Tx, request: ApiRequest, conversation_id: str, said: str, job_id: JobId, *, edit_of: str | None = None
) -> Job:
    """Add what the user says, and the job that replies, by one statement.

    Raises:
        ConversationNotFound: the caller has no such conversation.
    """
    if not is_id("conv", conversation_id):
        raise not_found()
    message_id = MessageId(new_id("msg"))
    reply = _reply(request, ConversationId(conversation_id), message_id, job_id)
    job = await say(
        tx, conversation_id, message_id=message_id, body=said, title=title_from(said), reply=reply, edit_of=edit_of
    )
    if job is None:
        raise not_found()
    return job


async def edit_message(  # noqa: PLR0913, PLR0917 - as above
    tx: Tx, request: ApiRequest, conversation_id: str, message_id: str, said: str, job_id: JobId
) -> Job:
    """Put other words in place of a user's message; it and all that came after are superseded.

    Raises:
        ConversationNotFound, MessageNotFound: the caller has no such conversation, or it no such message.
        ReplyUnderWay: a reply is being written.
        MessageNotCurrent: the message is an answer, or was superseded.
    """
    message = await _changeable(tx, request.user, conversation_id, message_id)
    if message.role != "user":
        raise MessageNotCurrent("This is an answer: only what the user said can be edited. Regenerate it instead.")
    await supersede_after(tx, conversation_id, message.id, itself=True)
    await forget_summaries(tx, conversation_id, message.id)
    return await write_message(tx, request, conversation_id, said, job_id, edit_of=message.id)


async def regenerate_answer(tx: Tx, request: ApiRequest, conversation_id: str, message_id: str, job_id: JobId) -> Job:
    """Have a message answered anew, named by itself or by its answer; all that came after it is superseded.

    Raises:
        ConversationNotFound, MessageNotFound, ReplyUnderWay, MessageNotCurrent: as for an edit.
    """
    message = await _changeable(tx, request.user, conversation_id, message_id)
    asked = message.reply_to or message.id
    await supersede_after(tx, conversation_id, asked, itself=False)
    await forget_summaries(tx, conversation_id, asked)
    await note_reply_job(tx, asked, job_id)
    return (await submit_jobs(tx, [_reply(request, message.conversation_id, asked, job_id)]))[0]


async def found_conversation(tx: Tx, caller: Caller, conversation_id: str) -> Conversation:
    """The caller's conversation.

    Raises:
        ConversationNotFound: there is none.
    """
    conversation = (
        await find_conversation(tx, caller.tenant_id, caller.user_id, conversation_id)
        if is_id("conv", conversation_id)
        else None
    )
    if conversation is None:
        raise not_found()
    return conversation


def not_found() -> ConversationNotFound:
    """What is said of a conversation that is not there, or is somebody else's."""
    return ConversationNotFound("There is no such conversation.")


async def _changeable(tx: Tx, caller: Caller, conversation_id: str, message_id: str) -> StoredMessage:
    is_there = is_id("conv", conversation_id) and await lock_conversation(
        tx, caller.tenant_id, caller.user_id, conversation_id
    )
    if not is_there:
        raise not_found()
    message = await find_message(tx, conversation_id, message_id) if is_id("msg", message_id) else None
    if message is None:
        raise MessageNotFound("The conversation has no such message.")
    if await is_replied_to(tx, conversation_id):
        raise ReplyUnderWay("Wait for the reply, or cancel its job.")
    if message.superseded_at is not None:
        raise MessageNotCurrent("The message was superseded by an edit or another answer.")
    return message


def _reply(request: ApiRequest, conversation_id: ConversationId, message_id: MessageId, job_id: JobId) -> NewJob:
    notes = notes_of(request.scope)
    return new_job(
        REPLY,
        ReplyTo(conversation_id=conversation_id, message_id=message_id),
        request.user,
        job_id=job_id,
        # one reply at a time, in the order asked
        options=JobOptions(concurrency_key=conversation_id),
        request_id=notes.request_id,
        traceparent=notes.traceparent,
    )
