"""A job as the API shows it."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from domain.jobs.job import Job
from domain.jobs.shown import FailedAttempt, JobView, Time, show_job
from storage.job_lists import Attempt

__all__ = ["AttemptView", "JobView", "Time", "etag", "matches", "view_attempt", "view_job"]


class AttemptView(Struct, frozen=True, kw_only=True):
    """One try at running a job, as it ended; `outcome` is the state it left the job in."""

    attempt: int
    worker: str
    started_at: Time
    finished_at: Time
    outcome: str
    code: str | None
    detail: str | None


def view_job(job: Job, attempts: Sequence[Attempt], base: str) -> JobView:
    """The job as shown to a client that reached us at `base`; `attempts` are the job's own."""
    failed = [
        FailedAttempt(attempt=one.attempt, at=one.finished_at, code=one.code, detail=one.detail or "")
        for one in attempts
        if one.code is not None
    ]
    return show_job(job, failed, base)


def view_attempt(attempt: Attempt) -> AttemptView:
    """An attempt as shown."""
    return msgspec.convert(attempt, AttemptView, from_attributes=True)


def etag(job: Job) -> str:
    """Names the version of the row: it changes with every event."""
    return f'"{job.seq}"'


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether a client that sent this header already has the version `tag` (RFC 9110, weak comparison)."""
    given = {part.strip().removeprefix("W/") for part in (if_none_match or "").split(",")}
    return "*" in given or tag in given
