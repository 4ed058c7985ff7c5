"""A text provider that answers as the test says: what a handler does with an answer is tried with it."""

from collections.abc import AsyncGenerator, Sequence

from domain.chat.conversation import ChatMessage
from domain.text.classify import Classification, Classify
from domain.text.generate import Generate, Generated
from domain.text.moderate import Moderate, Moderation
from domain.text.summarize import Summarize, Summary
from providers.text.provider import Answer, ReplyPart, Usage

USAGE = Usage(engine="scripted", model="script-1", prompt_tokens=7, output_tokens=3)


class ScriptedText:
    """Answers everything with `said`, in pieces of a word, and remembers what it was asked; raises `failing` first."""

    def __init__(self, said: str = "All will be well.") -> None:
        self.said = said
        self.failing: Exception | None = None
        self.conversations: list[list[ChatMessage]] = []
        self.earlier: list[str] = []
        self.asked: list[object] = []

    async def summarize(self, asked: Summarize) -> Answer[Summary]:
        self.asked.append(asked)
        return Answer(Summary(summary=self.said, engine="scripted"), USAGE)

    async def moderate(self, asked: Moderate) -> Answer[Moderation]:
        self.asked.append(asked)
        answer = Moderation(flagged=False, toxicity=0.1, categories={}, issues=(), engine="scripted")
        return Answer(answer, USAGE)

    async def classify(self, asked: Classify) -> Answer[Classification]:
        self.asked.append(asked)
        answer = Classification(
            category="news",
            scores={"news": 1.0},
            sentiment="neutral",
            sentiment_score=0.0,
            language="en",
            engine="scripted",
        )
        return Answer(answer, USAGE)

    async def generate(self, asked: Generate) -> Answer[Generated]:
        self.asked.append(asked)
        return Answer(Generated(text=self.said, engine="scripted"), USAGE)

    async def reply(self, conversation: Sequence[ChatMessage], earlier: str = "") -> AsyncGenerator[ReplyPart]:
        self.conversations.append(list(conversation))
        self.earlier.append(earlier)
        if self.failing is not None:
            raise self.failing
        for word in self.said.split(" "):
            yield ReplyPart(f"{word} ")
        yield ReplyPart("", USAGE)

    async def aclose(self) -> None:
        """Nothing to let go of."""
