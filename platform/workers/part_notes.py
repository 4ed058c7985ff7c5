"""What a job was answered about parts of its text, kept with the cached answers: who tries again goes on with it."""

from typing import Any

from msgspec.structs import replace

from domain.catalog import kind_named
from domain.jobs.kind import Input
from workers.context import Context


class PartNotes:
    """The notes of one job; see `providers.text.parts_asking.Notes`.

    They are kept as long as answers of the kind are, and where those are not, neither are they. Where Redis does not
    answer nothing is known, and what was asked is asked again.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    @property
    def may_come_back(self) -> bool:
        """Whether the job has attempts left, and what is kept is there for the next."""
        job = self._ctx.job
        return job.attempt < job.max_attempts and self._ctx.use.answers.cache.keeps(kind_named(job.kind))

    async def find(self, kind: str, step: str, asked: Input) -> Any:  # noqa: ANN401 - the kind's result
        """The answer, as it was given."""
        cache = self._ctx.use.answers.cache
        spot = cache.part_spot(kind_named(kind), asked, step, self._ctx.job.id)
        found = None if spot is None else await cache.find(spot)
        return None if found is None else replace(found, cached=False)

    async def keep(self, kind: str, step: str, asked: Input, answer: Any) -> None:  # noqa: ANN401 - the kind's result
        """Keep it for the job's next attempt, should there be one."""
        cache = self._ctx.use.answers.cache
        spot = cache.part_spot(kind_named(kind), asked, step, self._ctx.job.id)
        if spot is not None:
            await cache.keep(spot, "", answer)
        self._ctx.use.kill_points.reach("ai.after_response", (self._ctx.job.id,))

    async def progress(self, fraction: float) -> None:
        """Tell it in the job and its events."""
        await self._ctx.progress(fraction)
