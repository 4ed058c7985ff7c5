"""Conversations and their messages."""

from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Row, text

from domain.chat.conversation import Conversation, Role, StoredMessage
from domain.chat.earlier import SaidMessage
from domain.ids import ConversationId, MessageId
from domain.jobs.job import Job, NewJob
from storage.database import Tx
from storage.jobs import as_job, jobs_as_given, submission

_CONVERSATION: Final = "id, tenant_id, caller_id, title, messages, prompt_tokens, output_tokens, created_at, updated_at"
_MESSAGE: Final = (
    "id, conversation_id, position, role, text, reply_to, engine, created_at, superseded_at, partial, edit_of, "
    "reply_job_id, blocked"
)

_ADD: Final = text(f"""
INSERT INTO conversations (id, tenant_id, caller_id, title) VALUES (:id, :tenant_id, :caller_id, :title)
RETURNING {_CONVERSATION}
""")  # noqa: S608 - the only thing formatted in is a constant list of columns

_FIND: Final = text(f"""
SELECT {_CONVERSATION} FROM conversations
WHERE id = :id AND tenant_id = :tenant_id AND caller_id = :caller_id
""")  # noqa: S608 - as above

_LIST: Final = text(f"""
SELECT {_CONVERSATION} FROM conversations
WHERE tenant_id = :tenant_id AND caller_id = :caller_id AND (CAST(:before AS text) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
""")  # noqa: S608 - as above

_RENAME: Final = text(f"""
UPDATE conversations SET title = :title, updated_at = now()
WHERE id = :id AND tenant_id = :tenant_id AND caller_id = :caller_id
RETURNING {_CONVERSATION}
""")  # noqa: S608 - as above

_DELETE: Final = text("""
DELETE FROM conversations WHERE id = :id AND tenant_id = :tenant_id AND caller_id = :caller_id RETURNING id
""")

# The conversation's row lock gives out positions one at a time.
_GROWN: Final = """grown AS (
    UPDATE conversations SET messages = messages + 1, updated_at = now(),
        title = coalesce(title, CAST(:title AS text)),
        prompt_tokens = prompt_tokens + :prompt_tokens, output_tokens = output_tokens + :output_tokens
    WHERE id = :conversation_id AND tenant_id = :tenant_id AND caller_id = :caller_id
    RETURNING id, messages
)"""

_ADD_MESSAGE: Final = text(f"""
WITH {_GROWN}
INSERT INTO messages (id, conversation_id, position, role, text, reply_to, engine, partial)
SELECT :id, id, messages, :role, :text, CAST(:reply_to AS text), CAST(:engine AS text), :partial FROM grown
ON CONFLICT (id) DO NOTHING
RETURNING {_MESSAGE}
""")  # noqa: S608 - as above

# Both in one statement: somebody waits for each round trip before a reply's first word.
_SAY: Final = submission(
    before=f"""{_GROWN}, said AS (
    INSERT INTO messages (id, conversation_id, position, role, text, edit_of, reply_job_id)
    SELECT :id, id, messages, 'user', :text, CAST(:edit_of AS text), :reply_job_id FROM grown
    RETURNING id
),""",  # noqa: S608 - as above
    only_if="EXISTS (SELECT FROM said)",
)

_MESSAGES: Final = text(f"""
SELECT {_MESSAGE} FROM messages
WHERE conversation_id = :conversation_id AND (CAST(:before AS int) IS NULL OR position < :before)
    AND (:superseded OR superseded_at IS NULL)
ORDER BY position DESC LIMIT :limit
""")  # noqa: S608 - as above

# An answer stands right behind what it answers, also where another message was written before it came. What was blocked
# is there for who wrote it, and for nobody who replies to something else. Whether there are budgets is asked here too:
# somebody waits for each round trip before a reply's first word.
_CONTEXT: Final = text("""
SELECT messages.id, coalesce(answered.position, messages.position) AS turn, messages.role, messages.text,
    messages.blocked IS NOT NULL AS is_blocked,
    EXISTS (SELECT FROM budgets WHERE budgets.tenant_id = :tenant_id) AS has_budgets
FROM messages
LEFT JOIN messages AS answered ON answered.id = messages.reply_to
JOIN messages AS asked ON asked.conversation_id = messages.conversation_id
JOIN conversations ON conversations.id = asked.conversation_id
WHERE asked.id = :message_id AND asked.conversation_id = :conversation_id AND asked.role = 'user'
    AND asked.superseded_at IS NULL AND messages.superseded_at IS NULL
    AND (messages.id = asked.id OR (
        coalesce(answered.position, messages.position) < asked.position
        AND messages.blocked IS NULL AND answered.blocked IS NULL
    ))
    AND conversations.tenant_id = :tenant_id AND conversations.caller_id = :caller_id
ORDER BY turn DESC, messages.position DESC LIMIT :limit
""")


class TalkSoFar(Struct, frozen=True, kw_only=True):
    """What was said, oldest first, and whether the tenant has a budget; nothing, where there is nothing to reply to."""

    said: list[SaidMessage]
    has_budgets: bool


async def add_conversation(
    tx: Tx, conversation_id: ConversationId, *, tenant_id: str, caller_id: str, title: str | None = None
) -> Conversation:
    """Write an empty conversation."""
    given = {"id": conversation_id, "tenant_id": tenant_id, "caller_id": caller_id, "title": title}
    return _as_conversation((await tx.execute(_ADD, given)).one())


async def find_conversation(tx: Tx, tenant_id: str, caller_id: str, conversation_id: str) -> Conversation | None:
    """A caller's conversation, or None."""
    given = {"id": conversation_id, "tenant_id": tenant_id, "caller_id": caller_id}
    row = (await tx.execute(_FIND, given)).one_or_none()
    return None if row is None else _as_conversation(row)


async def list_conversations(
    tx: Tx, tenant_id: str, caller_id: str, *, limit: int, before: str | None = None
) -> list[Conversation]:
    """A caller's conversations, newest first, older than the id `before`."""
    given = {"tenant_id": tenant_id, "caller_id": caller_id, "limit": limit, "before": before}
    return [_as_conversation(row) for row in await tx.execute(_LIST, given)]


async def rename_conversation(
    tx: Tx, tenant_id: str, caller_id: str, conversation_id: str, title: str
) -> Conversation | None:
    """Give a conversation another title. None: there is no such conversation."""
    given = {"id": conversation_id, "tenant_id": tenant_id, "caller_id": caller_id, "title": title}
    row = (await tx.execute(_RENAME, given)).one_or_none()
    return None if row is None else _as_conversation(row)


async def delete_conversation(tx: Tx, tenant_id: str, caller_id: str, conversation_id: str) -> bool:
    """Remove a conversation and its messages. False: there is none."""
    given = {"id": conversation_id, "tenant_id": tenant_id, "caller_id": caller_id}
    return (await tx.execute(_DELETE, given)).first() is not None


async def add_message(  # noqa: PLR0913 - a row
    tx: Tx,
    tenant_id: str,
    caller_id: str,
    conversation_id: str,
    *,
    message_id: MessageId,
    role: Role,
    body: str,
    reply_to: str | None = None,
    engine: str | None = None,
    prompt_tokens: int = 0,
    output_tokens: int = 0,
    partial: bool = False,
) -> StoredMessage | None:
    """Write the next message of a conversation. None: there is no such conversation.

    None too where there is such a message: another attempt has kept its answer, and this one's end will be refused.
    """
    row = (
        await tx.execute(
            _ADD_MESSAGE,
            {
                "id": message_id,
                "conversation_id": conversation_id,
                "tenant_id": tenant_id,
                "caller_id": caller_id,
                "role": role,
                "text": body,
                "title": None,
                "reply_to": reply_to,
                "engine": engine,
                "prompt_tokens": prompt_tokens,
                "output_tokens": output_tokens,
                "partial": partial,
            },
        )
    ).one_or_none()
    return None if row is None else _as_message(row)


async def say(  # noqa: PLR0913 - a row, and a job
    tx: Tx,
    conversation_id: str,
    *,
    message_id: MessageId,
    body: str,
    title: str,
    reply: NewJob,
    edit_of: str | None = None,
) -> Job | None:
    """Write what a user says with the job that replies, and `title` if the conversation has none; answers with the job.

    All of it by one statement. None, and nothing is written: whose job it is has no such conversation.
    """
    given = {
        "id": message_id,
        "conversation_id": conversation_id,
        "tenant_id": reply.tenant_id,
        "caller_id": reply.caller_id,
        "text": body,
        "title": title,
        "prompt_tokens": 0,
        "output_tokens": 0,
        "edit_of": edit_of,
        "reply_job_id": reply.id,
        "jobs": jobs_as_given([reply]),
    }
    row = (await tx.execute(_SAY, given)).one_or_none()
    return None if row is None else as_job(row)


async def list_messages(
    tx: Tx, conversation_id: str, *, limit: int, before: int | None = None, superseded: bool = False
) -> list[StoredMessage]:
    """A conversation's messages, newest first, before position `before`; with those that were superseded if wanted."""
    given = {"conversation_id": conversation_id, "limit": limit, "before": before, "superseded": superseded}
    return [_as_message(row) for row in await tx.execute(_MESSAGES, given)]


async def read_context(  # noqa: PLR0913 - whose conversation, up to where, how much
    tx: Tx, tenant_id: str, caller_id: str, conversation_id: str, message_id: str, *, limit: int
) -> TalkSoFar:
    """The last `limit` messages up to and with the user's message `message_id`; none if it is gone.

    Only what is current counts: not what an edit or another answer superseded. What was blocked does not, but for the
    message itself.
    """
    given = {
        "tenant_id": tenant_id,
        "caller_id": caller_id,
        "conversation_id": conversation_id,
        "message_id": message_id,
        "limit": limit,
    }
    rows = (await tx.execute(_CONTEXT, given)).all()
    said = [
        SaidMessage(id=row.id, turn=row.turn, role=row.role, text=row.text, is_blocked=row.is_blocked)
        for row in reversed(rows)
    ]
    return TalkSoFar(said=said, has_budgets=any(row.has_budgets for row in rows))


def _as_conversation(row: Row[Any]) -> Conversation:
    return msgspec.convert(row, Conversation, from_attributes=True)


def _as_message(row: Row[Any]) -> StoredMessage:
    return msgspec.convert(row, StoredMessage, from_attributes=True)
