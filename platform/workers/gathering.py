"""Which texts of a batch are asked about by the provider's batches: those that fit, and of the same ones one."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from domain.catalog import kind_named
from domain.text.safety import Detector, wanted_of
from providers.text.economy import Economy
from runtime.cache import Spot
from storage.economy import WaitingText
from workers.context import Context
from workers.screening import Asked, words_of

_LOOKED_FOR_AT_ONCE: Final = 200


class Alike(Struct, frozen=True):
    """Texts that ask the same, so that one answer is theirs; `spot` is where one may be kept."""

    texts: list[WaitingText]
    spot: Spot | None


async def worth_asking(economy: Economy, waiting: Sequence[WaitingText], ctx: Context) -> list[Alike]:
    """The texts that may be asked about so, and of which no answer is kept.

    What is flagged, or takes more than one question, runs as usual; so does what finds an answer.
    """
    wanted = wanted_of(await ctx.use.safety.policy(ctx.tenant_id))
    found = alike([one for one in waiting if await _is_fit(economy, one, wanted, ctx)], ctx, screened=wanted)
    unknown: list[Alike] = []
    for start in range(0, len(found), _LOOKED_FOR_AT_ONCE):
        some = found[start : start + _LOOKED_FOR_AT_ONCE]
        known = await asyncio.gather(*(_is_known(one, ctx) for one in some))
        unknown += [one for one, is_known in zip(some, known, strict=True) if not is_known]
    return unknown


def alike(texts: Sequence[WaitingText], ctx: Context, *, screened: Sequence[Detector] = ()) -> list[Alike]:
    """The texts by what they ask; each by itself where answers of its kind are not kept, or it is asked anew."""
    found: dict[str, Alike] = {}
    for one in texts:
        spot = None
        if not one.is_anew:
            spot = ctx.use.answers.cache.spot(kind_named(one.kind), read_text(one), ctx.tenant_id, screened=screened)
        found.setdefault(one.job_id if spot is None else spot.name, Alike([], spot)).texts.append(one)
    return list(found.values())


def read_text(text: WaitingText) -> Asked:
    """What a job asks."""
    given: Asked = msgspec.json.decode(text.input, type=kind_named(text.kind).input)
    return given


async def _is_fit(economy: Economy, one: WaitingText, wanted: Sequence[Detector], ctx: Context) -> bool:
    given = read_text(one)
    return economy.takes(one.kind, given) and not await ctx.use.safety.guard.screen(words_of(given), wanted)


async def _is_known(one: Alike, ctx: Context) -> bool:
    return one.spot is not None and await ctx.use.answers.cache.find(one.spot) is not None
