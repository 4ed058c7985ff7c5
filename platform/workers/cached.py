"""The cache's step on the path of an answer: what was answered before is the answer, and costs nothing."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from domain.catalog import kind_named
from domain.text.safety import Detector
from workers.context import Context

ResultT = TypeVar("ResultT")

_PATIENCE: float = 1 / 3
"""The part of an attempt's time that may pass in waiting for somebody else's answer; the rest is for its own."""


async def asked_once(ctx: Context, screened: Sequence[Detector], ask: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """The answer to the job's input, kept from before, or made by `ask`, once for all who want it now.

    `screened` are the detectors that were asked about the input, and flagged nothing.
    """
    kind = kind_named(ctx.job.kind)
    answers = ctx.use.answers
    given = msgspec.json.decode(ctx.job.input, type=kind.input)
    spot = answers.cache.spot(kind, given, ctx.tenant_id, screened=screened)
    if spot is None:
        return await ask()
    if ctx.job.no_cache:
        answer: ResultT = await answers.anew(spot, ask)
    else:
        answer = await answers.once(spot, ask, patience_seconds=ctx.job.timeout_seconds * _PATIENCE)
    return answer
