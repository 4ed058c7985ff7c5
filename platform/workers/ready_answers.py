"""Answers out of a provider's batches that lie ready for the jobs that waited for them."""

from domain.text.cost import BATCH_ENGINE
from providers.text.provider import TextProvider, Usage
from storage.economy import find_ready
from workers.context import Context


class Ready:
    """A provider that gives the answer, and what it cost, which is booked already."""

    def __init__(self, provider: TextProvider, usage: Usage) -> None:
        self.provider = provider
        self.usage = usage


async def ready_answer(ctx: Context) -> Ready | None:
    """What lies ready for the job; None: nothing, as for all jobs of no batch."""
    economy = ctx.use.economy
    if economy is None or ctx.job.batch_id is None:
        return None
    async with ctx.use.database.read() as tx:
        found = await find_ready(tx, ctx.job.id)
    if found is None:
        return None
    usage = Usage(
        engine=BATCH_ENGINE,
        model=found.model,
        prompt_version=found.prompt_version,
        prompt_tokens=found.prompt_tokens,
        output_tokens=found.output_tokens,
    )
    manner = economy.manner(found.marks, found.sorts)
    return Ready(economy.answering(manner, found.text, placeholders=found.placeholders), usage)
