"""Batches: many jobs submitted as one, all or none."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any, Final, Self

from msgspec import Raw

from headrace._aio.http import AsyncConnection
from headrace._aio.job import AsyncJob
from headrace._aio.listing import AsyncListing
from headrace._aio.polling import poll
from headrace.lines import Lines, ndjson
from headrace.models import BatchInfo, Counts, JobInfo
from headrace.options import ANYTHING, Input, NewJob, any_body
from headrace.requests import Answer, ask, create, decoded, segment

_SILENCE_SECONDS: Final = 60.0


class AsyncBatch:
    """A batch, and what is known of it. `info` is the batch as it was last seen."""

    def __init__(self, connection: AsyncConnection, info: BatchInfo) -> None:
        self._connection = connection
        self.info = info

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} of {self.total}>"

    @property
    def id(self) -> str:
        """What the batch is found by."""
        return self.info.id

    @property
    def total(self) -> int:
        """How many jobs it has."""
        return self.info.total

    @property
    def counts(self) -> Counts:
        """How many of them stood in each state when it was last seen."""
        return self.info.counts

    @property
    def is_finished(self) -> bool:
        """Whether all of its jobs have ended, however they did."""
        return self.info.finished_at is not None

    async def refresh(self) -> Self:
        """Look again."""
        return self._seen(await self._connection.send(ask("GET", self._path)))

    async def wait(self, timeout: float | None = None) -> Self:
        """Wait until all of its jobs have ended, however they did.

        Raises:
            WaitTimedOut: they have not after `timeout` seconds; they go on.
        """
        if not self.is_finished:
            what = f"{self.id}, a batch of {self.total},"
            await poll(self._connection, self._path, self._has_finished, timeout=timeout, what=what)
        return self

    async def cancel(self) -> Self:
        """Cancel those of its jobs that have not ended; running ones are told to stop."""
        return self._seen(await self._connection.send(ask("POST", f"{self._path}/cancel")))

    async def results(self) -> AsyncGenerator[AsyncJob[Any]]:
        """Its jobs as they stand, in the order submitted, as they are read. `wait` first to have all results."""
        async with self._connection.stream(ask("GET", f"{self._path}/results"), silence=_SILENCE_SECONDS) as pieces:
            lines = Lines()
            async for piece in pieces:
                for line in lines.feed(piece):
                    yield AsyncJob(self._connection, decoded(line, JobInfo), ANYTHING)
            lines.end()

    @property
    def _path(self) -> str:
        return f"/v1/batches/{segment(self.id)}"

    def _has_finished(self, answer: Answer) -> bool:
        return self._seen(answer).is_finished

    def _seen(self, answer: Answer) -> Self:
        self.info = answer.into(BatchInfo)
        return self


class AsyncBatches:
    """Submits batches, and finds those that were."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def submit(
        self,
        jobs: Iterable[NewJob | Input[Any] | Mapping[str, Any]],
        *,
        on_finished: NewJob | Input[Any] | Mapping[str, Any] | None = None,
        economy: bool = False,
        idempotency_key: str | None = None,
    ) -> AsyncBatch:
        """Submit up to 10,000 jobs, all of them or none; `on_finished` is a job for when all have ended.

        With `economy` its texts may take a day and cost half, where the platform's text engine offers that; the
        batch's `info.mode` says whether it does.

        The jobs are encoded as the iterable gives them, and kept until the API has answered: 16 MiB at most.

        Raises:
            Invalid: some are wrong; `errors` names them by pointer, `/jobs/17/input/text`.
            TooLarge: there are more than the API takes at once.
        """
        if on_finished is None and not economy:
            headers, body = {"Content-Type": "application/x-ndjson"}, ndjson(map(any_body, jobs))
            request = create("/v1/batches", body, key=idempotency_key, headers=headers)
        else:
            whole: dict[str, object] = {"jobs": [any_body(job) for job in jobs]}
            if on_finished is not None:
                whole["on_finished"] = any_body(on_finished)
            if economy:
                whole["mode"] = "economy"
            request = create("/v1/batches", whole, key=idempotency_key)
        return AsyncBatch(self._connection, (await self._connection.send(request)).into(BatchInfo))

    async def get(self, batch_id: str) -> AsyncBatch:
        """A batch by its id.

        Raises:
            NotFound: there is none, or it is another tenant's.
        """
        answer = await self._connection.send(ask("GET", f"/v1/batches/{segment(batch_id)}"))
        return AsyncBatch(self._connection, answer.into(BatchInfo))

    def list(self, *, limit: int | None = None) -> AsyncListing[AsyncBatch]:
        """The batches, newest first; `limit` of them, or all."""
        return AsyncListing(self._connection, ask("GET", "/v1/batches"), self._read, limit=limit)

    def _read(self, raw: Raw) -> AsyncBatch:
        return AsyncBatch(self._connection, decoded(raw, BatchInfo))
