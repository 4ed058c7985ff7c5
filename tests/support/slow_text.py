"""A text provider that answers when it is let to, and counts what it was asked."""

import asyncio

from domain.text.summarize import Summarize, Summary
from providers.text.provider import Answer
from tests.support.scripted_text import USAGE, ScriptedText


class SlowText(ScriptedText):
    """As `ScriptedText`, but a summary comes when `let_go` is set; `asks` is set when one was asked for."""

    def __init__(self, said: str = "All will be well.", *, engine: str = "scripted") -> None:
        super().__init__(said)
        self.engine = engine
        self.asks = asyncio.Event()
        self.let_go = asyncio.Event()

    async def summarize(self, asked: Summarize) -> Answer[Summary]:
        self.asked.append(asked)
        self.asks.set()
        await self.let_go.wait()
        if self.failing is not None:
            raise self.failing
        return Answer(Summary(summary=self.said, engine=self.engine), USAGE)
