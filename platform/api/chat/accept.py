"""How a request for a reply is accepted: written once, however often it comes, and the relay is rung."""

from collections.abc import Awaitable, Callable

from litestar.response import Response

from api.accept import ring_for
from api.bodies import ApiRequest
from api.context import Use, notes_of
from api.idempotency import REPLAYED, find_answer, first_job, keep_job, read_key
from api.job_view import JobView
from api.preferences import wait_for_end, wanted_wait
from api.submit import answer_job
from domain.chat.reply import REPLY
from domain.ids import JobId
from domain.jobs.job import Job, as_submitted
from runtime.unique_ids import new_id
from storage.database import Tx

Write = Callable[[Tx, JobId], Awaitable[Job]]
"""Writes what a request asks for, with a job of this id."""


async def answer_with_reply(
    request: ApiRequest, use: Use, write: Write, *, is_one_statement: bool = False
) -> Response[JobView]:
    """The job that replies, when it is accepted; with `Prefer: wait` when it is finished."""
    seconds = wanted_wait(request.headers)
    job, kept = await accept_reply(request, use, write, is_one_statement=is_one_statement)
    if seconds:
        # a reply that ended before anybody listened is seen at once: the row is read first
        async with use.wakeups.listening(job.id) as news:
            news.tell()
            job = await wait_for_end(use, job, news, seconds)
    if kept and seconds is None:
        job = as_submitted(job, job.created_at)
    response = await answer_job(request, use, job, waited=seconds)
    response.headers.update({"Location": f"/v1/jobs/{job.id}"} | (REPLAYED if kept else {}))
    return response


async def accept_reply(
    request: ApiRequest, use: Use, write: Write, *, is_one_statement: bool = False
) -> tuple[Job, bool]:
    """The job that was written, or was for the same key before; and which of the two.

    Where `write` is one statement, and no key is kept with it, it needs no transaction: it saves two round trips.
    """
    key = await read_key(request)
    with use.backlog.taking(request.user.tenant_id) as take:
        async with use.database.alone() if is_one_statement and key is None else use.database.begin() as tx:
            kept = await find_answer(tx, key)
            if kept is None:
                await use.texts.take(notes_of(request.scope), request.user)
                await use.spent.demand(request.user.tenant_id, [REPLY.name])
                take(1)
                job = await write(tx, JobId(new_id("job")))
                await keep_job(tx, key, job)
            else:
                job = await first_job(tx, key, kept)
    ring_for(use.wakeups, [job])
    await use.wakeups.told()  # now, not when the answer has been made
    return job, kept is not None
