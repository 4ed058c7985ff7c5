"""The handler of `text.moderate`."""

from domain.text.moderate import Moderate, Moderation
from workers.context import Context


async def moderate(asked: Moderate, ctx: Context) -> Moderation:
    """Judge whether the text is toxic."""
    answer = await ctx.use.text.moderate(asked)
    ctx.use.kill_points.reach("ai.after_response", (ctx.job.id,))
    ctx.note_usage(answer.usage)
    return answer.value
