"""The handler of `text.generate`."""

from domain.text.generate import Generate, Generated
from workers.answers import answered
from workers.context import Context


async def generate(asked: Generate, ctx: Context) -> Generated:
    """Write a text from a brief."""
    return await answered(ctx, asked, lambda text: text.generate(asked))
