"""The handler of `text.summarize`."""

from domain.text.summarize import Summarize, Summary
from workers.answers import answered
from workers.context import Context


async def summarize(asked: Summarize, ctx: Context) -> Summary:
    """Say the text in few characters."""
    return await answered(ctx, asked, lambda text: text.summarize(asked))
