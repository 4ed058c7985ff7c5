"""The handler of `text.generate`."""

from domain.text.generate import Generate, Generated
from workers.context import Context


async def generate(asked: Generate, ctx: Context) -> Generated:
    """Write a text from a brief."""
    answer = await ctx.use.text.generate(asked)
    ctx.use.kill_points.reach("ai.after_response", (ctx.job.id,))
    ctx.note_usage(answer.usage)
    return answer.value
