"""Schedules: jobs submitted on a clock."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Unpack

from headrace._aio.http import AsyncConnection
from headrace._aio.job import AsyncJob
from headrace._aio.jobs import job_in
from headrace._aio.listing import AsyncListing, reads
from headrace.models import Backfill, CatchUp, Overlap, Run, Schedule
from headrace.options import ANYTHING, Input, NewJob, any_body
from headrace.requests import Duration, as_seconds, ask, create, given, segment, spelled_duration, spelled_time
from headrace.schedule_changes import ScheduleChanges, body_of_changes


class AsyncSchedules:
    """Makes schedules and changes them. Each is found by its id."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def create(
        self,
        name: str,
        job: NewJob | Input[Any] | Mapping[str, Any],
        *,
        cron: str | None = None,
        every: Duration | None = None,
        timezone: str | None = None,
        overlap: Overlap | None = None,
        catch_up: CatchUp | None = None,
        jitter: Duration | None = None,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        paused: bool = False,
        idempotency_key: str | None = None,
    ) -> Schedule:
        """Submit `job` by `cron` or `every` so often, in `timezone` (UTC when not given).

        Raises:
            Invalid: something is wrong; `errors` names every field.
        """
        body = given(
            name=name,
            job=any_body(job),
            cron=cron,
            every=None if every is None else spelled_duration(every),
            timezone=timezone,
            overlap=overlap,
            catch_up=catch_up,
            jitter=None if jitter is None else spelled_duration(jitter),
            starts_at=None if starts_at is None else spelled_time(starts_at),
            ends_at=None if ends_at is None else spelled_time(ends_at),
            paused=paused,
        )
        return (await self._connection.send(create("/v1/schedules", body, key=idempotency_key))).into(Schedule)

    async def get(self, schedule_id: str) -> Schedule:
        """A schedule, with its next five runs."""
        return (await self._connection.send(ask("GET", _path(schedule_id)))).into(Schedule)

    def list(self, *, limit: int | None = None) -> AsyncListing[Schedule]:
        """The schedules, newest first; `limit` of them, or all."""
        return AsyncListing(self._connection, ask("GET", "/v1/schedules"), reads(Schedule), limit=limit)

    async def update(self, schedule_id: str, **changes: Unpack[ScheduleChanges]) -> Schedule:
        """Change what is given and nothing else. A change of its times lets it start anew from now.

        Raises:
            Invalid: something is wrong; `errors` names every field.
        """
        request = ask("PATCH", _path(schedule_id), body=body_of_changes(changes))
        return (await self._connection.send(request)).into(Schedule)

    async def delete(self, schedule_id: str) -> None:
        """Delete a schedule; the jobs it has submitted stay."""
        await self._connection.send(ask("DELETE", _path(schedule_id), is_repeatable=False))

    async def pause(self, schedule_id: str) -> Schedule:
        """Let it submit nothing until it is resumed."""
        return (await self._connection.send(ask("POST", f"{_path(schedule_id)}/pause"))).into(Schedule)

    async def resume(self, schedule_id: str) -> Schedule:
        """Let it go on, from now."""
        return (await self._connection.send(ask("POST", f"{_path(schedule_id)}/resume"))).into(Schedule)

    async def trigger(
        self, schedule_id: str, *, wait: Duration | None = None, idempotency_key: str | None = None
    ) -> AsyncJob[Any]:
        """Submit its job now, whatever the clock says."""
        request = create(f"{_path(schedule_id)}/trigger", None, key=idempotency_key, wait=as_seconds(wait))
        return job_in(self._connection, await self._connection.send(request), ANYTHING)

    async def backfill(
        self,
        schedule_id: str,
        starts_at: datetime,
        ends_at: datetime | None = None,
        *,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Backfill:
        """Run what was due from `starts_at` on and before `ends_at`, or now, and did not run; a dry run only counts.

        What ran does not run again, however often this is asked.

        Raises:
            Invalid: the window is none, holds more than 1,000 firings, or begins before runs are kept.
        """
        body = given(
            starts_at=spelled_time(starts_at),
            ends_at=None if ends_at is None else spelled_time(ends_at),
            dry_run=dry_run,
        )
        request = create(f"{_path(schedule_id)}/backfill", body, key=idempotency_key)
        return (await self._connection.send(request)).into(Backfill)

    def runs(self, schedule_id: str, *, limit: int | None = None) -> AsyncListing[Run]:
        """What became of each time it was due, newest first."""
        return AsyncListing(self._connection, ask("GET", f"{_path(schedule_id)}/runs"), reads(Run), limit=limit)


def _path(schedule_id: str) -> str:
    return f"/v1/schedules/{segment(schedule_id)}"
