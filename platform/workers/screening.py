"""The first step of every text job: its words are screened, and flagged or blocked as the tenant wants."""

from typing import Final

import structlog
from msgspec import Struct

from domain.text.classify import Classify, labels_of
from domain.text.generate import Generate
from domain.text.moderate import Moderate
from domain.text.safety import Detector, Flag, InputBlocked, blocking, told, wanted_of
from domain.text.summarize import Summarize
from workers.context import Context

log: Final = structlog.get_logger()

Asked = Summarize | Moderate | Classify | Generate


class Screened(Struct, frozen=True):
    """What came of a screening: the detectors that were asked, and what they flagged."""

    by: tuple[Detector, ...]
    flags: tuple[Flag, ...] = ()


async def screen(ctx: Context, words: str) -> Screened:
    """Screen what a caller wrote; what is flagged stands in the job's usage and in its events.

    Raises:
        InputBlocked: the tenant blocks texts like this.
    """
    policy = await ctx.use.safety.policy(ctx.tenant_id)
    wanted = wanted_of(policy)
    flags = await ctx.use.safety.guard.screen(words, wanted)
    if not flags:
        return Screened(wanted)
    blocked = blocking(flags, policy, ctx.job.kind)
    for flag in flags:
        # no word of the text: logs are read by more people than jobs are
        log.info("text.flagged", detector=flag.detector, score=flag.score, rules=flag.rules, blocked=flag is blocked)
    if blocked is not None:
        raise InputBlocked(f"{told(blocked)} Your tenant blocks such texts: PUT /v1/safety says which.")
    ctx.note_flags(flags)
    await ctx.log(" ".join(told(flag) for flag in flags))
    return Screened(wanted, flags)


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
