"""What a handler is handed besides its input."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from domain.accounts.user import Caller
from domain.errors import Unavailable
from domain.ids import JobId, derived_id
from domain.jobs.events import EventType
from domain.jobs.job import Job, JobOptions, NewJob, new_job
from domain.jobs.kind import Input, Kind
from domain.text.safety import Flag
from runtime.resources import Resources
from storage.database import Tx
from storage.events import append_event
from storage.jobs import note_progress

_ENCODER: Final = msgspec.json.Encoder()


class LeaseLost(Exception):
    """The job is no longer this attempt's: whatever it writes is refused."""


class Context:
    """One attempt at one job. Effects in Postgres go through `settling()`, effects elsewhere carry a `stable_id()`."""

    def __init__(self, job: Job, use: Resources) -> None:
        self.job = job
        self.use = use
        self._usage: Struct | None = None
        self._flags: tuple[Flag, ...] = ()
        self.follow_ups = False
        self._is_over = False
        self._settling: AsyncExitStack | None = None
        self._tx: Tx | None = None

    @property
    def tenant_id(self) -> str:
        """The tenant the job belongs to."""
        return self.job.tenant_id

    @property
    def caller_id(self) -> str:
        """The user on whose behalf the job runs."""
        return self.job.caller_id

    def stable_id(self, prefix: str, label: str = "") -> str:
        """An id that is the same on every attempt at this job: what makes an outside effect recognisable."""
        return derived_id(prefix, self.job.id, label)

    def follow_up(
        self,
        kind: Kind[Any, Any],
        given: Input,
        *,
        label: str = "",
        run_at: datetime | None = None,
        concurrency_key: str | None = None,
    ) -> NewJob:
        """A job that follows from this one, to be submitted in `settling()`; its id is the same on every attempt."""
        self.follow_ups = True
        caller = Caller(tenant_id=self.tenant_id, user_id=self.caller_id, permissions=frozenset())
        return new_job(
            kind,
            given,
            caller,
            job_id=JobId(self.stable_id("job", f"{kind.name}|{label}")),
            options=JobOptions(priority=self.job.priority, run_at=run_at, concurrency_key=concurrency_key),
            parent_id=self.job.id,
            request_id=self.job.request_id,
            traceparent=self.job.traceparent,
        )

    @asynccontextmanager
    async def settling(self) -> AsyncIterator[Tx]:
        """The transaction that will settle the job: what is written in it commits with the job's end, or not at all.

        It stays open when the block ends well, until the handler has returned and its result is written with it.
        If the block raises, it is rolled back there and then.

        Raises:
            LeaseLost: the attempt is over; the handler went on all the same.
        """
        self._believe_it_lasts()
        stack = AsyncExitStack()
        async with stack:
            # no time limit of its own: the attempt has one
            tx = await stack.enter_async_context(self.use.database.begin(within_seconds=None))
            self.use.kill_points.reach("job.before_effect", (self.job.id,))
            yield tx
            self._believe_it_lasts()
            self._tx = tx
            self._settling = stack.pop_all()

    @property
    def settling_tx(self) -> Tx | None:
        """The transaction the handler left open, if it did."""
        return self._tx

    async def commit(self) -> None:
        """End the transaction the handler left open, keeping what it wrote."""
        await self._end(None)

    async def roll_back(self) -> None:
        """End the transaction the handler left open, if it did, keeping nothing."""
        with contextlib.suppress(Unavailable):  # a broken connection has kept nothing either
            await self._end(LeaseLost())

    async def end(self) -> None:
        """The attempt is over: what its handler still writes, should it go on, is refused and rolled back."""
        self._is_over = True
        await self.roll_back()

    async def progress(self, fraction: float) -> None:
        """Tell how far the attempt is, 0 to 1.

        Raises:
            LeaseLost: the job is somebody else's by now.
        """
        self._believe_it_lasts()
        async with self.use.database.begin() as tx:
            told = await note_progress(tx, self.job.id, self.job.lease or "", min(1.0, max(0.0, fraction)))
            self.use.kill_points.reach("event.after_seq", (self.job.id,))
        self._believe(told=told)

    async def log(self, text: str) -> None:
        """Add a line to the job's events, for the person who watches it; at most 4,000 characters are kept.

        Raises:
            LeaseLost: the job is somebody else's by now.
        """
        self._believe_it_lasts()
        data = _ENCODER.encode({"text": text[:4000]})
        async with self.use.database.begin() as tx:
            told = await append_event(tx, self.job.id, self.job.lease or "", EventType.LOG, data)
            self.use.kill_points.reach("event.after_seq", (self.job.id,))
        self._believe(told=told)

    @asynccontextmanager
    async def noting(self) -> AsyncIterator[Tx]:
        """A transaction of its own: what is written in it stands at once, however the attempt ends.

        Raises:
            LeaseLost: the attempt is over; the handler went on all the same.
        """
        self._believe_it_lasts()
        async with self.use.database.begin() as tx:
            yield tx

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Tx]:
        """A connection to look things up by.

        Raises:
            LeaseLost: the attempt is over; the handler went on all the same.
        """
        self._believe_it_lasts()
        async with self.use.database.read() as connection:
            yield connection

    @asynccontextmanager
    async def booking(self) -> AsyncIterator[Tx]:
        """A transaction of its own that the end of the attempt does not refuse: what was spent is spent."""
        async with self.use.database.begin() as tx:
            yield tx

    def note_usage(self, usage: Struct | None) -> None:
        """Keep what the attempt used up, to be written with its result."""
        if usage is not None:
            self._usage = usage

    def note_flags(self, flags: Sequence[Flag]) -> None:
        """Keep what was flagged in the input, to be written as `safety` in the job's usage."""
        self._flags = tuple(flags)

    @property
    def usage(self) -> bytes | None:
        """What the attempt used up and what was flagged in it, as JSON; None where there is neither."""
        if not self._flags:
            return None if self._usage is None else _ENCODER.encode(self._usage)
        used = {} if self._usage is None else msgspec.to_builtins(self._usage)
        return _ENCODER.encode({**used, "safety": self._flags})

    def _believe_it_lasts(self) -> None:
        if self._is_over:
            raise LeaseLost(self.job.id)

    def _believe(self, *, told: bool) -> None:
        if not told:
            raise LeaseLost(self.job.id)
        self.use.wakeups.tell_jobs([self.job.id])

    async def _end(self, reason: BaseException | None) -> None:
        stack, self._settling, self._tx = self._settling, None, None
        if stack is None:
            return
        if reason is None:
            await stack.aclose()
        else:
            await stack.__aexit__(type(reason), reason, None)
