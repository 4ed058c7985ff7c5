"""The first step of every text job: its words are screened, and flagged or blocked as the tenant wants."""

from typing import Final

import structlog

from domain.text.classify import Classify, labels_of
from domain.text.generate import Generate
from domain.text.moderate import Moderate
from domain.text.safety import InputBlocked, blocking, told, wanted_of
from domain.text.summarize import Summarize
from workers.context import Context

log: Final = structlog.get_logger()

Asked = Summarize | Moderate | Classify | Generate


async def screen(ctx: Context, words: str) -> bool:
    """Screen what a caller wrote; whether anything was flagged, which stands in the job's usage and in its events.

    Raises:
        InputBlocked: the tenant blocks texts like this.
    """
    policy = await ctx.use.safety.policy(ctx.tenant_id)
    flags = await ctx.use.safety.guard.screen(words, wanted_of(policy))
    if not flags:
        return False
    blocked = blocking(flags, policy, ctx.job.kind)
    for flag in flags:
        # no word of the text: logs are read by more people than jobs are
        log.info("text.flagged", detector=flag.detector, score=flag.score, rules=flag.rules, blocked=flag is blocked)
    if blocked is not None:
        raise InputBlocked(f"{told(blocked)} Your tenant blocks such texts: PUT /v1/safety says which.")
    ctx.note_flags(flags)
    await ctx.log(" ".join(told(flag) for flag in flags))
    return True


def words_of(asked: Asked) -> str:
    """Everything in an input that a model may be shown and the caller wrote freely."""
    match asked:
        case Classify():
            described = (
                part for label in labels_of(asked) for part in (label.name, label.description, *label.examples)
            )
            given = described if asked.labels is not None else ()
            return "\n".join((asked.text, *(part for part in given if part)))
        case Generate():
            return f"{asked.tone}\n{asked.brief}" if asked.tone else asked.brief
        case Summarize() | Moderate():
            return asked.text
