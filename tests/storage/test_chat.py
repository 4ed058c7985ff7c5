import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.chat.conversation import Conversation, StoredMessage
from domain.chat.reply import REPLY, ReplyTo
from domain.ids import ConversationId, MessageId
from domain.jobs.job import NewJob
from domain.jobs.state import State
from runtime.unique_ids import new_id
from storage import chat
from storage.chat import (
    add_conversation,
    add_message,
    delete_conversation,
    find_conversation,
    list_conversations,
    list_messages,
    read_context,
    rename_conversation,
)
from storage.chat_history import find_message
from storage.database import Database
from storage.jobs import find_job
from tests.support.jobs import TENANT, USER, make_job, open_store


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_store(database_url, size=10) as opened:
        yield opened


async def begin(database: Database, caller_id: str = USER) -> Conversation:
    async with database.begin() as tx:
        conversation_id = ConversationId(new_id("conv"))
        return await add_conversation(tx, conversation_id, tenant_id=TENANT, caller_id=caller_id)


def reply_to(conversation_id: ConversationId, message_id: MessageId) -> NewJob:
    return make_job(REPLY, ReplyTo(conversation_id=conversation_id, message_id=message_id))


async def say(database: Database, conversation: Conversation, body: str, title: str = "Untitled") -> StoredMessage:
    message_id = MessageId(new_id("msg"))
    reply = reply_to(conversation.id, message_id)
    async with database.alone() as tx:
        job = await chat.say(tx, conversation.id, message_id=message_id, body=body, title=title, reply=reply)
        message = await find_message(tx, conversation.id, message_id)
    assert job is not None
    assert message is not None
    assert (job.id, job.state, message.reply_job_id) == (reply.id, State.QUEUED, reply.id)
    return message


async def test_the_first_message_gives_the_title_and_later_ones_leave_it(database: Database) -> None:
    conversation = await begin(database)
    assert conversation.title is None
    await say(database, conversation, "one", title="First")
    await say(database, conversation, "two", title="Second")
    async with database.read() as connection:
        found = await find_conversation(connection, TENANT, USER, conversation.id)
    assert found is not None
    assert (found.title, found.messages) == ("First", 2)


async def test_messages_written_at_once_get_positions_without_gaps(database: Database) -> None:
    conversation = await begin(database)
    await asyncio.gather(*(say(database, conversation, f"{n}") for n in range(8)))
    async with database.read() as connection:
        messages = await list_messages(connection, conversation.id, limit=99)
        page = await list_messages(connection, conversation.id, limit=3, before=5)
    assert [message.position for message in messages] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert [message.position for message in page] == [4, 3, 2]


async def test_the_context_is_the_last_messages_up_to_the_one_asked(database: Database) -> None:
    conversation = await begin(database)
    messages = [await say(database, conversation, f"{n}") for n in range(6)]
    async with database.read() as connection:
        context = await read_context(connection, TENANT, USER, conversation.id, messages[3].id, limit=3)
        elsewhere = await read_context(connection, TENANT, USER, "conv_other", messages[3].id, limit=3)
        foreign = await read_context(connection, TENANT, "user_other", conversation.id, messages[3].id, limit=3)
    assert [(one.id, one.turn, one.role, one.text) for one in context.said] == [
        (one.id, one.position, "user", one.text) for one in messages[1:4]
    ]
    assert elsewhere.said == foreign.said == []


async def test_a_conversation_is_its_callers_alone(database: Database) -> None:
    conversation = await begin(database)
    async with database.begin() as tx:
        for tenant_id, caller_id in ((TENANT, "user_other"), ("tenant_other", USER)):
            assert await find_conversation(tx, tenant_id, caller_id, conversation.id) is None
            assert await list_conversations(tx, tenant_id, caller_id, limit=9) == []
            assert await rename_conversation(tx, tenant_id, caller_id, conversation.id, "mine") is None
            assert not await delete_conversation(tx, tenant_id, caller_id, conversation.id)
            message = await add_message(
                tx, tenant_id, caller_id, conversation.id, message_id=MessageId("msg_1"), role="user", body="x"
            )
            assert message is None
        assert await find_conversation(tx, TENANT, USER, conversation.id) == conversation


async def test_nothing_is_said_and_no_job_written_where_the_caller_has_no_such_conversation(database: Database) -> None:
    theirs = await begin(database, caller_id="user_other")
    for conversation_id in (theirs.id, ConversationId(new_id("conv"))):
        message_id = MessageId(new_id("msg"))
        reply = reply_to(conversation_id, message_id)
        async with database.alone() as tx:
            said = await chat.say(tx, conversation_id, message_id=message_id, body="x", title="x", reply=reply)
            assert said is None
            assert await find_message(tx, conversation_id, message_id) is None
            assert await find_job(tx, TENANT, reply.id) is None


async def test_conversations_are_listed_newest_first_and_deleted_with_their_messages(database: Database) -> None:
    ids = [(await begin(database)).id for _ in range(3)]
    async with database.begin() as tx:
        first = await list_conversations(tx, TENANT, USER, limit=2)
        rest = await list_conversations(tx, TENANT, USER, limit=2, before=first[-1].id)
        assert [one.id for one in [*first, *rest]] == ids[::-1]
        renamed = await rename_conversation(tx, TENANT, USER, ids[0], "Renamed")
        assert renamed is not None
        assert renamed.title == "Renamed"
    await say(database, renamed, "hello")
    async with database.begin() as tx:
        assert await delete_conversation(tx, TENANT, USER, ids[0])
        assert await list_messages(tx, ids[0], limit=9) == []
