"""The handler of `text.summarize`."""

from domain.text.summarize import Summarize, Summary
from workers.context import Context


async def summarize(asked: Summarize, ctx: Context) -> Summary:
    """Say the text in few characters."""
    answer = await ctx.use.text.summarize(asked)
    ctx.use.kill_points.reach("ai.after_response", (ctx.job.id,))
    ctx.note_usage(answer.usage)
    return answer.value
