"""The life of an attempt over real stores: however it ends, the row says what became of it.

Long because an attempt can end in many ways, and a gap among their proofs would not be seen across files.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import text

from domain.jobs.job import Job, NewJob
from domain.jobs.state import State
from domain.jobs.verdict import Reject, Retry
from storage.database import DatabaseDown, open_database
from storage.events import events_after
from storage.job_lists import list_attempts
from storage.jobs import cancel_job, submit_jobs
from tests.support.bench import AskHandler, execute, open_bench, reaches, stored
from tests.support.jobs import ASK, TENANT, Ask, Reply, claim, make_job, submit
from workers.context import Context
from workers.execute import Bench


async def queue(bench: Bench, *new: NewJob) -> list[Job]:
    async with bench.use.database.begin() as tx:
        return await submit(tx, *new)


async def answer(ask: Ask, ctx: Context) -> Reply:
    return Reply(text=ask.question.upper())


async def test_a_job_that_returns_has_succeeded_with_its_result(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url, ask=answer) as bench:
        [job] = await queue(bench)
        await execute([job.id], bench)
        done = await stored(bench.use.database, job)
        assert (done.state, done.result, done.attempt, done.progress) == (State.SUCCEEDED, b'{"text":"WHY?"}', 1, 1.0)
        assert bench.slots.used == 0


async def test_a_message_that_comes_twice_runs_its_jobs_once(database_url: str, redis_url: str) -> None:
    runs: list[str] = []

    async def count(ask: Ask, ctx: Context) -> Reply:
        runs.append(ctx.job.id)
        return await answer(ask, ctx)

    async with open_bench(database_url, redis_url, ask=count) as bench:
        jobs = await queue(bench, *(make_job() for _ in range(20)))
        ids = [job.id for job in jobs]
        await asyncio.gather(execute(ids, bench), execute(ids[::-1], bench), execute(ids, bench))
        assert sorted(runs) == sorted(ids)


async def test_jobs_of_one_message_run_at_the_same_time_but_no_more_than_there_are_slots(
    database_url: str, redis_url: str
) -> None:
    running: set[str] = set()
    most = 0
    full = asyncio.Event()

    async def meet(ask: Ask, ctx: Context) -> Reply:
        nonlocal most
        running.add(ctx.job.id)
        most = max(most, len(running))
        if len(running) == 4:
            full.set()
        await full.wait()
        running.discard(ctx.job.id)
        return await answer(ask, ctx)

    async with open_bench(database_url, redis_url, ask=meet, slots=4) as bench:
        jobs = await queue(bench, *(make_job() for _ in range(12)))
        await execute([job.id for job in jobs], bench)
        assert most == 4
        assert {(await stored(bench.use.database, job)).state for job in jobs} == {State.SUCCEEDED}


def raising(error: Exception) -> AskHandler:
    async def fail(ask: Ask, ctx: Context) -> Reply:
        raise error

    return fail


async def test_an_error_is_tried_again_later_by_the_kinds_policy(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url, ask=raising(RuntimeError("secret detail"))) as bench:
        [job] = await queue(bench)
        await execute([job.id], bench)
        waiting = await stored(bench.use.database, job)
        assert waiting.state is State.SCHEDULED
        assert waiting.started_at is not None
        assert timedelta(seconds=1) <= waiting.run_at - waiting.started_at <= timedelta(seconds=4)
        assert b"secret detail" not in (waiting.error or b"")
        assert b"RuntimeError" in (waiting.error or b"")


async def test_a_retry_with_its_own_time_is_kept_to_it(database_url: str, redis_url: str) -> None:
    later = Retry("busy", after=timedelta(minutes=7))
    async with open_bench(database_url, redis_url, ask=raising(later)) as bench:
        [job] = await queue(bench)
        await execute([job.id], bench)
        waiting = await stored(bench.use.database, job)
        assert waiting.started_at is not None
        assert timedelta(minutes=7) <= waiting.run_at - waiting.started_at < timedelta(minutes=8)


async def test_a_rejected_job_fails_at_once_with_its_code(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url, ask=raising(Reject("no_such_thing", "It is not there."))) as bench:
        [job] = await queue(bench)
        await execute([job.id], bench)
        failed = await stored(bench.use.database, job)
        assert failed.state is State.FAILED
        assert b'"code":"no_such_thing"' in (failed.error or b"")


async def test_a_job_that_runs_out_of_attempts_is_a_dead_letter(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url, ask=raising(Retry("again"))) as bench:
        [job] = await queue(bench, make_job(max_attempts=1))
        await execute([job.id], bench)
        failed = await stored(bench.use.database, job)
        assert failed.state is State.FAILED
        assert b'"code":"attempts_exhausted"' in (failed.error or b"")


async def never_end(ask: Ask, ctx: Context) -> Reply:
    await asyncio.Event().wait()
    return await answer(ask, ctx)


async def test_an_attempt_that_outlives_its_timeout_is_cut_off(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url, ask=never_end) as bench:
        [job] = await queue(bench, make_job(timeout=timedelta(milliseconds=50), max_attempts=2))
        await execute([job.id], bench)
        waiting = await stored(bench.use.database, job)
        assert waiting.state is State.SCHEDULED
        assert b'"code":"timeout"' in (waiting.error or b"")


async def test_a_running_job_that_is_cancelled_is_stopped(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url, ask=never_end) as bench:
        [job] = await queue(bench)
        work = asyncio.create_task(execute([job.id], bench))
        await reaches(bench.use.database, job, State.RUNNING)
        async with bench.use.database.begin() as tx:
            await cancel_job(tx, TENANT, job.id)
        bench.use.wakeups.tell_cancelled([job.id])
        await work
        assert (await stored(bench.use.database, job)).state is State.CANCELLED


async def test_a_long_attempt_keeps_its_lease(database_url: str, redis_url: str) -> None:
    beats = asyncio.Event()

    async def outlive(ask: Ask, ctx: Context) -> Reply:
        await beats.wait()
        return await answer(ask, ctx)

    async with open_bench(database_url, redis_url, ask=outlive, lease_seconds=2.0, heartbeat_seconds=0.05) as bench:
        [job] = await queue(bench)
        work = asyncio.create_task(execute([job.id], bench))
        await reaches(bench.use.database, job, State.RUNNING)
        async with bench.use.database.read() as tx:
            first = (await tx.execute(text("SELECT lease_until FROM jobs"))).scalar_one()
            async with asyncio.timeout(5):
                while (await tx.execute(text("SELECT lease_until FROM jobs"))).scalar_one() <= first:
                    await asyncio.sleep(0.02)  # the row is what is waited for
        beats.set()
        await work
        assert (await stored(bench.use.database, job)).state is State.SUCCEEDED


async def test_an_attempt_whose_lease_is_taken_writes_nothing(database_url: str, redis_url: str) -> None:
    stolen = asyncio.Event()

    async def finish_late(ask: Ask, ctx: Context) -> Reply:
        try:
            await stolen.wait()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return await answer(ask, ctx)  # it ignores that it was told to stop
        raise AssertionError

    async with open_bench(database_url, redis_url, ask=finish_late) as bench:
        [job] = await queue(bench)
        work = asyncio.create_task(execute([job.id], bench))
        await reaches(bench.use.database, job, State.RUNNING)
        async with bench.use.database.begin() as tx:
            await tx.execute(text("UPDATE jobs SET lease = 'lease_other', worker = 'worker-2', attempt = 2"))
        stolen.set()
        await work
        row = await stored(bench.use.database, job)
        assert (row.state, row.lease, row.attempt) == (State.RUNNING, "lease_other", 2)


async def test_effects_and_follow_ups_commit_with_the_end_of_the_job(database_url: str, redis_url: str) -> None:
    async def spawn(ask: Ask, ctx: Context) -> Reply:
        async with ctx.settling() as tx:
            await submit_jobs(tx, [ctx.follow_up(ASK, Ask(question="and then?"))])
            return await answer(ask, ctx)

    async with open_bench(database_url, redis_url, ask=spawn) as bench:
        [job] = await queue(bench)
        await execute([job.id], bench)
        assert (await stored(bench.use.database, job)).state is State.SUCCEEDED
        async with bench.use.database.read() as tx:
            children = await tx.execute(text("SELECT state FROM jobs WHERE parent_id = :id"), {"id": job.id})
            assert list(children.scalars()) == ["queued"]


async def test_effects_of_an_attempt_that_fails_afterwards_are_undone(database_url: str, redis_url: str) -> None:
    async def spawn_and_fail(ask: Ask, ctx: Context) -> Reply:
        async with ctx.settling() as tx:
            await submit_jobs(tx, [ctx.follow_up(ASK, ask)])
        raise Reject("changed_its_mind", "No.")

    async with open_bench(database_url, redis_url, ask=spawn_and_fail) as bench:
        [job] = await queue(bench)
        await execute([job.id], bench)
        assert (await stored(bench.use.database, job)).state is State.FAILED
        async with bench.use.database.read() as tx:
            assert (await tx.execute(text("SELECT count(*) FROM jobs WHERE parent_id IS NOT NULL"))).scalar_one() == 0


async def test_effects_of_an_attempt_whose_lease_was_taken_are_undone(database_url: str, redis_url: str) -> None:
    claimed = asyncio.Event()

    async def spawn(ask: Ask, ctx: Context) -> Reply:
        async with ctx.settling() as tx:
            await submit_jobs(tx, [ctx.follow_up(ASK, ask)])
            await claimed.wait()
            return await answer(ask, ctx)

    async with open_bench(database_url, redis_url, ask=spawn, heartbeat_seconds=60) as bench:
        [job] = await queue(bench)
        work = asyncio.create_task(execute([job.id], bench))
        await reaches(bench.use.database, job, State.RUNNING)
        async with bench.use.database.begin() as tx:
            await tx.execute(text("UPDATE jobs SET lease = 'lease_other'"))
        claimed.set()
        await work
        async with bench.use.database.read() as tx:
            assert (await tx.execute(text("SELECT count(*) FROM jobs WHERE parent_id IS NOT NULL"))).scalar_one() == 0


async def test_a_stopping_worker_gives_its_jobs_back_without_using_an_attempt(
    database_url: str, redis_url: str
) -> None:
    async with open_bench(database_url, redis_url, ask=never_end) as bench:
        [job] = await queue(bench)
        work = asyncio.create_task(execute([job.id], bench))
        await reaches(bench.use.database, job, State.RUNNING)
        bench.is_draining = True
        await bench.leases.drain(0.05)
        await work
        back = await stored(bench.use.database, job)
        assert (back.state, back.attempt, back.crashes) == (State.QUEUED, 0, 0)


async def test_a_draining_worker_claims_nothing_and_hands_the_ids_back(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url, ask=answer) as bench:
        [job] = await queue(bench)
        async with bench.use.database.begin() as tx:
            await tx.execute(text("UPDATE outbox SET stage = 'sent', sent_at = now()"))
        bench.is_draining = True
        await execute([job.id], bench)
        async with bench.use.database.read() as tx:
            assert (await tx.execute(text("SELECT stage FROM outbox"))).scalar_one() == "due"


async def test_a_job_of_a_kind_this_worker_does_not_know_is_left_for_one_that_does(
    database_url: str, redis_url: str
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        [job] = await queue(bench)
        await execute([job.id], bench)
        assert (await stored(bench.use.database, job)).state is State.QUEUED


async def test_progress_and_logs_are_seen_while_the_job_runs(database_url: str, redis_url: str) -> None:
    async def report(ask: Ask, ctx: Context) -> Reply:
        await ctx.progress(0.25)
        await ctx.log("a quarter done")
        return await answer(ask, ctx)

    async with open_bench(database_url, redis_url, ask=report) as bench:
        [job] = await queue(bench)
        await execute([job.id], bench)
        async with bench.use.database.read() as tx:
            events = await events_after(tx, job.id, 0)
        assert [event.type.value for event in events] == ["queued", "started", "progress", "log", "succeeded"]


async def test_a_result_too_large_fails_the_job_and_says_so(database_url: str, redis_url: str) -> None:
    async def shout(ask: Ask, ctx: Context) -> Reply:
        return Reply(text="x" * (1 << 20))

    async with open_bench(database_url, redis_url, ask=shout) as bench:
        [job] = await queue(bench)
        await execute([job.id], bench)
        failed = await stored(bench.use.database, job)
        assert failed.state is State.FAILED
        assert b"result_too_large" in (failed.error or b"")


async def test_a_worker_that_breaks_before_it_writes_the_end_leaves_the_job_to_rescue(
    database_url: str, redis_url: str
) -> None:
    async with open_bench(database_url, redis_url, ask=answer, kill_points="result.before_write=raise") as bench:
        [job] = await queue(bench)
        await execute([job.id], bench)
        assert (await stored(bench.use.database, job)).state is State.RUNNING
        assert bench.slots.used == 0
        async with bench.use.database.read() as tx:
            assert await list_attempts(tx, [job.id]) == []


async def test_a_claim_that_breaks_takes_no_slots_with_it(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url, ask=answer, kill_points="worker.after_claim=raise") as bench:
        [job] = await queue(bench)
        with pytest.raises(ExceptionGroup):
            await execute([job.id], bench)
        assert bench.slots.used == 0


async def test_claims_of_one_job_by_two_workers_give_it_to_one(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url, ask=answer) as bench:
        [job] = await queue(bench)
        async with bench.use.database.begin() as tx:
            [held] = await claim(tx, job, worker="worker-2")
        await execute([job.id], bench)
        assert (await stored(bench.use.database, job)).lease == held.lease


async def test_a_handler_that_ignores_its_cancellation_is_left_behind_in_bounded_time(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.execute._STOP_SECONDS", 0.05)
    let_go = asyncio.Event()

    async def stubborn(ask: Ask, ctx: Context) -> Reply:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        return await answer(ask, ctx)

    async with open_bench(database_url, redis_url, ask=stubborn) as bench:
        [job] = await queue(bench, make_job(timeout=timedelta(hours=1)))
        work = asyncio.create_task(execute([job.id], bench))
        await reaches(bench.use.database, job, State.RUNNING)
        async with bench.use.database.begin() as tx:
            await cancel_job(tx, TENANT, job.id)
        async with asyncio.timeout(5):
            await work
        assert (await stored(bench.use.database, job)).state is State.CANCELLED
        let_go.set()


async def test_the_codes_of_failed_attempts_are_told_to_who_rang(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url, ask=raising(Reject("no_such_thing", "No."))) as bench:
        [job] = await queue(bench)
        assert await execute([job.id], bench) == ["no_such_thing"]
        assert await execute([job.id], bench) == []


async def test_a_database_that_turns_read_only_stops_no_heartbeat_for_good(database_url: str, redis_url: str) -> None:
    name = database_url.rsplit("/", 1)[1].split("?", maxsplit=1)[0]
    async with open_bench(database_url, redis_url, ask=answer) as bench:

        async def say(statement: str) -> None:
            """From outside, to a server that then greets everybody anew, so that what was said holds for all."""
            outside = open_database(database_url, name="outside", size=1)
            async with outside.read(within_seconds=60) as tx:
                await tx.execute(text("SET default_transaction_read_only = off"))
                await tx.execute(text(f"ALTER DATABASE {name} {statement}"))
                await tx.execute(text(CUT_OTHERS))
            await outside.close()
            with suppress(DatabaseDown):  # one that was used a moment ago is believed in, until it fails
                await bench.use.database.ping()

        async def last_beat() -> object:
            async with bench.use.database.read() as tx:
                return (await tx.execute(text("SELECT seen_at FROM workers"))).scalar_one_or_none()

        async def beats_on() -> None:
            before = await last_beat()
            async with asyncio.timeout(30):
                while await last_beat() == before:
                    await asyncio.sleep(0.02)

        await beats_on()
        await say("SET default_transaction_read_only = on")
        with pytest.raises(DatabaseDown):
            await rename_workers(bench)
        await say("RESET default_transaction_read_only")
        await beats_on()


CUT_OTHERS = """
SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database()
"""


async def rename_workers(bench: Bench) -> None:
    async with bench.use.database.begin() as tx:
        await tx.execute(text("UPDATE workers SET name = name"))


async def test_a_settlement_that_meets_a_broken_connection_is_written_again_and_is_no_crash(
    database_url: str, redis_url: str
) -> None:
    async def spawn(ask: Ask, ctx: Context) -> Reply:
        async with ctx.settling() as tx:
            await submit_jobs(tx, [ctx.follow_up(ASK, ask)])
            pid = (await tx.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        async with ctx.use.database.read() as other:
            await other.execute(text("SELECT pg_terminate_backend(:pid, 1000)"), {"pid": pid})
        return await answer(ask, ctx)

    async with open_bench(database_url, redis_url, ask=spawn) as bench:
        [job] = await queue(bench)
        assert await execute([job.id], bench) == []
        again = await stored(bench.use.database, job)
        assert (again.state, again.crashes) == (State.SCHEDULED, 0)
        async with bench.use.database.read() as tx:
            assert (await tx.execute(text("SELECT count(*) FROM jobs"))).scalar_one() == 1


async def test_an_error_whose_words_no_store_takes_is_kept_all_the_same(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url, ask=raising(Reject("odd", "a\0b\udc80c"))) as bench:
        [job] = await queue(bench)
        await execute([job.id], bench)
        assert b'"detail":"ab?c"' in ((await stored(bench.use.database, job)).error or b"")


async def test_a_job_claimed_at_the_last_moment_of_a_stop_is_given_back_too(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url, ask=never_end) as bench:
        [first, late] = await queue(bench, make_job(), make_job())
        work = asyncio.create_task(execute([first.id], bench))
        await reaches(bench.use.database, first, State.RUNNING)
        await bench.leases.drain(0.01)
        await work
        await execute([late.id], bench)
        assert (await stored(bench.use.database, late)).state is State.QUEUED


async def test_a_worker_that_heard_nothing_of_postgres_for_a_lease_gives_its_jobs_back(
    database_url: str, redis_url: str
) -> None:
    begun = asyncio.Event()

    async def begin_and_never_end(given: Ask, ctx: Context) -> Reply:
        begun.set()
        return await never_end(given, ctx)

    async with open_bench(database_url, redis_url, ask=begin_and_never_end) as bench:
        [job] = await queue(bench)
        work = asyncio.create_task(execute([job.id], bench))
        await begun.wait()
        bench.leases.give_up()
        await work
        back = await stored(bench.use.database, job)
        assert (back.state, back.attempt, back.crashes) == (State.QUEUED, 0, 0)
