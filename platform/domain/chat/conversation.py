"""What a conversation is made of, and what of it whoever replies sees."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from domain.errors import Conflict, NotFound
from domain.ids import ConversationId, JobId, MessageId

Role = Literal["user", "assistant"]

MOST_CONTEXT: Final = 20
"""How many of the last messages are the context of a reply, unless the settings say otherwise."""

LONGEST_TITLE: Final = 60
"""Characters of a title made from a first message."""

MessageText = Annotated[str, Meta(min_length=1, max_length=20_000)]
Title = Annotated[str, Meta(min_length=1, max_length=200)]


class ConversationNotFound(NotFound):
    """The caller has no such conversation."""

    code = "conversation_not_found"
    title = "No such conversation"


class MessageNotFound(NotFound):
    """The conversation has no such message."""

    code = "message_not_found"
    title = "No such message"


class ReplyUnderWay(Conflict):
    """The course of a conversation cannot be changed while a reply is being written."""

    code = "reply_under_way"
    title = "A reply is under way"


class MessageNotCurrent(Conflict):
    """The message was superseded, or is none that this can be done to."""

    code = "message_not_current"
    title = "Not a message this can be done to"


class ChatMessage(Struct, frozen=True):
    """One message of a conversation."""

    role: Role
    text: MessageText


class ChatWindow(Struct, frozen=True, kw_only=True):
    """How much of a conversation is the context of a reply: its last messages, and so many tokens of them.

    What falls out is told by a summary of at most `summary_chars` characters; 0: by none.
    """

    messages: int = MOST_CONTEXT
    tokens: int = 16_000
    summary_chars: int = 1_500


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
    """A message as its row stands. `position` counts from 1 within the conversation; `reply_to` is what it answers.

    Of a user's message `edit_of` is the one it was written in place of, `reply_job_id` the job that replies to it, and
    `blocked` the code of why that was refused on grounds of safety: no later reply sees it then.
    """

    id: MessageId
    conversation_id: ConversationId
    position: int
    role: Role
    text: str
    reply_to: MessageId | None
    engine: str | None
    created_at: datetime
    superseded_at: datetime | None
    partial: bool
    edit_of: MessageId | None
    reply_job_id: JobId | None
    blocked: str | None = None


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


class Trimmed:
    """A text that comes in pieces, without the white space at both ends of the whole."""

    def __init__(self) -> None:
        self.text = ""
        self._held = ""

    def add(self, piece: str) -> str:
        """What of the text is certain with this piece, and was not before."""
        coming = self._held + piece if self.text else piece.lstrip()
        certain = coming.rstrip()
        self._held = coming[len(certain) :]
        self.text += certain
        return certain


def tokens_of(text: str) -> int:
    """About how many tokens a text has: one for every four bytes of UTF-8, and four for being a message.

    Near the truth for English; for other scripts it is rather more than there are.
    """
    return len(text.encode(errors="replace")) // 4 + 4


def within(window: ChatWindow, messages: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
    """The last of the messages, as many as fit the window; the last one however long it is."""
    messages = messages[-window.messages :]
    left = window.tokens
    for count, message in enumerate(reversed(messages)):
        left -= tokens_of(message.text)
        if left < 0:
            return messages[-max(count, 1) :]
    return messages
