"""The handler of `text.moderate`."""

from domain.text.moderate import Moderate, Moderation
from workers.answers import answered
from workers.context import Context


async def moderate(asked: Moderate, ctx: Context) -> Moderation:
    """Judge whether the text is toxic."""
    return await answered(ctx, asked, lambda text: text.moderate(asked))
