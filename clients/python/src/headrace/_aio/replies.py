"""A reply in one's hand: read it as it is written, or stop it."""

from collections.abc import AsyncGenerator
from typing import Self

from headrace._aio.following import follow
from headrace._aio.http import AsyncConnection
from headrace.errors import ended_without_result
from headrace.events import Event
from headrace.models import JobInfo, Message, State
from headrace.replying import ReplyPart, ReplyStory
from headrace.requests import Request, ask, segment


class AsyncReply:
    """A reply as it is written: iterate it, once, for its words as they come.

    `text` is all there is of it so far, `message` the reply as it is kept, once it has ended. What breaks on the way is
    taken up again where it broke off. Left early, close it: the reply goes on without you.
    """

    def __init__(self, connection: AsyncConnection, request: Request, *, timeout: float | None, what: str) -> None:
        self._connection = connection
        self._story = ReplyStory()
        self._events = follow(connection, request, self._story, timeout=timeout, what=what)
        self._first: ReplyPart | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.job_id} {self.state}>"

    @property
    def job_id(self) -> str:
        """The job that writes the reply."""
        return self._story.job_id

    @property
    def text(self) -> str:
        """All there is of it so far."""
        return self._story.text

    @property
    def state(self) -> State | None:
        """Where its job stands, as far as its stream has told."""
        return self._story.state

    @property
    def message(self) -> Message | None:
        """The reply as it is kept; of one that was cancelled what was written, `partial`. None before its end."""
        return self._story.message

    async def __aiter__(self) -> AsyncGenerator[ReplyPart]:
        """The words as they come.

        Raises:
            JobFailed: there will be no reply; also JobCancelled, JobExpired. All are JobNotSucceeded.
            WaitTimedOut: the time is up; the reply goes on.
        """
        first, self._first = self._first, None
        if first is not None:
            yield first
        async for event in self._events:
            part = self._story.takes(event)
            if part is not None:
                yield part
        if self.state not in {None, "succeeded"}:
            answer = await self._connection.send(ask("GET", self._path))
            raise ended_without_result(answer.into(JobInfo))

    async def begin(self) -> Self:
        """Wait for the first that is told, by which the reply is known; `ask` and `follow` have done so.

        Raises:
            ApiError: the API says no.
        """
        event = await _next_of(self._events)
        self._first = None if event is None else self._story.takes(event)
        return self

    async def cancel(self) -> None:
        """Stop the reply, at its provider too; what was written is kept. One that has ended is left as it is."""
        if not self._story.is_over:
            await self._connection.send(ask("POST", f"{self._path}/cancel"))

    async def aclose(self) -> None:
        """Read no more of it."""
        await self._events.aclose()

    @property
    def _path(self) -> str:
        return f"/v1/jobs/{segment(self.job_id)}"


async def _next_of(events: AsyncGenerator[Event]) -> Event | None:
    async for event in events:
        return event
    return None
