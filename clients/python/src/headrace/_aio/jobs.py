"""Jobs: submitted, found, listed, exported."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, Literal, TypeVar, Unpack, overload

from msgspec import Raw, Struct

from headrace._aio.following import job_events
from headrace._aio.http import AsyncConnection
from headrace._aio.job import AsyncJob
from headrace._aio.listing import AsyncListing
from headrace.events import Event
from headrace.models import JobInfo, JobSort
from headrace.options import ANYTHING, Input, JobConditions, SubmitOptions, body_of, query_of
from headrace.requests import Answer, Query, as_seconds, ask, create, decoded, segment

R = TypeVar("R")

_SILENCE_SECONDS: Final = 60.0


class AsyncJobs:
    """Submits jobs, and finds those that were."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    @overload
    async def submit(
        self,
        kind: str,
        input: Mapping[str, Any] | Struct | None = None,
        **options: Unpack[SubmitOptions],
    ) -> AsyncJob[Any]: ...

    @overload
    async def submit(self, kind: Input[R], **options: Unpack[SubmitOptions]) -> AsyncJob[R]: ...

    async def submit(
        self,
        kind: str | Input[Any],
        input: Mapping[str, Any] | Struct | None = None,
        **options: Unpack[SubmitOptions],
    ) -> AsyncJob[Any]:
        """Submit a job: `submit("text.summarize", {"text": …})`, or typed, `submit(Summarize(text=…))`.

        However often the request must be sent, it makes one job.

        Raises:
            Invalid: the input or an option is wrong; `errors` names every field.
        """
        body = body_of(kind, input, options)
        request = create("/v1/jobs", body, key=options.get("idempotency_key"), wait=as_seconds(options.get("wait")))
        answer = await self._connection.send(request)
        return job_in(self._connection, answer, ANYTHING if isinstance(kind, str) else kind.result_type)

    @overload
    async def get(self, job_id: str) -> AsyncJob[Any]: ...

    @overload
    async def get(self, job_id: str, kind: type[Input[R]]) -> AsyncJob[R]: ...

    async def get(self, job_id: str, kind: type[Input[Any]] | None = None) -> AsyncJob[Any]:
        """A job by its id; with the type of its input, such as `Summarize`, its result is typed.

        Raises:
            NotFound: there is none, or it is another tenant's; Gone when its retention is over.
        """
        answer = await self._connection.send(ask("GET", f"/v1/jobs/{segment(job_id)}"))
        return job_in(self._connection, answer, ANYTHING if kind is None else kind.result_type)

    def list(
        self, *, sort: JobSort | None = None, limit: int | None = None, **conditions: Unpack[JobConditions]
    ) -> AsyncListing[AsyncJob[Any]]:
        """The jobs that meet all conditions, newest first; `limit` of them, or all."""
        request = ask("GET", "/v1/jobs", query={**query_of(conditions), "sort": sort})
        return AsyncListing(self._connection, request, self._read, limit=limit)

    def events(
        self, job_id: str, timeout: float | None = None, *, after: str | int | None = None
    ) -> AsyncGenerator[Event]:
        """What happens to a job, as its handle's `events`, by its id alone."""
        return job_events(self._connection, job_id, timeout=timeout, after=after)

    async def export(
        self,
        format: Literal["csv", "ndjson"] = "ndjson",
        *,
        sort: JobSort | None = None,
        **conditions: Unpack[JobConditions],
    ) -> AsyncGenerator[bytes]:
        """The same as a file, piece by piece: CSV, or a job as JSON on each line."""
        query: Query = {**query_of(conditions), "sort": sort, "format": format}
        async with self._connection.stream(
            ask("GET", "/v1/jobs/export", query=query), silence=_SILENCE_SECONDS
        ) as pieces:
            async for piece in pieces:
                yield piece

    def _read(self, raw: Raw) -> AsyncJob[Any]:
        return AsyncJob(self._connection, decoded(raw, JobInfo), ANYTHING)


class _Told(Struct):
    """What only the answer to a submission tells."""

    deduplicated: bool = False


def job_in(connection: AsyncConnection, answer: Answer, result_type: type[R]) -> AsyncJob[R]:
    """The job an answer holds."""
    told = answer.into(_Told)
    return AsyncJob(connection, answer.into(JobInfo), result_type, deduplicated=told.deduplicated)
