"""What a conversation is made of, as whoever replies sees it."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

Role = Literal["user", "assistant"]

MOST_CONTEXT: Final = 20
"""How many of the last messages are the context of a reply."""

MessageText = Annotated[str, Meta(min_length=1, max_length=20_000)]


class ChatMessage(Struct, frozen=True):
    """One message of a conversation."""

    role: Role
    text: MessageText
