"""A list of jobs as a file: CSV for spreadsheets, NDJSON for programs; written as it is read, page by page.

Each page is a query of its own, and goes on where the last one ended: a client that reads slowly holds no connection to
Postgres, and no transaction open.
"""

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from api.context import Use
from api.job_view import view_job
from domain.jobs.job import Job, JobError
from storage.job_lists import Attempt, JobFilter, JobPage, JobSort, list_attempts, list_jobs

_AT_ONCE: Final = 500
_ENCODER: Final = msgspec.json.Encoder()
_ERROR: Final = msgspec.json.Decoder(JobError)

COLUMNS: Final = (
    "id", "kind", "state", "queue", "priority", "tags", "metadata", "attempt", "max_attempts", "created_at", "run_at",
    "started_at", "finished_at", "expires_at", "schedule_id", "batch_id", "parent_id", "error_code", "error_detail",
    "input", "result",
)  # fmt: skip
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes a cell for a formula by."""


class Format(StrEnum):
    """What the file is written in."""

    CSV = "csv"
    NDJSON = "ndjson"


MEDIA_TYPES: Final = {Format.CSV: "text/csv; charset=utf-8", Format.NDJSON: "application/x-ndjson"}


async def first_page(use: Use, tenant_id: str, wanted: JobFilter, sort: JobSort) -> JobPage:
    """What an export begins with; read before the answer begins, so that a failure is still told as one."""
    async with use.database.read() as tx:
        return await list_jobs(tx, tenant_id, wanted, limit=_AT_ONCE, sort=sort)


async def export_jobs(  # noqa: PLR0913 - what is written, and in what order and form
    use: Use, tenant_id: str, wanted: JobFilter, sort: JobSort, page: JobPage, *, form: Format, base: str
) -> AsyncIterator[bytes]:
    """The jobs from `page` on, as a file's pieces. If Postgres fails, the file breaks off."""
    write = _write_csv if form is Format.CSV else _write_json(base)
    if form is Format.CSV:
        yield _lines([COLUMNS])
    while True:
        failed = [job.id for job in page.jobs if job.error is not None]
        async with use.database.read() as tx:
            attempts = await list_attempts(tx, failed) if failed and form is Format.NDJSON else []
        if page.jobs:
            yield write(page.jobs, attempts)
        if page.end is None:
            return
        async with use.database.read() as tx:
            page = await list_jobs(tx, tenant_id, wanted, limit=_AT_ONCE, sort=sort, after=page.end)


def _write_json(base: str) -> Callable[[Sequence[Job], Sequence[Attempt]], bytes]:
    def write(jobs: Sequence[Job], attempts: Sequence[Attempt]) -> bytes:
        views = (view_job(job, [one for one in attempts if one.job_id == job.id], base) for job in jobs)
        return _ENCODER.encode_lines(views)

    return write


def _write_csv(jobs: Sequence[Job], _: Sequence[Attempt]) -> bytes:
    return _lines([_cells(job) for job in jobs])


def _cells(job: Job) -> list[str]:
    error = None if job.error is None else _ERROR.decode(job.error)
    known = {
        "tags": _ENCODER.encode(job.tags).decode(),
        "error_code": "" if error is None else error.code,
        "error_detail": "" if error is None else error.detail,
    }
    return [_cell(known[name] if name in known else getattr(job, name)) for name in COLUMNS]


def _cell(value: object) -> str:
    match value:
        case None:
            text = ""
        case bytes():
            text = value.decode()
        case datetime():
            text = value.isoformat().replace("+00:00", "Z")
        case _:
            text = str(value)
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue().encode()
