"""`Prefer: wait=N` (RFC 7240): answer when the job is finished, or after N seconds."""

import re
import time
from typing import Final

from litestar.datastructures import Headers

from api.context import Use
from api.headers import combined
from domain.jobs.job import Job
from runtime.news import News
from storage.jobs import find_job

WAITS: Final = {"waits": True}
"""Given as `opt` to routes that honour the header, for the description to tell."""

ANEW: Final = {"anew": True}
"""Given as `opt` to routes that submit texts, which honour `Cache-Control`, for the description to tell."""

LONGEST_WAIT_SECONDS: Final = 60
_NO_CACHE: Final = re.compile(r"(?:^|[,\s])no-cache\s*(?:$|[,=])", re.IGNORECASE)

_POLL_SECONDS: Final = 1.0
_WAIT: Final = re.compile(r'(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,30})"?\s*(?:$|[,;])', re.IGNORECASE)


def wanted_wait(headers: Headers) -> int | None:
    """The seconds the request asks to wait, at most 60; None when it does not ask."""
    match = _WAIT.search(combined(headers, "prefer"))
    return None if match is None else min(int(match[1]), LONGEST_WAIT_SECONDS)


def wants_anew(headers: Headers) -> bool:
    """Whether the request asks that nothing kept from before be the answer (`no-cache`, RFC 9111)."""
    return _NO_CACHE.search(combined(headers, "cache-control")) is not None


async def wait_for_end(use: Use, job: Job, news: News, seconds: float) -> Job:
    """The job when it is finished, or as it stands after `seconds`, or when the process is about to stop.

    A wake-up may be lost, so the row is read once a second besides.
    """
    deadline = time.monotonic() + seconds
    while not job.is_terminal and not use.draining.is_set() and (left := deadline - time.monotonic()) > 0:
        await news.wait(min(left, _POLL_SECONDS))
        async with use.database.read() as tx:
            found = await find_job(tx, job.tenant_id, job.id)
        if found is None:
            break
        job = found
    return job
