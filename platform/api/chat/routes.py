"""Chat over HTTP: a caller's conversations, their messages, and the replies, which are jobs."""

from typing import Annotated, Final

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Response, Stream

from api.auth import needs
from api.bodies import ApiRequest
from api.chat.accept import accept_reply, answer_with_reply
from api.chat.stream import end_of, stream_reply
from api.chat.views import (
    ConversationBody,
    ConversationChanges,
    ConversationView,
    MessageBody,
    MessageView,
    view_conversation,
    view_message,
)
from api.chat.writing import edit_message, found_conversation, not_found, regenerate_answer, write_message
from api.context import Use, leave_of
from api.idempotency import ONCE, REPLAYED, find_answer, keep_response, read_key, replay
from api.job_view import JobView
from api.paging import DEFAULT, Cursor, Limit, Page, answer_page, read_cursor
from api.preferences import WAITS
from api.problems import base_url
from api.sse import LARGEST, MEDIA_TYPE, LastEventId, answer_stream, seen_until
from domain.accounts.user import Caller
from domain.ids import ConversationId
from runtime.unique_ids import new_id
from storage.chat import (
    add_conversation,
    delete_conversation,
    list_conversations,
    list_messages,
    rename_conversation,
)
from storage.chat_history import latest_reply
from storage.chat_summaries import find_summary
from storage.jobs import find_job

ConversationPath = FromPath[str]

UNTITLED: Final = ConversationBody()

_MAY_CHAT: Final = [needs("chat:use")]
_EXAMPLE: Final = {"title": "Questions about an order"}
_LAST_POSITION: Final = 2**31 - 1


@post("/conversations", guards=_MAY_CHAT, status_code=201, opt={**ONCE, "example": _EXAMPLE})
async def begin(
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    data: JSONBody[ConversationBody] = UNTITLED,
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
        conversation = await found_conversation(tx, caller, conversation_id)
        summary = await find_summary(tx, conversation.id)
    return view_conversation(conversation, base_url(request.scope), summary)


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
        raise not_found()
    return view_conversation(renamed, base_url(request.scope))


@delete("/conversations/{conversation_id:str}", guards=_MAY_CHAT, status_code=204)
async def remove(conversation_id: ConversationPath, use: NamedDependency[Use], caller: NamedDependency[Caller]) -> None:
    """Remove a conversation and its messages; replies under way are dropped."""
    async with use.database.begin() as tx:
        if not await delete_conversation(tx, caller.tenant_id, caller.user_id, conversation_id):
            raise not_found()


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
    return await answer_with_reply(
        request,
        use,
        lambda tx, job_id: write_message(tx, request, conversation_id, data.text, job_id),
        is_one_statement=True,
    )


@patch(
    "/conversations/{conversation_id:str}/messages/{message_id:str}",
    guards=_MAY_CHAT,
    status_code=202,
    opt={**WAITS, "fails": (409,)},
)
async def edit(
    request: ApiRequest,
    conversation_id: ConversationPath,
    message_id: FromPath[str],
    data: JSONBody[MessageBody],
    use: NamedDependency[Use],
) -> Response[JobView]:
    """Say something else in place of a user's message; the answer is the job that replies to it.

    The message and all that came after it are superseded: hidden, but kept. 409 while a reply is under way.
    """
    return await answer_with_reply(
        request, use, lambda tx, job_id: edit_message(tx, request, conversation_id, message_id, data.text, job_id)
    )


@post(
    "/conversations/{conversation_id:str}/messages/{message_id:str}/regenerate",
    guards=_MAY_CHAT,
    status_code=202,
    opt={**WAITS, **ONCE, "fails": (409,)},
)
async def regenerate(
    request: ApiRequest, conversation_id: ConversationPath, message_id: FromPath[str], use: NamedDependency[Use]
) -> Response[JobView]:
    """Have an answer written anew, named by its id or by that of the message it answers; the answer is the job.

    The answer there was and all that came after it are superseded: hidden, but kept. 409 while a reply is under way.
    """
    return await answer_with_reply(
        request, use, lambda tx, job_id: regenerate_answer(tx, request, conversation_id, message_id, job_id)
    )


@post(
    "/conversations/{conversation_id:str}/stream",
    guards=_MAY_CHAT,
    status_code=200,
    media_type=MEDIA_TYPE,
    opt=ONCE,
    operation_id="stream_reply_to_message",
)
async def say_and_follow(  # noqa: PLR0913, PLR0917 - what a resumption takes
    request: ApiRequest,
    conversation_id: ConversationPath,
    data: JSONBody[MessageBody],
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    last_event_id: LastEventId = None,
) -> Stream:
    """Add a message, and get the reply to it as Server-Sent Events while it is written.

    A connection that breaks is taken up by GET on the same path, or by sending the same with its Idempotency-Key, and
    with Last-Event-ID from where it broke off.
    """
    use.streams.check(caller)
    job, kept = await accept_reply(
        request,
        use,
        lambda tx, job_id: write_message(tx, request, conversation_id, data.text, job_id),
        is_one_statement=True,
    )
    seen = seen_until(last_event_id, None)
    leave = leave_of(request, "chat:use")
    answer = answer_stream(stream_reply(use, job, caller=caller, leave=leave, seen=seen, is_new=not kept))
    answer.headers.update({"Location": f"/v1/jobs/{job.id}"} | (REPLAYED if kept else {}))
    return answer


@get(
    "/conversations/{conversation_id:str}/stream",
    guards=_MAY_CHAT,
    media_type=MEDIA_TYPE,
    opt={"also": (204,)},
    operation_id="stream_reply",
)
async def follow(  # noqa: PLR0913, PLR0917 - what a resumption takes
    request: ApiRequest,
    conversation_id: ConversationPath,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    after: Annotated[int | None, QueryParameter(ge=0, le=LARGEST, description="the last event seen")] = None,
    last_event_id: LastEventId = None,
) -> Stream | Response[None]:
    """The reply under way as Server-Sent Events, or the last there was. 204 if there is none, or its end was seen."""
    use.streams.check(caller)
    async with use.database.read() as tx:
        conversation = await found_conversation(tx, caller, conversation_id)
        job_id = await latest_reply(tx, conversation.id)
        job = None if job_id is None else await find_job(tx, caller.tenant_id, job_id)
    seen = seen_until(last_event_id, after)
    if job is None or (seen is not None and seen == end_of(job)):
        return Response(None, status_code=204)
    return answer_stream(stream_reply(use, job, caller=caller, leave=leave_of(request, "chat:use"), seen=seen))


@get("/conversations/{conversation_id:str}/messages", guards=_MAY_CHAT)
async def messages(  # noqa: PLR0913, PLR0917 - a list has these parameters
    request: ApiRequest,
    conversation_id: ConversationPath,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
    superseded: Annotated[bool, QueryParameter(description="with those that were superseded")] = False,  # noqa: FBT002 - in a query
) -> Response[Page[MessageView]]:
    """The conversation's messages, newest first; those that an edit or another answer superseded only if wanted."""
    last = read_cursor(cursor, "at")
    before = None if last is None else min(int(last.removeprefix("at_"), 16), _LAST_POSITION)
    async with use.database.read() as tx:
        conversation = await found_conversation(tx, caller, conversation_id)
        found = await list_messages(tx, conversation.id, limit=limit + 1, before=before, superseded=superseded)
    return answer_page(request, found, limit, view=view_message, mark=lambda one: f"at_{one.position:032x}")


router: Final = Router(
    "/v1",
    route_handlers=[begin, list_, show, change, remove, say, messages, edit, regenerate, say_and_follow, follow],
    tags=["Chat"],
)
