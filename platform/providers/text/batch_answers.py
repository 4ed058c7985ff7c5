"""What asking by a provider's batches takes and gives: many questions, answered within a day at half the price."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from providers.text.gemini_schema import Question
from providers.text.provider import Usage


class BatchAnswer(Struct, frozen=True, kw_only=True):
    """What became of one question. No text: it was blocked, refused or not answered."""

    key: str
    text: str | None
    usage: Usage | None


class Look(Struct, frozen=True, kw_only=True):
    """How a batch stands: `outcome` is None while it is under way; one that ended may have answers, however it did."""

    outcome: str | None
    answers: Sequence[BatchAnswer] = ()


class Batches(Protocol):
    """A provider's batches. Every call raises one of the errors of `providers.text.provider`, or a bug."""

    async def find(self, display_name: str) -> str | None:
        """The name of the batch that was made under this display name; None: none was, as far back as is looked."""
        ...

    async def send(self, display_name: str, model: str, questions: Mapping[str, Question]) -> str:
        """Make a batch of the questions, each under its key; answers with its name."""
        ...

    async def look(self, name: str, model: str, versions: Mapping[str, str]) -> Look:
        """How a batch stands. Its answers are told apart by their keys; `versions` are those of the prompts, by key."""
        ...

    async def cancel(self, name: str) -> None:
        """Ask that a batch be stopped; what it has answered by then is paid."""
        ...

    async def aclose(self) -> None:
        """Close every connection; twice is fine."""
        ...
