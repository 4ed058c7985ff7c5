"""Chat over HTTP: a caller's conversations, their messages, and the replies, which are jobs."""

from contextlib import AsyncExitStack
from typing import Final

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Response

from api.auth import needs
from api.bodies import ApiRequest
from api.chat.views import (
    ConversationBody,
    ConversationChanges,
    ConversationView,
    MessageBody,
    MessageView,
    view_conversation,
    view_message,
)
from api.context import Use, notes_of
from api.idempotency import ONCE, REPLAYED, find_answer, first_job, keep_job, keep_response, read_key, replay
from api.job_view import JobView
from api.paging import DEFAULT, Cursor, Limit, Page, answer_page, read_cursor
from api.preferences import WAITS, wait_for_end, wanted_wait
from api.problems import base_url
from api.submit import answer_job
from domain.accounts.user import Caller
from domain.chat.conversation import Conversation, ConversationNotFound, title_from
from domain.chat.reply import REPLY, ReplyTo
from domain.ids import ConversationId, JobId, MessageId, is_id
from domain.jobs.job import Job, JobOptions, new_job
from runtime.unique_ids import new_id
from storage.chat import (
    add_conversation,
    add_message,
    delete_conversation,
    find_conversation,
    list_conversations,
    list_messages,
    rename_conversation,
)
from storage.database import Tx
from storage.jobs import submit_jobs

ConversationPath = FromPath[str]

_MAY_CHAT: Final = [needs("chat:use")]
_EXAMPLE: Final = {"title": "Questions about an order"}
_LAST_POSITION: Final = 2**31 - 1


@post("/conversations", guards=_MAY_CHAT, status_code=201, opt={**ONCE, "example": _EXAMPLE})
async def begin(
    request: ApiRequest, data: JSONBody[ConversationBody], use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[ConversationView]:
    """Begin a conversation. Only its caller sees it."""
    conversation_id = ConversationId(new_id("conv"))
    key = await read_key(request)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, key):
            return replay(kept)
        conversation = await add_conversation(
            tx, conversation_id, tenant_id=caller.tenant_id, caller_id=caller.user_id, title=data.title
        )
        view = view_conversation(conversation, base_url(request.scope))
        headers = {"Location": f"/v1/conversations/{conversation.id}"}
        response = Response(view, status_code=201, headers=headers)
        await keep_response(tx, key, response)
    return response


@get("/conversations", guards=_MAY_CHAT)
async def list_(
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[ConversationView]]:
    """The caller's conversations, newest first."""
    before = read_cursor(cursor, "conv")
    async with use.database.read() as tx:
        found = await list_conversations(tx, caller.tenant_id, caller.user_id, limit=limit + 1, before=before)
    base = base_url(request.scope)
    return answer_page(request, found, limit, view=lambda one: view_conversation(one, base), mark=lambda one: one.id)


@get("/conversations/{conversation_id:str}", guards=_MAY_CHAT)
async def show(
    request: ApiRequest, conversation_id: ConversationPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> ConversationView:
    """A conversation, without its messages."""
    async with use.database.read() as tx:
        return view_conversation(await _found(tx, caller, conversation_id), base_url(request.scope))


@patch("/conversations/{conversation_id:str}", guards=_MAY_CHAT)
async def change(
    request: ApiRequest,
    conversation_id: ConversationPath,
    data: JSONBody[ConversationChanges],
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
) -> ConversationView:
    """Give the conversation another title."""
    async with use.database.begin() as tx:
        renamed = await rename_conversation(tx, caller.tenant_id, caller.user_id, conversation_id, data.title)
    if renamed is None:
        raise _not_found()
    return view_conversation(renamed, base_url(request.scope))


@delete("/conversations/{conversation_id:str}", guards=_MAY_CHAT, status_code=204)
async def remove(conversation_id: ConversationPath, use: NamedDependency[Use], caller: NamedDependency[Caller]) -> None:
    """Remove a conversation and its messages; replies under way are dropped."""
    async with use.database.begin() as tx:
        if not await delete_conversation(tx, caller.tenant_id, caller.user_id, conversation_id):
            raise _not_found()


@post("/conversations/{conversation_id:str}/messages", guards=_MAY_CHAT, status_code=202, opt={**WAITS, **ONCE})
async def say(
    request: ApiRequest,
    conversation_id: ConversationPath,
    data: JSONBody[MessageBody],
    use: NamedDependency[Use],
) -> Response[JobView]:
    """Add a message; the answer is the job that replies to it, and its input names the message.

    With `Prefer: wait=N` the answer waits up to N seconds for the reply.
    """
    job_id = JobId(new_id("job"))
    seconds = wanted_wait(request.headers.get("prefer"))
    key = await read_key(request)
    async with AsyncExitStack() as stack:
        news = await stack.enter_async_context(use.wakeups.listening(job_id)) if seconds else None
        take = stack.enter_context(use.backlog.taking(request.user.tenant_id))
        async with use.database.begin() as tx:
            kept = await find_answer(tx, key)
            if kept is None:
                await use.texts.take(notes_of(request.scope), request.user)
                await use.spent.demand(request.user.tenant_id, [REPLY.name])
                take(1)
                job = await _write(tx, request, conversation_id, data.text, job_id)
                await keep_job(tx, key, job)
            else:
                job = await first_job(tx, key, kept)
        use.wakeups.ring_relay()
        if news is not None and seconds:
            job = await wait_for_end(use, job, news, seconds)
    response = await answer_job(request, use, job, waited=seconds)
    response.headers.update({"Location": f"/v1/jobs/{job.id}"} | (REPLAYED if kept else {}))
    return response


@get("/conversations/{conversation_id:str}/messages", guards=_MAY_CHAT)
async def messages(  # noqa: PLR0913, PLR0917 - a list has these parameters
    request: ApiRequest,
    conversation_id: ConversationPath,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[MessageView]]:
    """The conversation's messages, newest first."""
    last = read_cursor(cursor, "at")
    before = None if last is None else min(int(last.removeprefix("at_"), 16), _LAST_POSITION)
    async with use.database.read() as tx:
        conversation = await _found(tx, caller, conversation_id)
        found = await list_messages(tx, conversation.id, limit=limit + 1, before=before)
    return answer_page(request, found, limit, view=view_message, mark=lambda one: f"at_{one.position:032x}")


router: Final = Router("/v1", route_handlers=[begin, list_, show, change, remove, say, messages], tags=["Chat"])


async def _write(tx: Tx, request: ApiRequest, conversation_id: str, said: str, job_id: JobId) -> Job:
    """The message and the job that replies to it, in one transaction: neither is ever without the other."""
    caller, notes = request.user, notes_of(request.scope)
    message = await add_message(
        tx,
        caller.tenant_id,
        caller.user_id,
        conversation_id,
        message_id=MessageId(new_id("msg")),
        role="user",
        body=said,
        title=title_from(said),
    )
    if message is None:
        raise _not_found()
    new = new_job(
        REPLY,
        ReplyTo(conversation_id=message.conversation_id, message_id=message.id),
        caller,
        job_id=job_id,
        # one reply at a time, in the order asked
        options=JobOptions(concurrency_key=message.conversation_id),
        request_id=notes.request_id,
        traceparent=notes.traceparent,
    )
    return (await submit_jobs(tx, [new]))[0]


async def _found(tx: Tx, caller: Caller, conversation_id: str) -> Conversation:
    conversation = (
        await find_conversation(tx, caller.tenant_id, caller.user_id, conversation_id)
        if is_id("conv", conversation_id)
        else None
    )
    if conversation is None:
        raise _not_found()
    return conversation


def _not_found() -> ConversationNotFound:
    return ConversationNotFound("There is no such conversation.")
