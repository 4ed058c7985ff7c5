"""The jobs of a batch as lines of JSON in the order submitted; written page by page as they are read, like exports."""

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from api.context import Use
from api.job_view import view_job
from storage.job_lists import JobFilter, JobPage, JobSort, list_attempts, list_jobs

_AT_ONCE: Final = 200
_ENCODER: Final = msgspec.json.Encoder()


async def first_results(use: Use, tenant_id: str, batch_id: str) -> JobPage:
    """What the results begin with; read before the answer begins, so that a failure is still told as one."""
    async with use.database.read() as tx:
        return await list_jobs(tx, tenant_id, JobFilter(batch_id=batch_id), limit=_AT_ONCE, sort=JobSort.OLDEST)


async def stream_results(use: Use, tenant_id: str, batch_id: str, page: JobPage, base: str) -> AsyncIterator[bytes]:
    """The jobs from `page` on, each with its `index`, as they stand when they are read. It breaks off with Postgres."""
    wanted = JobFilter(batch_id=batch_id)
    while True:
        failed = [job.id for job in page.jobs if job.error is not None]
        async with use.database.read() as tx:
            attempts = await list_attempts(tx, failed) if failed else []
        lines = bytearray()
        for job in page.jobs:
            view = view_job(job, [one for one in attempts if one.job_id == job.id], base)
            lines += b'{"index":%d,%b\n' % (job.batch_index or 0, _ENCODER.encode(view)[1:])
        yield bytes(lines)
        if page.end is None:
            return
        async with use.database.read() as tx:
            page = await list_jobs(tx, tenant_id, wanted, limit=_AT_ONCE, sort=JobSort.OLDEST, after=page.end)
