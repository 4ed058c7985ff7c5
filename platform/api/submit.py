"""Submitting a job: the one way in, whichever route it came by."""

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, Final

from litestar.response import Response
from msgspec.structs import replace

from api.bodies import ApiRequest
from api.context import Use, notes_of
from api.headers import RETRY_AFTER
from api.idempotency import REPLAYED, read_key
from api.job_view import JobView, etag, view_job
from api.known import known_answer
from api.preferences import wait_for_end, wanted_wait, wants_anew
from api.problems import base_url
from domain.ids import JobId
from domain.jobs.job import Job, JobOptions, as_submitted, new_job
from domain.jobs.kind import Input, Kind
from domain.jobs.once import IdempotencyKey, unique_job
from domain.text.budget import BudgetExhausted
from runtime.unique_ids import new_id
from storage.job_lists import Attempt, list_attempts
from storage.once import Submitted, is_kept

_WITHIN_SECONDS: Final = 2.0


async def submit(  # noqa: PLR0913 - whatever a job may be told at the door
    request: ApiRequest,
    use: Use,
    kind: Kind[Any, Any],
    given: Input,
    options: JobOptions,
    *,
    window: timedelta | None = None,
    unique_key: str | None = None,
) -> Response[JobView]:
    """Accept a job for the caller of `request`; answers 202 with it, or 200 if it finished while it was waited for.

    A request whose Idempotency-Key came before is answered as the first was, with its job as it was submitted; if it
    is waited for, as it is now. With a `window`, a live job that was submitted within it and is alike is the answer,
    with 200: alike in `unique_key`, or in input.
    A job that is waited for, and whose answer is in the cache, is written with it, as finished.

    Raises:
        PermissionMissing: the caller may not submit jobs of this kind.
        IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyAnswerGone: as they say.
        RateLimited: the caller is a user by token, and asked for more texts in a minute than may be.
        BudgetExhausted: the tenant's budget for such texts is used up.
        Overloaded, DatabaseDown: it was not accepted.
    """
    caller = request.user
    caller.demand(kind.permission)
    given.check_caller(caller)
    notes = notes_of(request.scope)
    key = await read_key(request)
    if kind.is_text and not (caller.session_id and await _is_answered(use, key)):
        await use.texts.take(notes, caller)
    new = new_job(
        kind,
        given,
        caller,
        job_id=JobId(new_id("job")),
        options=replace(options, no_cache=wants_anew(request.headers)),
        request_id=notes.request_id,
        traceparent=notes.traceparent,
        idempotency=key,
    )
    if window is not None:
        new = replace(new, unique=unique_job(kind.name, new.input, window=window, key=unique_key))
    seconds = wanted_wait(request.headers)
    if seconds:
        new = replace(new, answer=await known_answer(use, kind, given, new))
    if kind.is_text and new.answer is None:
        await _demand_budget(use, caller.tenant_id, kind.name, key)
    async with AsyncExitStack() as stack:
        # listening begins before there is anything to hear
        news = await stack.enter_async_context(use.wakeups.listening(new.id)) if seconds else None
        submitted = await use.accept.accept(new)
        job = submitted.job
        if job.id != new.id and seconds:
            news = await stack.enter_async_context(use.wakeups.listening(job.id))
        if news is not None and seconds:
            if notes.ticket is not None:
                notes.ticket.close()  # from here on it waits for a worker, and costs nobody's time
            job = await wait_for_end(use, job, news, seconds)
    shown = job if seconds is not None else _first_shown(submitted)
    response = await answer_job(request, use, shown, waited=seconds)
    if submitted.deduplicated:
        response.status_code = 200
        response.content = replace(response.content, deduplicated=True)
    if submitted.replayed:
        response.headers.update(REPLAYED)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return response


def _first_shown(submitted: Submitted) -> Job:
    """The job as the first answer with its key showed it; as it is, if it was somebody else's that stood for it."""
    if not submitted.replayed or submitted.deduplicated:
        return submitted.job
    return as_submitted(submitted.job, submitted.run_at or submitted.job.run_at)


async def _demand_budget(use: Use, tenant_id: str, kind: str, key: IdempotencyKey | None) -> None:
    """Go on only if something is left in the tenant's budget, or the request is answered with the job of the first."""
    try:
        await use.spent.demand(tenant_id, [kind])
    except BudgetExhausted:
        if not await _is_answered(use, key):
            raise


async def _is_answered(use: Use, key: IdempotencyKey | None) -> bool:
    """Whether a request was answered before, which asks for no text anew."""
    if key is None:
        return False
    async with use.database.read(within_seconds=_WITHIN_SECONDS) as tx:
        return await is_kept(tx, key)


async def answer_job(request: ApiRequest, use: Use, job: Job, *, waited: int | None = None) -> Response[JobView]:
    """A job that was submitted or waited for: 200 if it is finished, else 202, with when to ask again."""
    headers = {"ETag": etag(job)}
    if waited is not None:
        headers["Preference-Applied"] = f"wait={waited}"
    if not job.is_terminal:
        headers.update(RETRY_AFTER)
    view = view_job(job, await attempts_of(use, job), base_url(request.scope))
    return Response(view, status_code=200 if job.is_terminal else 202, headers=headers)


async def attempts_of(use: Use, job: Job) -> list[Attempt]:
    """The attempts to tell with the job's error; none are read for a job without one."""
    if job.error is None:
        return []
    async with use.database.read() as tx:
        return await list_attempts(tx, [job.id])
