"""Jobs over HTTP."""

from datetime import UTC, datetime
from typing import Annotated, Final

from litestar import Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Response, Stream
from msgspec.structs import replace

from api.absent import PRUNED, absence
from api.acts import act, actor_of, audited
from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use, leave_of, notes_of
from api.fields import FieldError
from api.headers import combined
from api.idempotency import ONCE
from api.job_view import AttemptView, JobView, etag, matches, view_attempt, view_job
from api.jobs.errors import JobFinished, JobNotFound, JobNotRetryable, JobUnfinished, JobWithoutResult
from api.jobs.export import MEDIA_TYPES, Format, export_jobs, first_page
from api.jobs.lists import Sort, provide_wanted, read_mark, spell_mark
from api.jobs.stream import stream_job
from api.options import job_options, read_webhook, read_window
from api.paging import DEFAULT, Cursor, Limit, Page, next_link
from api.preferences import ANEW, WAITS, wait_for_end, wanted_wait
from api.problems import base_url
from api.sse import MEDIA_TYPE, LastEventId, TokenText, answer_stream, seen_until
from api.submissions import AnySubmission, kind_of
from api.submit import answer_job, submit
from api.token_holders import TAKES_TOKENS, refuse_other_jobs
from domain.accounts.user import Caller
from domain.catalog import kind_named
from domain.ids import is_id
from domain.jobs.job import Job
from domain.jobs.retention import JobGone
from domain.jobs.state import State
from runtime.moves import tell_moved
from storage.audit import audit
from storage.job_lists import JobFilter, JobSort, list_attempts, list_jobs
from storage.jobs import cancel_jobs, find_job, retry_job

JobId = FromPath[str]

_LARGEST_SEQ: Final = 2**31 - 1


@post("/jobs", guards=[needs("jobs:submit")], status_code=202, opt={**WAITS, **ONCE, **ANEW})
async def submit_job(
    request: ApiRequest,
    data: JSONBody[AnySubmission],
    use: NamedDependency[Use],
) -> Response[JobView]:
    """Submit a job. With `Prefer: wait=N` the answer waits up to N seconds for its end.

    Its end is told to the URL of `webhook`, signed with what GET /v1/webhooks/signing-secret shows. Where `unique`
    finds a live job alike, that one is the answer, with status 200 and `deduplicated`.
    """
    errors: list[FieldError] = []
    window = None if data.unique is None else read_window(data.unique, errors)
    webhook_url = read_webhook(data.webhook, use.outbound, errors)
    options = job_options(data, "/{}".format, now=datetime.now(UTC), also=errors)
    options = replace(options, webhook_url=webhook_url)
    kind, key = kind_named(kind_of(data)), None if data.unique is None else data.unique.key
    return await submit(request, use, kind, data.given, options, window=window, unique_key=key)


@get("/jobs", guards=[needs("jobs:read")])
async def list_jobs_(  # noqa: PLR0913, PLR0917 - a list has these parameters
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    wanted: NamedDependency[JobFilter],
    sort: Sort = JobSort.NEWEST,
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[JobView]]:
    """The tenant's jobs, newest first. A page for `q` may be short and yet have a next one."""
    after = read_mark(cursor, sort)
    async with use.database.read() as tx:
        found = await list_jobs(tx, caller.tenant_id, wanted, limit=limit, sort=sort, after=after)
        attempts = await list_attempts(tx, [job.id for job in found.jobs if job.error is not None])
    base = base_url(request.scope)
    items = [view_job(job, [one for one in attempts if one.job_id == job.id], base) for job in found.jobs]
    following = None if found.end is None else spell_mark(found.end, sort)
    return Response(Page(items, following), headers=next_link(request, following))


@get("/jobs/export", guards=[needs("jobs:read")], opt={"media_types": tuple(MEDIA_TYPES.values())})
async def export(  # noqa: PLR0913, PLR0917 - as the list
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    wanted: NamedDependency[JobFilter],
    sort: Sort = JobSort.NEWEST,
    form: Annotated[Format, QueryParameter(name="format", description="ndjson: each line a job")] = Format.CSV,
) -> Stream:
    """All jobs of a list, as one file. Cells that a spreadsheet would take for formulas begin with an apostrophe."""
    page = await first_page(use, caller.tenant_id, wanted, sort)
    pieces = export_jobs(use, caller.tenant_id, wanted, sort, page, form=form, base=base_url(request.scope))
    return Stream(
        pieces,
        headers={
            # as a header, for the handler's own media type, of which there is but one, beats the response's
            "Content-Type": MEDIA_TYPES[form],
            "Content-Disposition": f'attachment; filename="jobs.{form}"',
            "Cache-Control": "no-store",
        },
    )


@get("/jobs/{job_id:str}", guards=[needs("jobs:read")], opt={**WAITS, "also": (304,)})
async def get_job(
    request: ApiRequest, job_id: JobId, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[JobView] | Response[None]:
    """A job. With `Prefer: wait=N` the answer waits up to N seconds for its end."""
    seconds = wanted_wait(request.headers)
    if seconds is None:
        job = await _found(use, caller, job_id)
    else:
        async with use.wakeups.listening(job_id) as news:
            job = await wait_for_end(use, await _found(use, caller, job_id), news, seconds)
    if matches(combined(request.headers, "if-none-match"), etag(job)):
        return Response(None, status_code=304, headers={"ETag": etag(job)})
    response = await answer_job(request, use, job, waited=seconds)
    if seconds is None:
        response.status_code = 200
    return response


@get("/jobs/{job_id:str}/result", guards=[needs("jobs:read")], opt={"fails": (409,), "also": (304,)})
async def get_result(
    request: ApiRequest, job_id: JobId, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[bytes] | Response[None]:
    """The result alone, as the handler gave it. 409 as long as there is none."""
    job = await _found(use, caller, job_id)
    if not job.is_terminal:
        raise JobUnfinished(_stands(job))
    if job.result is None:
        raise JobWithoutResult(_stands(job))
    if matches(combined(request.headers, "if-none-match"), etag(job)):
        return Response(None, status_code=304, headers={"ETag": etag(job)})
    return Response(job.result, media_type="application/json", headers={"ETag": etag(job)})


@get("/jobs/{job_id:str}/attempts", guards=[needs("jobs:read")])
async def get_attempts(job_id: JobId, use: NamedDependency[Use], caller: NamedDependency[Caller]) -> Page[AttemptView]:
    """The attempts that have ended, in the order they ended."""
    job = await _found(use, caller, job_id)
    async with use.database.read() as tx:
        return Page([view_attempt(attempt) for attempt in await list_attempts(tx, [job.id])])


@get("/jobs/{job_id:str}/events", guards=[needs("jobs:read")], media_type=MEDIA_TYPE, opt=TAKES_TOKENS)
async def get_events(  # noqa: PLR0913, PLR0917 - what a resumption takes
    request: ApiRequest,
    job_id: JobId,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    after: Annotated[int | None, QueryParameter(ge=0, le=_LARGEST_SEQ, description="the last event seen")] = None,
    last_event_id: LastEventId = None,
    _token: TokenText = None,
) -> Stream:
    """What happens to the job, as Server-Sent Events: first the job as it stands, then its events."""
    refuse_other_jobs(notes_of(request.scope).event_token, job_id)
    use.streams.check(caller)
    job = await _found(use, caller, job_id)
    seen = seen_until(last_event_id, after, largest=_LARGEST_SEQ) or 0
    base = base_url(request.scope)
    return answer_stream(stream_job(use, job, caller=caller, leave=leave_of(request), after=seen, base=base))


@post("/jobs/{job_id:str}/cancel", guards=[needs("jobs:manage")], status_code=200, opt=audited("job.cancelled"))
async def cancel(
    request: ApiRequest, job_id: JobId, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[JobView]:
    """Cancel a job: 200 if it is cancelled, 202 while its worker is told to stop, 409 if it is finished otherwise."""
    _check_id(job_id)
    async with use.database.begin() as tx:
        moved = await cancel_jobs(tx, caller.tenant_id, [job_id])
        if any(job.caller_id != caller.user_id for job in moved):
            await audit(tx, actor_of(request), act("job.cancelled", job_id))
    tell_moved(use.wakeups, moved)
    job = next(iter(moved), None)
    if job is None:
        job = await _found(use, caller, job_id)
        if job.state is not State.CANCELLED:
            raise JobFinished(_stands(job))
    return await answer_job(request, use, job)


@post("/jobs/{job_id:str}/retry", guards=[needs("jobs:manage")], status_code=202, opt=audited("job.retried"))
async def retry(
    request: ApiRequest, job_id: JobId, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[JobView]:
    """Queue a failed, cancelled or expired job again, with fresh attempts."""
    _check_id(job_id)
    async with use.database.begin() as tx:
        job = await retry_job(tx, caller.tenant_id, job_id)
        if job is not None and job.caller_id != caller.user_id:
            await audit(tx, actor_of(request), act("job.retried", job_id))
    if job is None:
        job = await _found(use, caller, job_id)
        raise JobNotRetryable(_stands(job))
    use.wakeups.ring_relay()
    use.wakeups.tell_jobs([job.id])
    response = await answer_job(request, use, job)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return response


router: Final = Router(
    "/v1",
    route_handlers=[submit_job, list_jobs_, export, get_job, get_result, get_attempts, get_events, cancel, retry],
    dependencies={"wanted": Provide(provide_wanted)},
    opt=PRUNED,
    tags=["Jobs"],
)


async def _found(use: Use, caller: Caller, job_id: str) -> Job:
    _check_id(job_id)
    async with use.database.read() as tx:
        job = await find_job(tx, caller.tenant_id, job_id)
    if job is None:
        raise await absence(use, caller, job_id, gone=JobGone, otherwise=JobNotFound("There is no such job."))
    return job


def _check_id(job_id: str) -> None:
    if not is_id("job", job_id):
        raise JobNotFound("There is no such job.")


def _stands(job: Job) -> str:
    done = job.state in {State.SUCCEEDED, State.FAILED, State.EXPIRED}
    return f"The job {'has' if done else 'is'} {job.state}."
