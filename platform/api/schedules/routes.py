"""Schedules over HTTP."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Final

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Response

from api.acts import act, actor_of, audited
from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use
from api.idempotency import ONCE, REPLAYED, find_answer, first_job, keep_job, keep_response, read_key, replay
from api.job_view import JobView
from api.paging import DEFAULT, Cursor, Limit, Page, answer_page, read_cursor
from api.preferences import WAITS, wait_for_end, wanted_wait
from api.problems import base_url
from api.schedules.backfill import BackfillBody, BackfillView, run_window, told_of_backfill, view_backfill
from api.schedules.found import found_schedule, not_found, read_moment, spell_moment
from api.schedules.reading import read_changes, read_new
from api.schedules.views import RunView, ScheduleBody, ScheduleChanges, ScheduleView, told_of, view_run, view_schedule
from api.submit import answer_job
from domain.accounts.user import Caller
from domain.ids import JobId, ScheduleId
from domain.jobs.job import Job, as_submitted
from domain.schedules.firing import make_job
from domain.schedules.schedule import RunOutcome, Schedule, ScheduleRun
from runtime.unique_ids import new_id
from storage.audit import audit
from storage.database import Tx
from storage.jobs import submit_jobs
from storage.schedules import (
    add_schedule,
    database_now,
    delete_schedule,
    list_runs,
    list_schedules,
    record_runs,
    save_schedule,
)

SchedulePath = FromPath[str]

_EXAMPLE: Final = {
    "name": "Morning report",
    "cron": "0 7 * * MON-FRI",
    "timezone": "Europe/Berlin",
    "job": {"kind": "text.summarize", "input": {"text": "A long story, to be told in few words.", "max_chars": 60}},
    "overlap": "skip",
}
_CHANGES: Final = {"cron": "0 8 * * MON-FRI", "catch_up": "none"}
_WINDOW: Final = {"starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-08T00:00:00Z"}


@post(
    "/schedules",
    guards=[needs("schedules:manage")],
    status_code=201,
    opt={**ONCE, **audited("schedule.created"), "example": _EXAMPLE},
)
async def create(
    request: ApiRequest, data: JSONBody[ScheduleBody], use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[ScheduleView]:
    """Make a schedule. Its jobs are the caller's."""
    key = await read_key(request)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, key):
            return replay(kept)
        schedule = read_new(data, ScheduleId(new_id("sched")), caller, await database_now(tx))
        written = await add_schedule(tx, schedule) or schedule
        view = view_schedule(written, base_url(request.scope))
        response = Response(view, status_code=201, headers={"Location": f"/v1/schedules/{written.id}"})
        await keep_response(tx, key, response)
        await audit(tx, actor_of(request), act("schedule.created", written.id, after=told_of(written)))
    return response


@get("/schedules", guards=[needs("schedules:read")])
async def list_(
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[ScheduleView]]:
    """The tenant's schedules, newest first."""
    before = read_cursor(cursor, "sched")
    async with use.database.read() as tx:
        found = await list_schedules(tx, caller.tenant_id, limit=limit + 1, before=before)
    base = base_url(request.scope)
    return answer_page(request, found, limit, view=lambda one: view_schedule(one, base), mark=lambda one: one.id)


@get("/schedules/{schedule_id:str}", guards=[needs("schedules:read")])
async def show(
    request: ApiRequest, schedule_id: SchedulePath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> ScheduleView:
    """A schedule, and when it fires next."""
    async with use.database.read() as tx:
        return view_schedule(await found_schedule(tx, caller, schedule_id), base_url(request.scope))


@patch(
    "/schedules/{schedule_id:str}",
    guards=[needs("schedules:manage")],
    opt={**audited("schedule.changed"), "example": _CHANGES},
)
async def change(
    request: ApiRequest,
    schedule_id: SchedulePath,
    data: JSONBody[ScheduleChanges],
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
) -> ScheduleView:
    """Change what the body names. New times count from now; what was due before under the old ones is dropped."""
    saved = await _save(
        request,
        use,
        schedule_id,
        "schedule.changed",
        lambda schedule, now: read_changes(schedule, data, caller, now),
    )
    return view_schedule(saved, base_url(request.scope))


@delete(
    "/schedules/{schedule_id:str}",
    guards=[needs("schedules:manage")],
    status_code=204,
    opt=audited("schedule.removed"),
)
async def remove(
    request: ApiRequest, schedule_id: SchedulePath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> None:
    """Remove a schedule and the record of its firings. Its jobs stay, and those that wait still run."""
    async with use.database.begin() as tx:
        schedule = await found_schedule(tx, caller, schedule_id, lock=True)
        if not await delete_schedule(tx, caller.tenant_id, schedule.id):
            raise not_found()
        await audit(tx, actor_of(request), act("schedule.removed", schedule.id, before=told_of(schedule)))


@post(
    "/schedules/{schedule_id:str}/pause",
    guards=[needs("schedules:manage")],
    status_code=200,
    opt=audited("schedule.paused"),
)
async def pause(
    request: ApiRequest, schedule_id: SchedulePath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> ScheduleView:
    """Stop firing until it is resumed. Doing so twice changes nothing."""
    return await _set_paused(request, use, caller, schedule_id, paused=True)


@post(
    "/schedules/{schedule_id:str}/resume",
    guards=[needs("schedules:manage")],
    status_code=200,
    opt=audited("schedule.resumed"),
)
async def resume(
    request: ApiRequest, schedule_id: SchedulePath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> ScheduleView:
    """Fire again, from now on: what fell into the pause is not made up for. Doing so twice changes nothing."""
    return await _set_paused(request, use, caller, schedule_id, paused=False)


@post(
    "/schedules/{schedule_id:str}/trigger",
    guards=[needs("schedules:manage")],
    status_code=202,
    opt={**WAITS, **ONCE, **audited("schedule.triggered")},
)
async def trigger(
    request: ApiRequest, schedule_id: SchedulePath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[JobView]:
    """Submit the schedule's job at once, paused or not, live jobs or not. Its firings stay as they are.

    With `Prefer: wait=N` the answer waits up to N seconds for the job's end.
    """
    job_id = JobId(new_id("job"))
    seconds = wanted_wait(request.headers)
    key = await read_key(request)
    async with AsyncExitStack() as stack:
        news = await stack.enter_async_context(use.wakeups.listening(job_id)) if seconds else None
        take = stack.enter_context(use.backlog.taking(caller.tenant_id))
        async with use.database.begin() as tx:
            kept = await find_answer(tx, key)
            if kept is None:
                take(1)
                job = await _trigger(tx, await found_schedule(tx, caller, schedule_id, lock=True), job_id)
                await keep_job(tx, key, job)
                await audit(tx, actor_of(request), act("schedule.triggered", schedule_id))
            else:
                job = await first_job(tx, key, kept)
        use.wakeups.ring_relay()
        if news is not None and seconds:
            job = await wait_for_end(use, job, news, seconds)
    if kept and seconds is None:
        job = as_submitted(job, job.created_at)
    response = await answer_job(request, use, job, waited=seconds)
    response.headers.update({"Location": f"/v1/jobs/{job.id}"} | (REPLAYED if kept else {}))
    return response


@post(
    "/schedules/{schedule_id:str}/backfill",
    guards=[needs("schedules:manage")],
    status_code=202,
    opt={**ONCE, **audited("schedule.backfilled"), "also": (200,), "example": _WINDOW},
)
async def backfill(
    request: ApiRequest,
    schedule_id: SchedulePath,
    data: JSONBody[BackfillBody],
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
) -> Response[BackfillView]:
    """Run the firings of a window that is past: each that never ran, at most 1,000, in their order, paused or not.

    A firing that ran, by the clock or by a backfill, does not run again; one that was missed, skipped or refused does.
    Firings to come are the clock's, which neither waits for these jobs nor cancels them; where the schedule's jobs may
    not overlap, these run one at a time. A dry run is answered 200, and runs nothing.
    """
    key = await read_key(request)
    with use.backlog.taking(caller.tenant_id) as take:
        async with use.database.begin() as tx:
            if kept := await find_answer(tx, key):
                return replay(kept)
            schedule = await found_schedule(tx, caller, schedule_id, lock=True)
            done = await run_window(tx, schedule, data, kept_days=use.settings.retention_days, take=take)
            view = view_backfill(schedule, done, base_url(request.scope), dry_run=data.dry_run)
            response = Response(view, status_code=200 if data.dry_run else 202)
            await keep_response(tx, key, response)
            if done.submitted and not data.dry_run:
                await audit(
                    tx, actor_of(request), act("schedule.backfilled", schedule.id, after=told_of_backfill(done))
                )
    use.wakeups.ring_relay()
    return response


@get("/schedules/{schedule_id:str}/runs", guards=[needs("schedules:read")])
async def runs(  # noqa: PLR0913, PLR0917 - a list has these parameters
    request: ApiRequest,
    schedule_id: SchedulePath,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[RunView]]:
    """What became of the schedule's firings, newest first."""
    before = read_moment(read_cursor(cursor, "at"))
    async with use.database.read() as tx:
        schedule = await found_schedule(tx, caller, schedule_id)
        found = await list_runs(tx, schedule.id, limit=limit + 1, before=before)
    return answer_page(request, found, limit, view=view_run, mark=lambda run: spell_moment(run.fire_at))


router: Final = Router(
    "/v1",
    route_handlers=[create, list_, show, change, remove, pause, resume, trigger, backfill, runs],
    tags=["Schedules"],
)


async def _trigger(tx: Tx, schedule: Schedule, job_id: JobId) -> Job:
    [job] = await submit_jobs(tx, [make_job(schedule, job_id, schedule.job.options)])
    run = ScheduleRun(
        schedule_id=schedule.id, fire_at=job.created_at, outcome=RunOutcome.SUBMITTED, job_id=job.id, by_hand=True
    )
    await record_runs(tx, [run])
    return job


async def _set_paused(request: ApiRequest, use: Use, caller: Caller, schedule_id: str, *, paused: bool) -> ScheduleView:
    changes = ScheduleChanges(paused=paused)
    saved = await _save(
        request,
        use,
        schedule_id,
        "schedule.paused" if paused else "schedule.resumed",
        lambda schedule, now: read_changes(schedule, changes, caller, now),
    )
    return view_schedule(saved, base_url(request.scope))


async def _save(
    request: ApiRequest,
    use: Use,
    schedule_id: str,
    action: str,
    changed: Callable[[Schedule, datetime], Schedule],
) -> Schedule:
    async with use.database.begin() as tx:
        schedule = await found_schedule(tx, request.user, schedule_id, lock=True)
        saved = await save_schedule(tx, changed(schedule, await database_now(tx)))
        before, after = told_of(schedule), told_of(saved)
        if before != after:
            await audit(tx, actor_of(request), act(action, schedule.id, before=before, after=after))
        return saved
