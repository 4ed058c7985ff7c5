"""Conversations as clients write them and as the API shows them."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from api.job_view import Time
from domain.chat.conversation import Conversation, MessageText, Role, StoredMessage, Title
from domain.chat.earlier import ChatSummary


class ConversationBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A conversation as begun; without a title, its first message gives it one."""

    title: Title | None = None


class ConversationChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may change of a conversation."""

    title: Title


class MessageBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the user says."""

    text: MessageText


class Tokens(Struct, frozen=True, kw_only=True):
    """What the replies have cost, where the engine counts."""

    prompt: int
    output: int


class ConversationLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    self: str
    messages: str
    stream: str


class ConversationSummaryView(Struct, frozen=True, kw_only=True):
    """What replies are told of the messages that fell out of the context: of the first `messages` that are current."""

    text: str
    messages: int
    engine: str
    created_at: Time


class ConversationView(Struct, frozen=True, kw_only=True):
    """A conversation; `messages` is how many it has had, superseded ones too.

    `summary` tells in short what is about to fall out of the context, or has; null in lists, and where all of it fits.
    """

    id: Annotated[str, Meta(pattern="^conv_[0-9a-f]{32}$")]
    title: str | None
    messages: int
    tokens: Tokens
    summary: ConversationSummaryView | None
    created_at: Time
    updated_at: Time
    links: ConversationLinks


class MessageView(Struct, frozen=True, kw_only=True):
    """A message. `reply_to` names the one it answers, `engine` what wrote it; `partial`: it was cut short.

    Of a user's message, `reply_job_id` is the job that replies to it, `edit_of` the message it took the place of, and
    `blocked` the code of why it was refused, by the tenant's policy or the provider: it is kept, and no other reply
    sees it. `superseded_at` is null for what is current.
    """

    id: Annotated[str, Meta(pattern="^msg_[0-9a-f]{32}$")]
    position: int
    role: Role
    text: str
    reply_to: str | None
    engine: str | None
    partial: bool
    edit_of: str | None
    reply_job_id: str | None
    blocked: str | None
    superseded_at: Time | None
    created_at: Time


def view_conversation(conversation: Conversation, base: str, summary: ChatSummary | None = None) -> ConversationView:
    """The conversation as shown to a client that reached us at `base`."""
    path = f"{base}/v1/conversations/{conversation.id}"
    return ConversationView(
        id=conversation.id,
        title=conversation.title,
        messages=conversation.messages,
        tokens=Tokens(prompt=conversation.prompt_tokens, output=conversation.output_tokens),
        summary=None if summary is None else msgspec.convert(summary, ConversationSummaryView, from_attributes=True),
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
        links=ConversationLinks(self=path, messages=f"{path}/messages", stream=f"{path}/stream"),
    )


def view_message(message: StoredMessage) -> MessageView:
    """A message as shown."""
    return msgspec.convert(message, MessageView, from_attributes=True)
