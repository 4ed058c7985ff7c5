"""Bulk actions: what matches is moved, once, whoever dies or works beside."""

import asyncio

import pytest
from sqlalchemy import text

from domain.jobs.bulk import BulkState, BulkVerb
from domain.jobs.job import Job, JobError
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from runtime.kill_points import KillPointReached
from runtime.unique_ids import new_id
from storage import job_lists
from storage.accounts import add_tenant
from storage.bulk import BulkAction, NewBulkAction, abort_bulk_action, add_bulk_action, find_bulk_action
from storage.database import Database
from storage.events import events_after
from storage.job_lists import JobFilter
from storage.jobs import Settlement, find_jobs, settle_jobs
from tests.support.bench import open_bench
from tests.support.jobs import TENANT, USER, claim, make_job, submit
from workers.bulk import take_a_turn
from workers.execute import Bench

FAILED = ("failed",)
LIVE = ("queued", "running", "scheduled")


async def fail(
    database: Database, count: int, code: str = "attempts_exhausted", tags: tuple[str, ...] = ()
) -> list[Job]:
    """So many jobs that failed with `code`."""
    error = JobError(code=code, title="No", detail="It did not work.", retryable=False)
    async with database.begin() as tx:
        held = await claim(tx, *await submit(tx, *(make_job(tags=tags) for _ in range(count))))
        return await settle_jobs(
            tx,
            [
                Settlement(job_id=job.id, lease=job.lease or "", verdict=Verdict(state=State.FAILED, error=error))
                for job in held
            ],
        )


async def ask(  # noqa: PLR0913 - what some test is about
    database: Database,
    action: BulkVerb = BulkVerb.RETRY,
    wanted: JobFilter | None = None,
    *,
    rate: int = 1000,
    dry_run: bool = False,
    tenant_id: str = TENANT,
) -> BulkAction:
    wanted = wanted or JobFilter(states=FAILED if action is BulkVerb.RETRY else LIVE)
    async with database.begin() as tx:
        return await add_bulk_action(
            tx,
            NewBulkAction(
                id=new_id("bulk"),
                tenant_id=tenant_id,
                caller_id=USER,
                action=action,
                wanted=wanted,
                dry_run=dry_run,
                rate_per_second=rate,
            ),
        )


async def now_of(database: Database, action: BulkAction) -> BulkAction:
    async with database.read() as tx:
        found = await find_bulk_action(tx, action.tenant_id, action.id)
    assert found is not None
    return found


async def let_time_pass(database: Database) -> None:
    """No action has to wait for its turn any more."""
    async with database.begin() as tx:
        await tx.execute(text("UPDATE bulk_actions SET next_at = least(next_at, now())"))


async def carry_out(bench: Bench, action: BulkAction) -> BulkAction:
    """Take turns, without the pauses, until the action is finished."""
    async with asyncio.timeout(20):
        while not (found := await now_of(bench.use.database, action)).is_finished:
            await let_time_pass(bench.use.database)
            await take_a_turn(bench.use)
    return found


async def states_of(database: Database, jobs: list[Job]) -> list[State]:
    async with database.read() as tx:
        found = {job.id: job.state for job in await find_jobs(tx, [job.id for job in jobs])}
    return [found[job.id] for job in jobs]


async def test_what_matches_is_queued_again_and_nothing_else(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        database = bench.use.database
        dead = await fail(database, 5, tags=("a",))
        others = [*await fail(database, 2, tags=("b",)), *await fail(database, 2, "out_of_stock", tags=("a",))]
        wanted = JobFilter(states=FAILED, tag="a", error_codes=("attempts_exhausted", "crashed"))
        end = await carry_out(bench, await ask(database, wanted=wanted))
        assert (end.state, end.matched, end.done, end.skipped) == (BulkState.DONE, 5, 5, 0)
        assert set(await states_of(database, dead)) == {State.QUEUED}
        assert set(await states_of(database, others)) == {State.FAILED}


async def test_waiting_jobs_are_cancelled_and_running_ones_told_to_stop(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        database = bench.use.database
        async with database.begin() as tx:
            waiting = await submit(tx, make_job(), make_job())
            running = await claim(tx, *await submit(tx))
        end = await carry_out(bench, await ask(database, BulkVerb.CANCEL))
        assert (end.done, end.skipped) == (3, 0)
        assert await states_of(database, waiting) == [State.CANCELLED, State.CANCELLED]
        async with database.read() as tx:
            assert (await find_jobs(tx, [running[0].id]))[0].cancel_requested_at is not None


async def test_a_dry_run_counts_and_moves_nothing(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        dead = await fail(bench.use.database, 7)
        end = await carry_out(bench, await ask(bench.use.database, dry_run=True, rate=1))
        assert (end.state, end.matched, end.done, end.skipped) == (BulkState.DONE, 7, 0, 0)
        assert set(await states_of(bench.use.database, dead)) == {State.FAILED}


async def test_jobs_that_failed_after_it_was_asked_are_left_alone(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        action = await ask(bench.use.database)
        late = await fail(bench.use.database, 3)
        assert (await carry_out(bench, action)).matched == 0
        assert set(await states_of(bench.use.database, late)) == {State.FAILED}


async def test_one_who_dies_in_a_turn_has_done_nothing_and_the_next_goes_on(database_url: str, redis_url: str) -> None:
    async with (
        open_bench(database_url, redis_url) as bench,
        open_bench(database_url, redis_url, kill_points="bulk.before_commit=raise") as doomed,
    ):
        database = bench.use.database
        dead = await fail(database, 30)
        action = await ask(database, rate=40)  # three turns
        assert await take_a_turn(bench.use)
        assert (await now_of(database, action)).done == 10
        await let_time_pass(database)
        with pytest.raises(KillPointReached):
            await take_a_turn(doomed.use)
        assert (await now_of(database, action)).done == 10
        assert not await take_a_turn(bench.use), "an action whose turn failed lets others go first"
        end = await carry_out(bench, action)
        assert (end.matched, end.done) == (30, 30)
        async with database.read() as tx:
            for job in dead:
                types = [event.type.value for event in await events_after(tx, job.id, 0)]
                assert types == ["queued", "started", "failed", "queued"]


async def test_relays_that_race_for_an_action_move_each_job_once(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as one, open_bench(database_url, redis_url) as other:
        dead = await fail(one.use.database, 40)
        action = await ask(one.use.database, rate=20)
        ends = await asyncio.gather(*(carry_out(bench, action) for bench in (one, other, one, other)))
        assert {(end.matched, end.done, end.skipped) for end in ends} == {(40, 40, 0)}
        async with one.use.database.read() as tx:
            assert {job.seq for job in await find_jobs(tx, [job.id for job in dead])} == {4}


async def test_actions_take_turns_whosever_they_are(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        database, other = bench.use.database, new_id("tenant")
        await fail(database, 40)
        async with database.begin() as tx:
            await add_tenant(tx, other, "others")
        large = await ask(database, rate=40)
        small = await ask(database, tenant_id=other)
        assert await take_a_turn(bench.use)
        assert await take_a_turn(bench.use)
        assert (await now_of(database, large)).state is BulkState.RUNNING
        assert (await now_of(database, small)).state is BulkState.DONE


async def test_a_tenant_with_one_action_does_not_wait_for_all_of_anothers(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        database, other = bench.use.database, new_id("tenant")
        async with database.begin() as tx:
            await add_tenant(tx, other, "others")
        for _ in range(5):
            await ask(database)
        one = await ask(database, tenant_id=other)
        had: dict[str, None] = {}
        for _ in range(2):
            assert await take_a_turn(bench.use, had)
        assert (await now_of(database, one)).state is BulkState.DONE


async def test_an_action_that_nobody_can_read_lets_the_others_go_on(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        database = bench.use.database
        strange, plain = await ask(database), await ask(database)
        async with database.begin() as tx:
            spoil = text("""UPDATE bulk_actions SET filter = '{"states": 7}' WHERE id = :id""")
            await tx.execute(spoil, {"id": strange.id})
        assert not await take_a_turn(bench.use)
        assert await take_a_turn(bench.use)
        assert (await now_of(database, plain)).state is BulkState.DONE


async def test_the_next_turn_has_to_wait_for_as_long_as_the_rate_says(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        await fail(bench.use.database, 3)
        action = await ask(bench.use.database, rate=1)
        assert await take_a_turn(bench.use)
        async with bench.use.database.read() as tx:
            wait = text("SELECT extract(epoch FROM next_at - started_at) FROM bulk_actions")
            assert 0.75 <= float((await tx.execute(wait)).scalar_one()) <= 1
        assert (await now_of(bench.use.database, action)).done == 1
        assert not await take_a_turn(bench.use)


async def test_an_aborted_action_moves_nothing_more(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        database = bench.use.database
        dead = await fail(database, 30)
        action = await ask(database, rate=40)
        await take_a_turn(bench.use)
        async with database.begin() as tx:
            await abort_bulk_action(tx, TENANT, action.id)
        await let_time_pass(database)
        assert not await take_a_turn(bench.use)
        end = await now_of(database, action)
        assert (end.state, end.done) == (BulkState.ABORTED, 10)
        assert (await states_of(database, dead)).count(State.QUEUED) == 10


async def test_jobs_that_do_not_match_are_passed_over_a_stretch_at_a_time(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_lists, "_MOST_LOOKED_AT", 4)
    async with open_bench(database_url, redis_url) as bench:
        database = bench.use.database
        await fail(database, 9, "out_of_stock")
        dead = await fail(database, 3)
        await fail(database, 6, "out_of_stock")
        action = await ask(database, wanted=JobFilter(states=FAILED, q="why", error_codes=("attempts_exhausted",)))
        assert await take_a_turn(bench.use)
        assert (await now_of(database, action)).matched == 0
        assert (await carry_out(bench, action)).done == 3
        assert set(await states_of(database, dead)) == {State.QUEUED}
