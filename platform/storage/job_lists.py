"""Reading jobs: lists with filters and cursors, attempts, counts."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ARRAY, ColumnElement, Row, Text, and_, any_, cast, func, literal, or_, select, text, true, tuple_

from domain.jobs.job import Job
from domain.words import words_of
from storage.database import Tx
from storage.jobs import ROW, as_job
from storage.tables import jobs

_ROW: Final = text(ROW)
_MARKS: Final = [jobs.c.id, jobs.c.priority, jobs.c.finished_at]
_MOST_LOOKED_AT: Final = 5_000
_MOST_SEARCHED: Final = 10_000

_ATTEMPTS: Final = text("""
SELECT job_id, attempt, worker, started_at, finished_at, outcome, code, detail
FROM attempts WHERE job_id = ANY(CAST(:ids AS text[])) ORDER BY id
""")

_COUNTS: Final = text("""
SELECT queue, CASE stage WHEN 'waiting' THEN 'scheduled' ELSE 'queued' END AS state, count(*), min(due_at) FROM outbox
GROUP BY queue, state
UNION ALL
SELECT queue, 'running', count(*), min(started_at) FROM jobs WHERE state = 'running' GROUP BY queue
""")


class JobSort(StrEnum):
    """What jobs are listed by, a minus in front from the largest down; those not finished come last."""

    NEWEST = "-created_at"
    OLDEST = "created_at"
    LOWEST = "priority"
    HIGHEST = "-priority"
    FINISHED_FIRST = "finished_at"
    FINISHED_LAST = "-finished_at"

    @property
    def descends(self) -> bool:
        """Whether the largest comes first."""
        return self.startswith("-")


class Mark(Struct, frozen=True):
    """Where in a list a page ends: the last job's id, and what it is sorted by, if that is something else."""

    id: str
    at: int | datetime | None = None


class JobPage(Struct, frozen=True):
    """Jobs of a list, and where it goes on; None: here it ends."""

    jobs: list[Job]
    end: Mark | None


class JobFilter(Struct, frozen=True, kw_only=True):
    """Which jobs of a tenant; what is None does not narrow.

    All words of `q` are looked for in input, result, error, tags and metadata, whatever the case; of an input and a
    result in the first 10,000 characters.
    """

    q: str | None = None
    states: tuple[str, ...] = ()
    kind: str | None = None
    queue: str | None = None
    tag: str | None = None
    batch_id: str | None = None
    schedule_id: str | None = None
    error_codes: tuple[str, ...] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None


class Step(Struct, frozen=True):
    """Jobs that match among the next of a walk, and where it goes on; None: here it ends."""

    ids: list[str]
    end: str | None


class Attempt(Struct, frozen=True, kw_only=True):
    """One try at running a job, as it ended."""

    job_id: str
    attempt: int
    worker: str
    started_at: datetime
    finished_at: datetime
    outcome: str
    code: str | None
    detail: str | None


class QueueCount(Struct, frozen=True, kw_only=True):
    """How many live jobs of a queue stand in one state, and since when the oldest."""

    queue: str
    state: str
    count: int
    oldest: datetime


async def list_jobs(  # noqa: PLR0913 - a list has these many sides
    tx: Tx,
    tenant_id: str,
    wanted: JobFilter,
    *,
    limit: int,
    sort: JobSort = JobSort.NEWEST,
    after: Mark | None = None,
) -> JobPage:
    """At most `limit` of a tenant's jobs in the order of `sort`, those past `after`.

    A page for a `q` may be short, or empty, and not be the last: no more than 5,000 jobs are looked at for one.
    """
    place = _place(sort)
    order = [column.desc() if sort.descends else column for column in place]
    past: ColumnElement[bool] = true()
    if after is not None:
        mark = tuple_(*_values(after, sort)) if len(place) > 1 else literal(after.id)
        here = tuple_(*place) if len(place) > 1 else jobs.c.id
        past = here < mark if sort.descends else here > mark
    query = select(_ROW).select_from(jobs).where(jobs.c.tenant_id == tenant_id, _matches(wanted), past).order_by(*order)
    if wanted.q is None:
        # one more than is shown tells whether there is a next page
        found = [as_job(row) for row in await tx.execute(query.limit(limit + 1))]
        return JobPage(found[:limit], _mark(found[limit - 1], sort) if len(found) > limit else None)
    looked_at = list((await tx.execute(query.with_only_columns(*_MARKS).limit(_MOST_LOOKED_AT))).all())
    ids = [row.id for row in looked_at]
    search = (
        select(_ROW)
        .select_from(jobs)
        .where(jobs.c.id == any_(literal(ids, ARRAY(Text))), _contains(wanted.q))
        .order_by(*order)
        .limit(limit + 1)
    )
    found = [as_job(row) for row in await tx.execute(search)]
    if len(found) > limit:
        return JobPage(found[:limit], _mark(found[limit - 1], sort))
    return JobPage(found, _mark(looked_at[-1], sort) if len(looked_at) == _MOST_LOOKED_AT else None)


async def walk_jobs(  # noqa: PLR0913 - which jobs, and how far
    tx: Tx,
    tenant_id: str,
    wanted: JobFilter,
    *,
    after: str | None,
    until: datetime,
    had_ended: bool,
    limit: int,
) -> Step:
    """At most `limit` of a tenant's jobs that match, by id, past `after`; no more than 5,000 are looked at.

    Only jobs made by `until`; with `had_ended`, only those that had ended by then, too.
    """
    ahead = and_(jobs.c.tenant_id == tenant_id, jobs.c.id > (after or ""))
    furthest = select(jobs.c.id).where(ahead).order_by(jobs.c.id).offset(_MOST_LOOKED_AT - 1).limit(1)
    last: str | None = (await tx.execute(furthest)).scalar_one_or_none()
    found = select(jobs.c.id).where(ahead, jobs.c.created_at <= until, _matches(wanted)).order_by(jobs.c.id)
    if last is not None:
        found = found.where(jobs.c.id <= last)
    if had_ended:
        found = found.where(jobs.c.finished_at <= until)
    if wanted.q is not None:
        found = found.where(_contains(wanted.q))
    ids = list((await tx.execute(found.limit(limit))).scalars())
    return Step(ids, ids[-1] if len(ids) == limit else last)


async def list_attempts(tx: Tx, job_ids: Sequence[str]) -> list[Attempt]:
    """The ended attempts of jobs, in the order they ended."""
    rows = await tx.execute(_ATTEMPTS, {"ids": list(job_ids)})
    return [Attempt(**row) for row in rows.mappings()]


async def count_live(tx: Tx) -> list[QueueCount]:
    """Live jobs by queue and state, of all tenants. Reads the outbox and what runs, never what has ended."""
    rows = await tx.execute(_COUNTS)
    return [QueueCount(queue=queue, state=state, count=count, oldest=oldest) for queue, state, count, oldest in rows]


def _place(sort: JobSort) -> list[ColumnElement[Any]]:
    """What decides the order, to the last: ids are given out in time, and no two are the same."""
    match sort:
        case JobSort.NEWEST | JobSort.OLDEST:
            return [jobs.c.id]
        case JobSort.LOWEST | JobSort.HIGHEST:
            return [jobs.c.priority, jobs.c.id]
        case JobSort.FINISHED_FIRST | JobSort.FINISHED_LAST:
            return [func.coalesce(jobs.c.finished_at, _never(sort)), jobs.c.id]


def _never(sort: JobSort) -> ColumnElement[Any]:
    return cast(literal("-infinity" if sort.descends else "infinity", Text), jobs.c.finished_at.type)


def _values(mark: Mark, sort: JobSort) -> list[ColumnElement[Any]]:
    at = _never(sort) if mark.at is None else literal(mark.at)
    return [at, literal(mark.id)]


def _mark(job: Job | Row[Any], sort: JobSort) -> Mark:
    match sort:
        case JobSort.NEWEST | JobSort.OLDEST:
            return Mark(job.id)
        case JobSort.LOWEST | JobSort.HIGHEST:
            return Mark(job.id, job.priority)
        case JobSort.FINISHED_FIRST | JobSort.FINISHED_LAST:
            return Mark(job.id, job.finished_at)


def _contains(sought: str) -> ColumnElement[bool]:
    return and_(*(_contains_word(word) for word in words_of(sought)))


def _contains_word(word: str) -> ColumnElement[bool]:
    # as it would stand inside a string of JSON; a backslash in the tags is none
    spelled = msgspec.json.encode(word).decode()[1:-1]
    return or_(
        func.left(cast(jobs.c.input, Text), _MOST_SEARCHED).icontains(spelled, autoescape=True),
        cast(jobs.c.metadata, Text).icontains(spelled, autoescape=True),
        func.array_to_string(jobs.c.tags, "\n").icontains(word, autoescape=True),
        func.left(cast(jobs.c.result, Text), _MOST_SEARCHED).icontains(spelled, autoescape=True),
        cast(jobs.c.error, Text).icontains(spelled, autoescape=True),
    )


def _matches(wanted: JobFilter) -> ColumnElement[bool]:
    narrowed: list[ColumnElement[Any]] = [
        jobs.c[name] == value
        for name in ("kind", "queue", "batch_id", "schedule_id")
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.states:
        narrowed.append(jobs.c.state.in_(wanted.states))
    if wanted.tag is not None:
        narrowed.append(literal(wanted.tag) == any_(jobs.c.tags))
    if wanted.error_codes:
        narrowed.append(jobs.c.error["code"].as_string().in_(wanted.error_codes))
    if wanted.created_after is not None:
        narrowed.append(jobs.c.created_at > wanted.created_after)
    if wanted.created_before is not None:
        narrowed.append(jobs.c.created_at < wanted.created_before)
    return and_(true(), *narrowed)
