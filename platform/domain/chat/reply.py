"""`chat.reply`: the assistant's answer to one message."""

from datetime import timedelta
from typing import Annotated, Final

from msgspec import Meta

from domain.jobs.kind import Input, Kind, Result

_CONVERSATION: Final = r"^conv_[0-9a-f]{32}$"
_MESSAGE: Final = r"^msg_[0-9a-f]{32}$"


class ReplyTo(Input, frozen=True, kw_only=True):
    """Which message of which conversation is to be answered."""

    conversation_id: Annotated[str, Meta(pattern=_CONVERSATION)]
    message_id: Annotated[str, Meta(pattern=_MESSAGE)]


class Replied(Result, frozen=True, kw_only=True):
    """The answer, and the message it is kept as."""

    message_id: str
    text: str
    engine: str


REPLY: Final = Kind(
    name="chat.reply",
    input=ReplyTo,
    result=Replied,
    queue="chat",
    summary="Answer a message; made by POST /v1/conversations/{id}/messages.",
    example=ReplyTo(
        conversation_id="conv_01980000000070008000000000000001", message_id="msg_01980000000070008000000000000002"
    ),
    timeout=timedelta(seconds=90),
    permission="chat:use",
    # only the route that writes the message makes one, so that both are written together
    internal=True,
)
