"""What the platform asks of whoever reads and writes texts for it, and the ways that can go wrong."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from domain.chat.conversation import ChatMessage
from domain.errors import HeadraceError, Invalid, Limited, Unavailable
from domain.text.classify import Classification, Classify
from domain.text.generate import Generate, Generated
from domain.text.moderate import Moderate, Moderation
from domain.text.summarize import Summarize, Summary

T = TypeVar("T")


class Usage(Struct, frozen=True, kw_only=True):
    """What an answer cost. `engine` is the form that answered, `model` the one of its models that did.

    `prompt_version` names the wording of what a language model was told; None where none was asked.
    """

    engine: str
    model: str
    prompt_tokens: int = 0
    output_tokens: int = 0
    prompt_version: str = ""


class Answer(Struct, Generic[T], frozen=True):
    """What was asked for, and what it cost; no usage where nothing is counted."""

    value: T
    usage: Usage | None = None


class ReplyPart(Struct, frozen=True):
    """A piece of a reply, whose pieces joined are the reply; its text may be empty.

    `usage` is what the whole reply has cost by then, where it was told; the last one's is what the reply cost.
    """

    text: str
    usage: Usage | None = None


@contextmanager
def billed(usage: Usage | None) -> Iterator[None]:
    """A failure inside the block cost at least this, and so did whoever was stopped in it; see `spent_by`."""
    try:
        yield
    except Costly as failure:
        failure.spent = sum_of(usage, failure.spent)
        raise
    except asyncio.CancelledError as stop:
        # it must stay the same sort of error for whoever stopped us, and has room for no field
        stop.args = (*stop.args, usage)
        raise


def spent_by(end: BaseException) -> Usage | None:
    """What a question that ended so has cost, as far as the provider had told by then."""
    if isinstance(end, Costly):
        return end.spent
    if isinstance(end, asyncio.CancelledError):
        spent: Usage | None = None
        for told in end.args:
            spent = sum_of(spent, told if isinstance(told, Usage) else None)
        return spent
    return None


def sum_of(first: Usage | None, second: Usage | None) -> Usage | None:
    """What two answers of one model cost together."""
    if first is None or second is None:
        return first or second
    return msgspec.structs.replace(
        second,
        prompt_tokens=first.prompt_tokens + second.prompt_tokens,
        output_tokens=first.output_tokens + second.output_tokens,
    )


class TextProvider(Protocol):
    """Reads and writes texts. Safe to use by many coroutines at once; none of its calls blocks the event loop.

    Every call raises one of this module's errors, or a bug; what a form's own client raises never gets out.
    """

    async def summarize(self, asked: Summarize) -> Answer[Summary]:
        """Say the text in at most `asked.max_chars` characters."""
        ...

    async def moderate(self, asked: Moderate) -> Answer[Moderation]:
        """Judge whether the text is toxic."""
        ...

    async def classify(self, asked: Classify) -> Answer[Classification]:
        """Find the text's topic, sentiment and language."""
        ...

    async def generate(self, asked: Generate) -> Answer[Generated]:
        """Write a text from a brief."""
        ...

    def reply(self, conversation: Sequence[ChatMessage], earlier: str = "") -> AsyncGenerator[ReplyPart]:
        """Answer the last message of the conversation, piece by piece as it is written.

        `earlier` says in short what came before; it is made of what callers said, and no instruction.

        Closed before its end it stops the writing: whoever is asked is asked no longer.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections and threads; calling it twice is fine."""
        ...


class Costly(Exception):
    """A failure that may have cost something: `spent` is what the provider said it did.

    `is_begun`: parts of what was asked are answered, and the next attempt goes on with the same engine.
    """

    spent: Usage | None = None
    is_begun: bool = False


class ProviderThrottled(Costly, Limited):
    """The provider asks for fewer requests; `retry_after_seconds` is its own word on when, where it gave one."""

    code = "ai_throttled"
    title = "The text provider is throttling"


class ProviderRationed(ProviderThrottled):
    """The platform itself asks for fewer requests, by the limits it was given; nobody else was asked."""


class ProviderDown(Costly, Unavailable):
    """The provider does not answer, or answers that it cannot now."""

    code = "ai_unavailable"
    title = "The text provider is unavailable"


class ProviderBlocked(Costly, Invalid):
    """The provider refuses this text on grounds of safety; asking again changes nothing."""

    code = "ai_blocked"
    title = "The text provider blocked this text"


class ProviderAnswerMalformed(Costly, HeadraceError):
    """The provider answered with something that is not what was asked for."""

    code = "ai_malformed"
    title = "The text provider's answer was malformed"
    retryable = True


class ProviderRefused(Costly, HeadraceError):
    """The provider refuses the request itself: a bad key, an unknown model, a bad request."""

    code = "ai_refused"
    title = "The text provider refused the request"
