"""The handler of `text.classify`."""

from domain.text.classify import Classification, Classify
from workers.answers import answered
from workers.context import Context


async def classify(asked: Classify, ctx: Context) -> Classification:
    """Find the text's topic, sentiment and language."""
    return await answered(ctx, asked, lambda text: text.classify(asked))
