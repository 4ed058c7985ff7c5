"""A job in one's hand: look at it, wait for it, follow it, cancel it."""

from collections.abc import AsyncGenerator
from typing import Generic, Self, TypeVar

import msgspec

from headrace._aio.following import job_events
from headrace._aio.http import AsyncConnection
from headrace._aio.listing import everything
from headrace._aio.polling import poll
from headrace.errors import NotHeadrace, ended_without_result
from headrace.events import TERMINAL_STATES, Event
from headrace.models import Attempt, JobError, JobInfo, State
from headrace.requests import Answer, ask, segment

R = TypeVar("R")


class AsyncJob(Generic[R]):
    """A job, and what is known of it. Its result is an `R`.

    `info` is the job as it was last seen; `refresh`, `wait` and `result` look again.
    """

    def __init__(
        self, connection: AsyncConnection, info: JobInfo, result_type: type[R], *, deduplicated: bool = False
    ) -> None:
        self._connection = connection
        self._result_type = result_type
        self.info = info
        self.deduplicated = deduplicated
        """Whether the submission found a live job alike (`unique_for`), which this is."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.kind} {self.state}>"

    @property
    def id(self) -> str:
        """What the job is found by."""
        return self.info.id

    @property
    def kind(self) -> str:
        """What sort of job it is."""
        return self.info.kind

    @property
    def state(self) -> State:
        """Where it stood when it was last seen."""
        return self.info.state

    @property
    def error(self) -> JobError | None:
        """Why it failed, if it did."""
        return self.info.error

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended, one way or another."""
        return self.info.state in TERMINAL_STATES

    async def refresh(self) -> Self:
        """Look again."""
        return self._seen(await self._connection.send(ask("GET", self._path)))

    async def wait(self, timeout: float | None = None) -> Self:
        """Wait until the job has ended, however it did; lost connections and restarts of the API are waited out.

        Raises:
            WaitTimedOut: it has not ended after `timeout` seconds; it goes on.
        """
        if not self.is_terminal:
            await poll(self._connection, self._path, self._has_ended, timeout=timeout, what=f"{self.id} ({self.kind})")
        return self

    async def result(self, timeout: float | None = None) -> R:
        """Wait for the job's result.

        Raises:
            JobFailed: it failed; also JobCancelled, JobExpired. All are JobNotSucceeded.
            WaitTimedOut: it has not ended after `timeout` seconds; it goes on.
        """
        await self.wait(timeout)
        if self.info.state != "succeeded":
            raise ended_without_result(self.info)
        try:
            return msgspec.convert(self.info.result, type=self._result_type)
        except msgspec.ValidationError as error:
            raise NotHeadrace(f"The result of {self.id} is not what {self.kind} gives: {error}.") from None

    async def cancel(self) -> Self:
        """Cancel the job; one that runs is told to stop, and is cancelled when it has.

        Raises:
            Conflict: it has ended otherwise.
        """
        return self._seen(await self._connection.send(ask("POST", f"{self._path}/cancel")))

    async def retry(self) -> Self:
        """Queue the job again, with fresh attempts, after it failed, was cancelled or expired.

        Raises:
            Conflict: it has not ended, or has succeeded.
        """
        return self._seen(await self._connection.send(ask("POST", f"{self._path}/retry", is_repeatable=False)))

    def events(self, timeout: float | None = None, *, after: str | int | None = None) -> AsyncGenerator[Event]:
        """What happens to the job until it has ended, from its beginning or `after` the event of that number.

        First comes a `snapshot`. Over lost connections and restarts of the API the story goes on without gap or repeat.

        Raises:
            WaitTimedOut: it has not ended after `timeout` seconds; it goes on.
        """
        return job_events(self._connection, self.id, timeout=timeout, after=after)

    async def attempts(self) -> tuple[Attempt, ...]:
        """The tries that have ended, in that order."""
        return await everything(self._connection, f"{self._path}/attempts", Attempt)

    @property
    def _path(self) -> str:
        return f"/v1/jobs/{segment(self.id)}"

    def _has_ended(self, answer: Answer) -> bool:
        return self._seen(answer).is_terminal

    def _seen(self, answer: Answer) -> Self:
        self.info = answer.into(JobInfo)
        return self
