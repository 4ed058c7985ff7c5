"""Summaries of what has fallen out of a conversation's window; the one that covers most is the one in use.

Those it was made of are kept: an edit takes away the summaries that cover what it changes, and the one before is in use
again.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import ARRAY, Text, bindparam, text

from domain.chat.earlier import ChatSummary, SaidMessage
from storage.database import Tx

_LATEST: Final = text("""
SELECT covers, text, engine, messages, created_at FROM conversation_summaries
WHERE conversation_id = :conversation_id AND (CAST(:before AS int) IS NULL OR covers < :before)
ORDER BY covers DESC LIMIT 1
""")

# An answer belongs to the turn of what it answers. What was blocked is in no summary.
_SAID_SINCE: Final = text("""
SELECT messages.id, coalesce(answered.position, messages.position) AS turn, messages.role, messages.text FROM messages
LEFT JOIN messages AS answered ON answered.id = messages.reply_to
JOIN messages AS asked ON asked.id = :message_id AND asked.conversation_id = messages.conversation_id
JOIN conversations ON conversations.id = messages.conversation_id
WHERE messages.conversation_id = :conversation_id AND messages.superseded_at IS NULL AND asked.superseded_at IS NULL
    AND coalesce(answered.position, messages.position) > :covered
    AND coalesce(answered.position, messages.position) <= asked.position
    AND messages.blocked IS NULL AND answered.blocked IS NULL
    AND conversations.tenant_id = :tenant_id AND conversations.caller_id = :caller_id
ORDER BY turn, messages.position LIMIT :limit
""")

# The conversation's row is held: what it holds of these turns is what was read, or nothing is written.
_ADD: Final = text("""
INSERT INTO conversation_summaries (conversation_id, covers, text, engine, messages)
SELECT :conversation_id, :covers, :text, :engine, :messages
WHERE :covered = coalesce(
        (SELECT max(covers) FROM conversation_summaries WHERE conversation_id = :conversation_id), 0)
    AND CAST(:read AS text[]) = ARRAY(
        SELECT messages.id FROM messages LEFT JOIN messages AS answered ON answered.id = messages.reply_to
        WHERE messages.conversation_id = :conversation_id AND messages.superseded_at IS NULL
            AND coalesce(answered.position, messages.position) > :covered
            AND coalesce(answered.position, messages.position) <= :covers
            AND messages.blocked IS NULL AND answered.blocked IS NULL
        ORDER BY coalesce(answered.position, messages.position), messages.position)
RETURNING covers
""").bindparams(bindparam("read", type_=ARRAY(Text)))

_FORGET: Final = text("""
DELETE FROM conversation_summaries
WHERE conversation_id = :conversation_id AND covers >= (SELECT position FROM messages WHERE id = :message_id)
""")


async def find_summary(tx: Tx, conversation_id: str, *, before: int | None = None) -> ChatSummary | None:
    """The summary in use, or that which was before a turn; None: there is none."""
    row = (await tx.execute(_LATEST, {"conversation_id": conversation_id, "before": before})).one_or_none()
    return None if row is None else msgspec.convert(row, ChatSummary, from_attributes=True)


async def read_said(  # noqa: PLR0913 - whose conversation, from where to where, how much
    tx: Tx, tenant_id: str, caller_id: str, conversation_id: str, message_id: str, *, covered: int, limit: int
) -> list[SaidMessage]:
    """What is current of the turns after `covered`, up to and with that of the user's message `message_id`.

    The oldest `limit` messages, oldest first; none if the message is gone.
    """
    given = {
        "tenant_id": tenant_id,
        "caller_id": caller_id,
        "conversation_id": conversation_id,
        "message_id": message_id,
        "covered": covered,
        "limit": limit,
    }
    return [
        SaidMessage(id=row[0], turn=row[1], role=row[2], text=row[3]) for row in await tx.execute(_SAID_SINCE, given)
    ]


async def add_summary(  # noqa: PLR0913 - a row
    tx: Tx, conversation_id: str, summary: str, *, engine: str, before: ChatSummary | None, of: Sequence[SaidMessage]
) -> int | None:
    """Keep a summary made of the one `before` and the messages `of`; the answer is how many messages it covers.

    The caller holds the conversation's row. None: it has changed meanwhile, or another summary came first.
    """
    covered = 0 if before is None else before.covers
    messages = len(of) + (0 if before is None else before.messages)
    given = {
        "conversation_id": conversation_id,
        "covers": of[-1].turn,
        "covered": covered,
        "text": summary,
        "engine": engine,
        "messages": messages,
        "read": [one.id for one in of],
    }
    return None if (await tx.execute(_ADD, given)).first() is None else messages


async def forget_summaries(tx: Tx, conversation_id: str, message_id: str) -> None:
    """Take away the summaries that cover a user's message. The caller holds the conversation's row."""
    await tx.execute(_FORGET, {"conversation_id": conversation_id, "message_id": message_id})
