import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.chat.conversation import Conversation, StoredMessage
from domain.ids import ConversationId, MessageId
from runtime.unique_ids import new_id
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
from storage.database import Database
from tests.support.jobs import TENANT, USER, open_store


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_store(database_url, size=10) as opened:
        yield opened


async def begin(database: Database, caller_id: str = USER) -> Conversation:
    async with database.begin() as tx:
        conversation_id = ConversationId(new_id("conv"))
        return await add_conversation(tx, conversation_id, tenant_id=TENANT, caller_id=caller_id)


async def say(database: Database, conversation: Conversation, body: str, title: str | None = None) -> StoredMessage:
    async with database.begin() as tx:
        message = await add_message(
            tx,
            TENANT,
            conversation.caller_id,
            conversation.id,
            message_id=MessageId(new_id("msg")),
            role="user",
            body=body,
            title=title,
        )
    assert message is not None
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
