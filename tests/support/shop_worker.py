"""A worker that knows the kinds of orders, in a shop: submits jobs and runs them to their ends, on a real database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import msgspec

from domain.accounts.user import Caller
from domain.ids import JobId
from domain.jobs.job import Job, JobError, new_job
from domain.jobs.kind import Input, Kind, Result
from domain.orders.cancel_order import CANCEL_ORDER
from domain.orders.place_order import PLACE_ORDER
from domain.orders.ship_order import SHIP_ORDER
from runtime.unique_ids import new_id
from storage.jobs import find_job, submit_jobs
from tests.support.bench import execute, open_bench
from tests.support.shop import TENANT, open_shop
from workers.execute import Bench
from workers.handlers import bind
from workers.orders.cancel_order import cancel_order
from workers.orders.place_order import place_order
from workers.orders.ship_order import ship_order

ResultT = TypeVar("ResultT", bound=Result)

_BINDINGS: Final = (
    bind(PLACE_ORDER, place_order),
    bind(CANCEL_ORDER, cancel_order),
    bind(SHIP_ORDER, ship_order),
)


class ShopWorker:
    """Runs what it is given at once; follow-up jobs are left where they were submitted."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.database = bench.use.database

    async def run(self, kind: Kind[Any, Any], given: Input, caller_id: str) -> Job:
        """Submit a job and run one attempt at it."""
        return (await self.run_all([(kind, given, caller_id)]))[0]

    async def run_all(self, wanted: Sequence[tuple[Kind[Any, Any], Input, str]]) -> list[Job]:
        """Submit jobs and run them, all at once; in the order given."""
        ids = [await self.submit(kind, given, caller_id) for kind, given, caller_id in wanted]
        await execute(ids, self._bench)
        return [await self.read(job_id) for job_id in ids]

    async def submit(self, kind: Kind[Any, Any], given: Input, caller_id: str) -> JobId:
        caller = Caller(tenant_id=TENANT, user_id=caller_id, permissions=frozenset())
        job = new_job(kind, given, caller, job_id=JobId(new_id("job")))
        async with self.database.begin() as tx:
            await submit_jobs(tx, [job])
        return job.id

    async def read(self, job_id: JobId) -> Job:
        async with self.database.read() as tx:
            job = await find_job(tx, TENANT, job_id)
        assert job is not None
        return job


def result_of(job: Job, kind: Kind[Any, ResultT]) -> ResultT:
    """What the job gave back; it must have succeeded."""
    assert job.result is not None, job.error
    return msgspec.json.decode(job.result, type=kind.result)


def code_of(job: Job) -> str:
    """Why the job failed."""
    assert job.error is not None, job.state
    return msgspec.json.decode(job.error, type=JobError).code


@asynccontextmanager
async def open_shop_worker(database_url: str, redis_url: str, *, kill_points: str = "") -> AsyncIterator[ShopWorker]:
    """A worker in an open shop."""
    async with open_bench(
        database_url, redis_url, *_BINDINGS, slots=16, heartbeat_seconds=5, kill_points=kill_points
    ) as bench:
        await open_shop(bench.use.database)
        yield ShopWorker(bench)
