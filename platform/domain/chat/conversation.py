"""What a conversation is made of, and what of it whoever replies sees."""

from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from domain.errors import NotFound
from domain.ids import ConversationId, MessageId

Role = Literal["user", "assistant"]

MOST_CONTEXT: Final = 20
"""How many of the last messages are the context of a reply."""

LONGEST_TITLE: Final = 60
"""Characters of a title made from a first message."""

MessageText = Annotated[str, Meta(min_length=1, max_length=20_000)]
Title = Annotated[str, Meta(min_length=1, max_length=200)]


class ConversationNotFound(NotFound):
    """The caller has no such conversation."""

    code = "conversation_not_found"
    title = "No such conversation"


class ChatMessage(Struct, frozen=True):
    """One message of a conversation."""

    role: Role
    text: MessageText


class Conversation(Struct, frozen=True, kw_only=True):
    """A conversation as its row stands. It belongs to one caller; `title` is None until the first message."""

    id: ConversationId
    tenant_id: str
    caller_id: str
    title: str | None
    messages: int
    prompt_tokens: int
    output_tokens: int
    created_at: datetime
    updated_at: datetime


class StoredMessage(Struct, frozen=True, kw_only=True):
    """A message as its row stands. `position` counts from 1 within the conversation; `reply_to` is what it answers."""

    id: MessageId
    conversation_id: ConversationId
    position: int
    role: Role
    text: str
    reply_to: MessageId | None
    engine: str | None
    created_at: datetime


def title_from(first: str) -> str:
    """A title from a conversation's first message: its first line with a word in it, cut at a word."""
    words = next((line for line in first.splitlines() if line.strip()), first).split()
    title = ""
    for word in words:
        longer = f"{title} {word}".lstrip()
        if len(longer) >= LONGEST_TITLE:
            return f"{title or word[: LONGEST_TITLE - 1]}…"
        title = longer
    return title or "Untitled"
