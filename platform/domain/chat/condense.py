"""`chat.condense`: the summary of what falls out of a conversation's window."""

from datetime import timedelta
from typing import Annotated, Final

from msgspec import Meta

from domain.jobs.kind import Input, Kind, Result


class Condense(Input, frozen=True, kw_only=True):
    """Which conversation is to be summarized, with what was said up to one of its user's messages and the answer."""

    conversation_id: Annotated[str, Meta(pattern=r"^conv_[0-9a-f]{32}$")]
    message_id: Annotated[str, Meta(pattern=r"^msg_[0-9a-f]{32}$")]


class Condensed(Result, frozen=True, kw_only=True):
    """How many messages the summary covers now, and who wrote it; null: none was needed, or it came too late."""

    messages: int | None = None
    engine: str | None = None


CONDENSE: Final = Kind(
    name="chat.condense",
    input=Condense,
    result=Condensed,
    # not that of replies: they do not wait behind it
    queue="text",
    summary="Summarize what falls out of a conversation's window; follows a reply.",
    example=Condense(
        conversation_id="conv_01980000000070008000000000000001", message_id="msg_01980000000070008000000000000002"
    ),
    timeout=timedelta(seconds=90),
    # the next reply asks for it again
    max_attempts=3,
    permission="chat:use",
    # it follows replies alone
    internal=True,
)
