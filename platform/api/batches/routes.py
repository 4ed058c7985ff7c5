"""Batches over HTTP: many jobs accepted as one, watched and cancelled as one."""

import time
from typing import Annotated, Final

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Response, Stream
from msgspec.structs import replace

from api.absent import PRUNED, absence
from api.acts import act, actor_of, audited
from api.auth import needs
from api.batches.economy import have_gathered, in_mode
from api.batches.reading import NDJSON, BatchBody, read_batch
from api.batches.results import first_results, stream_results
from api.batches.views import BatchView, batch_etag, view_batch
from api.bodies import JSON, MOST_BATCH_BYTES, ApiRequest
from api.context import Use, notes_of
from api.headers import RETRY_AFTER, combined
from api.idempotency import ONCE, REPLAYED, find_answer, keep_response, read_key, replay
from api.job_view import matches
from api.paging import DEFAULT, Cursor, Limit, Page, answer_page, read_cursor
from api.preferences import ANEW, WAITS, wanted_wait, wants_anew
from api.problems import base_url
from api.submissions import AnySubmission
from domain.accounts.user import Caller
from domain.catalog import kind_named
from domain.ids import BatchId, is_id
from domain.jobs.batch import Batch, BatchFinished, BatchNotFound, Mode
from domain.jobs.retention import BatchGone
from domain.text.economize import gatherer_of
from runtime.moves import tell_moved
from runtime.news import News
from runtime.unique_ids import new_id
from storage.audit import audit
from storage.batches import ask_cancel, find_batch, jobs_to_cancel, list_batches, submit_batch
from storage.economy import hasten
from storage.jobs import cancel_jobs

BatchPath = FromPath[str]
ModeWanted = Annotated[
    Mode | None, QueryParameter(description="of lines, and of an object that does not say its `mode` itself")
]

_WITHIN_SECONDS: Final = 30.0  # for ten thousand jobs, which take half a second where nothing else goes on
_CANCELLED_AT_ONCE: Final = 500
_POLL_SECONDS: Final = 1.0


@post(
    "/batches",
    guards=[needs("jobs:submit")],
    status_code=202,
    request_max_body_size=MOST_BATCH_BYTES,
    opt={**ONCE, **ANEW, **WAITS, "also": (200,), "bodies": {JSON: BatchBody, NDJSON: AnySubmission}},
)
async def submit_batch_(
    request: ApiRequest, use: NamedDependency[Use], caller: NamedDependency[Caller], mode: ModeWanted = None
) -> Response[BatchView]:
    """Submit up to 10,000 jobs: all of them are accepted, or none. As lines of JSON, each line is a job.

    Every job that is not acceptable is named by its pointer: `/jobs/17/input/text`, or `/17/input/text` of lines. A
    batch waits to be run as so many jobs: 429 or 503 if there is no room for all of them. With `Prefer: wait=N` the
    answer waits up to N seconds until all of its jobs have ended: 200 then, else 202.
    """
    response = await _submitted(request, use, caller, mode)
    seconds = wanted_wait(request.headers)
    if seconds is None:
        return response
    where = response.headers["Location"]
    waited = _answer(request, await _ended(request, use, caller, where.rpartition("/")[2], seconds), waited=seconds)
    waited.headers["Location"] = where
    waited.headers.update({name: value for name, value in REPLAYED.items() if name in response.headers})
    return waited


@get("/batches", guards=[needs("jobs:read")])
async def list_(
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[BatchView]]:
    """The tenant's batches, newest first."""
    before = read_cursor(cursor, "batch")
    async with use.database.read() as tx:
        found = await list_batches(tx, caller.tenant_id, limit=limit + 1, before=before)
    base = base_url(request.scope)
    return answer_page(request, found, limit, view=lambda one: view_batch(one, base), mark=lambda one: one.id)


@get("/batches/{batch_id:str}", guards=[needs("jobs:read")], opt={**WAITS, "also": (202, 304)})
async def show(
    request: ApiRequest, batch_id: BatchPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[BatchView] | Response[None]:
    """A batch. With `Prefer: wait=N` the answer waits up to N seconds until all of its jobs have ended."""
    seconds = wanted_wait(request.headers)
    if seconds is None:
        batch = await _found(use, caller, batch_id)
    else:
        batch = await _ended(request, use, caller, batch_id, seconds)
    if matches(combined(request.headers, "if-none-match"), batch_etag(batch)):
        return Response(None, status_code=304, headers={"ETag": batch_etag(batch)})
    response = _answer(request, batch, waited=seconds)
    if seconds is None:
        response.status_code = 200
    return response


@post(
    "/batches/{batch_id:str}/cancel",
    guards=[needs("jobs:manage")],
    status_code=200,
    opt={"also": (202,), **audited("batch.cancelled")},
)
async def cancel(
    request: ApiRequest, batch_id: BatchPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[BatchView]:
    """Cancel what is live of a batch: 200 if all has ended now, 202 while workers are told to stop.

    409 if all had ended before, and nobody had asked to cancel it.
    """
    _check_id(batch_id)
    async with use.database.begin() as tx:
        asked = await ask_cancel(tx, caller.tenant_id, batch_id)
        if asked:
            await audit(tx, actor_of(request), act("batch.cancelled", batch_id))
    if asked:
        await _cancel_live(use, caller, batch_id)
        async with use.database.begin() as tx:
            # what gathers its texts, if something does, is to stop the provider's batches now
            await hasten(tx, [gatherer_of(BatchId(batch_id))], tried=True)
        use.wakeups.ring_relay()
    batch = await _found(use, caller, batch_id)
    if not asked and batch.cancel_requested_at is None:
        raise BatchFinished("All of its jobs have ended.")
    return _answer(request, batch)


@get("/batches/{batch_id:str}/results", guards=[needs("jobs:read")], media_type=NDJSON, opt={"media_types": (NDJSON,)})
async def results(
    request: ApiRequest, batch_id: BatchPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Stream:
    """The batch's jobs as they stand, one a line, in the order submitted; `index` counts from 0."""
    batch = await _found(use, caller, batch_id)
    page = await first_results(use, caller.tenant_id, batch.id)
    pieces = stream_results(use, caller.tenant_id, batch.id, page, base_url(request.scope))
    return Stream(pieces, media_type=NDJSON, headers={"Cache-Control": "no-store"})


router: Final = Router(
    "/v1", route_handlers=[submit_batch_, list_, show, cancel, results], opt=PRUNED, tags=["Batches"]
)


async def _submitted(request: ApiRequest, use: Use, caller: Caller, mode: Mode | None) -> Response[BatchView]:
    """A batch as it was taken in, or the first answer to the same key again."""
    with use.batches.one(caller.tenant_id), use.backlog.taking(caller.tenant_id) as take:
        key = await read_key(request)
        batch, jobs = await read_batch(request, BatchId(new_id("batch")), use.outbound, mode=mode)
        batch, jobs, waiting = in_mode(batch, jobs, has_key=use.settings.gemini_api_key is not None)
        if wants_anew(request.headers):
            jobs = [replace(job, no_cache=True) for job in jobs]
        texts = [job.kind for job in jobs if kind_named(job.kind).is_text]
        async with use.batches.writing, use.database.begin(within_seconds=_WITHIN_SECONDS) as tx:
            if kept := await find_answer(tx, key):
                return replay(kept)
            await use.texts.take(notes_of(request.scope), caller, len(texts))
            await use.spent.demand(caller.tenant_id, texts)
            take(len(jobs))
            await submit_batch(tx, batch, jobs)
            await have_gathered(tx, batch, waiting, caller, notes_of(request.scope))
            written = await find_batch(tx, caller.tenant_id, batch.id)
            assert written is not None  # noqa: S101 - this transaction wrote it
            response = _answer(request, written)
            response.headers["Location"] = f"/v1/batches/{batch.id}"
            await keep_response(tx, key, response)
    use.wakeups.ring_relay()
    use.figures.committed(len(jobs))
    return response


async def _ended(request: ApiRequest, use: Use, caller: Caller, batch_id: str, seconds: int) -> Batch:
    """A batch when it is finished, or as it stands after `seconds`."""
    if (ticket := notes_of(request.scope).ticket) is not None:
        ticket.close()  # from here on it waits for workers, and costs nobody's time
    async with use.wakeups.listening(batch_id) as news:
        return await _wait(use, caller, await _found(use, caller, batch_id), news, seconds)


async def _cancel_live(use: Use, caller: Caller, batch_id: str) -> None:
    """Cancel a batch's live jobs, some at a time: workers that end one of them never wait for long."""
    while True:
        async with use.database.begin() as tx:
            ids = await jobs_to_cancel(tx, batch_id, limit=_CANCELLED_AT_ONCE)
            if not ids:
                return
            moved = await cancel_jobs(tx, caller.tenant_id, ids)
        tell_moved(use.wakeups, moved)


async def _wait(use: Use, caller: Caller, batch: Batch, news: News, seconds: float) -> Batch:
    """The batch when it is finished, or as it stands after `seconds`, or when the process is about to stop."""
    deadline = time.monotonic() + seconds
    while not batch.is_finished and not use.draining.is_set() and (left := deadline - time.monotonic()) > 0:
        await news.wait(min(left, _POLL_SECONDS))
        batch = await _found(use, caller, batch.id)
    return batch


def _answer(request: ApiRequest, batch: Batch, *, waited: int | None = None) -> Response[BatchView]:
    headers = {"ETag": batch_etag(batch)} | ({} if batch.is_finished else RETRY_AFTER)
    if waited is not None:
        headers["Preference-Applied"] = f"wait={waited}"
    view = view_batch(batch, base_url(request.scope))
    return Response(view, status_code=200 if batch.is_finished else 202, headers=headers)


async def _found(use: Use, caller: Caller, batch_id: str) -> Batch:
    _check_id(batch_id)
    async with use.database.read() as tx:
        batch = await find_batch(tx, caller.tenant_id, batch_id)
    if batch is None:
        raise await absence(use, caller, batch_id, gone=BatchGone, otherwise=BatchNotFound("There is no such batch."))
    return batch


def _check_id(batch_id: str) -> None:
    if not is_id("batch", batch_id):
        raise BatchNotFound("There is no such batch.")
