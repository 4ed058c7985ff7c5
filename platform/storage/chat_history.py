"""What changes the course of a conversation: edits, answers anew, answers cut short. Nothing is removed."""

from typing import Final

import msgspec
from sqlalchemy import text

from domain.chat.conversation import StoredMessage
from storage.database import Tx

# Who changes the course holds the conversation's row, as who adds a message does, and looks in statements of their own.
_LOCK: Final = text("""
SELECT id FROM conversations WHERE id = :id AND tenant_id = :tenant_id AND caller_id = :caller_id FOR UPDATE
""")

_FIND: Final = text("""
SELECT id, conversation_id, position, role, text, reply_to, engine, created_at, superseded_at, partial, edit_of,
    reply_job_id, blocked
FROM messages WHERE id = :id AND conversation_id = :conversation_id
""")

_LIVE: Final = text("""
SELECT jobs.id FROM messages JOIN jobs ON jobs.id = messages.reply_job_id
WHERE messages.conversation_id = :conversation_id AND jobs.state IN ('scheduled', 'queued', 'running') LIMIT 1
""")

# The reply under way, the first of them if there are more, else the one that ended last.
_LATEST: Final = text("""
SELECT jobs.id FROM messages JOIN jobs ON jobs.id = messages.reply_job_id
WHERE messages.conversation_id = :conversation_id AND messages.superseded_at IS NULL
ORDER BY jobs.state NOT IN ('scheduled', 'queued', 'running'),
    CASE WHEN jobs.state IN ('scheduled', 'queued', 'running') THEN messages.position ELSE -messages.position END
LIMIT 1
""")

_SUPERSEDE_AFTER: Final = text("""
UPDATE messages SET superseded_at = now() FROM messages AS changed, messages AS also
LEFT JOIN messages AS answered ON answered.id = also.reply_to
WHERE changed.id = :message_id AND changed.conversation_id = :conversation_id
    AND also.conversation_id = changed.conversation_id AND also.superseded_at IS NULL
    AND coalesce(answered.position, also.position) >= changed.position AND (also.id <> changed.id OR :itself)
    AND messages.id = also.id
""")

_SUPERSEDE_ANSWER: Final = text("""
UPDATE messages SET superseded_at = now() WHERE reply_to = :message_id AND superseded_at IS NULL
""")

_ANSWER: Final = text("UPDATE messages SET reply_job_id = :job_id WHERE id = :message_id")

_BLOCK: Final = text("UPDATE messages SET blocked = CAST(:code AS text) WHERE id = :message_id")

_CANCELLED: Final = text("""
SELECT id FROM jobs WHERE id = :job_id AND lease = :lease AND state = 'running' AND cancel_requested_at IS NOT NULL
FOR UPDATE
""")


async def lock_conversation(tx: Tx, tenant_id: str, caller_id: str, conversation_id: str) -> bool:
    """Keep others from changing the conversation until the transaction ends. False: there is none."""
    given = {"id": conversation_id, "tenant_id": tenant_id, "caller_id": caller_id}
    return (await tx.execute(_LOCK, given)).first() is not None


async def find_message(tx: Tx, conversation_id: str, message_id: str) -> StoredMessage | None:
    """A message of a conversation, superseded or not; None: there is none."""
    row = (await tx.execute(_FIND, {"id": message_id, "conversation_id": conversation_id})).one_or_none()
    return None if row is None else msgspec.convert(row, StoredMessage, from_attributes=True)


async def is_replied_to(tx: Tx, conversation_id: str) -> bool:
    """Whether a reply in the conversation is under way, or waits to be."""
    return (await tx.execute(_LIVE, {"conversation_id": conversation_id})).first() is not None


async def latest_reply(tx: Tx, conversation_id: str) -> str | None:
    """The id of the job whose reply is under way, or came last; None: there is none, or none that is still kept."""
    job_id: str | None = (await tx.execute(_LATEST, {"conversation_id": conversation_id})).scalar_one_or_none()
    return job_id


async def supersede_after(tx: Tx, conversation_id: str, message_id: str, *, itself: bool) -> None:
    """Take out of the conversation what came after a user's message, its answer too, and if wanted the message."""
    given = {"conversation_id": conversation_id, "message_id": message_id, "itself": itself}
    await tx.execute(_SUPERSEDE_AFTER, given)


async def supersede_answer(tx: Tx, message_id: str) -> None:
    """Make room for another answer to a user's message."""
    await tx.execute(_SUPERSEDE_ANSWER, {"message_id": message_id})


async def note_reply_job(tx: Tx, message_id: str, job_id: str) -> None:
    """Note which job replies to a user's message now."""
    await tx.execute(_ANSWER, {"message_id": message_id, "job_id": job_id})


async def mark_blocked(tx: Tx, message_id: str, code: str | None) -> None:
    """Keep a user's message from whoever replies to others from now on, and say why; None: no longer."""
    await tx.execute(_BLOCK, {"message_id": message_id, "code": code})


async def is_cancelled(tx: Tx, job_id: str, lease: str) -> bool:
    """Whether the job is still held by this lease, and is to be cancelled; if so its row is held."""
    return (await tx.execute(_CANCELLED, {"job_id": job_id, "lease": lease})).first() is not None
