"""The handler of `text.classify`."""

from domain.text.classify import Classification, Classify
from workers.context import Context


async def classify(asked: Classify, ctx: Context) -> Classification:
    """Find the text's topic, sentiment and language."""
    answer = await ctx.use.text.classify(asked)
    ctx.use.kill_points.reach("ai.after_response", (ctx.job.id,))
    ctx.note_usage(answer.usage)
    return answer.value
