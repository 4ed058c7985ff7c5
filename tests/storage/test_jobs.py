"""Every move of a job is one guarded statement, and its answer is the truth.

Long because a job has many moves, and a gap among their proofs would not be seen across files.
"""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import text

from domain.jobs.events import EventType
from domain.jobs.job import Job, JobError
from domain.jobs.state import MOVES, State
from domain.jobs.verdict import Verdict
from storage.database import Database, Tx
from storage.events import append_event, events_after
from storage.job_lists import list_attempts
from storage.jobs import (
    Settlement,
    cancel_job,
    cancel_jobs,
    expire_jobs,
    extend_leases,
    find_job,
    note_progress,
    retry_job,
    settle_jobs,
    submit_jobs,
    take_lapsed,
)
from tests.support.jobs import TENANT, claim, make_job, submit

FAILURE = JobError(code="timeout", title="Too slow", detail="It was too slow.", retryable=True)
SUCCESS = Verdict(state=State.SUCCEEDED, result=b'{"text":"because"}')


def ended(job: Job, verdict: Verdict = SUCCESS, lease: str | None = None) -> Settlement:
    return Settlement(job_id=job.id, lease=lease or job.lease or "", verdict=verdict)


async def stored(tx: Tx, job: Job) -> Job:
    found = await find_job(tx, TENANT, job.id)
    assert found is not None
    return found


async def event_types(tx: Tx, job: Job) -> list[str]:
    events = await events_after(tx, job.id, 0)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return [event.type.value for event in events]


async def outbox_of(tx: Tx, job: Job) -> str | None:
    stage = await tx.execute(text("SELECT stage FROM outbox WHERE job_id = :id"), {"id": job.id})
    found: str | None = stage.scalar_one_or_none()
    return found


async def test_a_submitted_job_has_its_row_its_outbox_row_and_its_first_event(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await submit(tx, make_job(tags=("a", "b"), metadata={"k": "v"}, priority=7))
    async with database.read() as tx:
        found = await stored(tx, job)
        assert found == job
        assert (found.state, found.tags, found.metadata, found.priority) == (State.QUEUED, ("a", "b"), b'{"k":"v"}', 7)
        assert await outbox_of(tx, job) == "due"
        assert await event_types(tx, job) == ["queued"]


async def test_many_jobs_come_back_in_the_order_they_were_given(database: Database) -> None:
    new = [make_job(priority=number % 50) for number in range(300)]
    async with database.begin() as tx:
        jobs = await submit(tx, *reversed(new))
    assert [job.id for job in jobs] == [job.id for job in reversed(new)]


async def test_what_is_submitted_in_a_transaction_that_fails_was_never_there(database: Database) -> None:
    new = make_job()
    with pytest.raises(RuntimeError):  # noqa: PT012 - what is raised inside the block is the point
        async with database.begin() as tx:
            await submit(tx, new)
            raise RuntimeError
    async with database.read() as tx:
        assert await find_job(tx, TENANT, new.id) is None


async def test_what_is_json_is_kept_byte_for_byte_whatever_it_holds(database: Database) -> None:
    odd = b'{"question" :  "\\u00e9 \xc3\xa9 \xe2\x9c\x93 \\u0000 \\ud83d", "n":1.0, "big":12345678901234567890}'
    async with database.begin() as tx:
        [job] = await submit_jobs(tx, [replace(make_job(), input=odd, answer=b"[" + odd + b",null]")])
        found = await stored(tx, job)
    assert found == job
    assert (found.input, found.result) == (odd, b"[" + odd + b",null]")
    assert (found.error, found.usage) == (None, None)


async def test_everything_that_is_said_of_a_job_is_written_and_read(database: Database) -> None:
    at = datetime(2031, 2, 3, 4, 5, 6, 789012, tzinfo=timezone(timedelta(hours=23, minutes=59)))
    new = replace(
        make_job(priority=7, tags=('a "tag"', "{b,c}", "ü\\"), metadata={"k": "v\n\u2028'"}, concurrency_key="k'1\\"),
        timeout_seconds=2.5,
        run_at=at,
        expires_in_seconds=60.25,
        request_id="req_1",
        traceparent="00-1-2-03",
        webhook_url="https://example.com/hook?a=b&c",
        no_cache=True,
    )
    async with database.begin() as tx:
        [job] = await submit_jobs(tx, [new])
        assert await stored(tx, job) == job
    same = {name for name in new.__struct_fields__ if hasattr(job, name)}
    given, written = (msgspec.structs.asdict(one) for one in (new, job))
    assert {name: written[name] for name in same} == {name: given[name] for name in same} | {
        "metadata": msgspec.json.encode(new.metadata)
    }
    assert job.expires_at == job.created_at + timedelta(seconds=60.25)
    assert (job.state, job.seq, job.attempt, job.progress) == (State.SCHEDULED, 0, 0, None)


async def test_a_delayed_job_waits_and_is_not_claimed(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await submit(tx, make_job(delay=timedelta(hours=1)))
        assert job.state is State.SCHEDULED
        assert job.run_at - job.created_at == timedelta(hours=1)
        assert await outbox_of(tx, job) == "waiting"
        assert await claim(tx, job) == []


async def test_another_tenants_job_is_not_found(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await submit(tx)
        assert await find_job(tx, "tenant_other", job.id) is None
        assert await cancel_job(tx, "tenant_other", job.id) is None
        assert await retry_job(tx, "tenant_other", job.id) is None


async def test_of_many_claims_at_once_one_wins(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await submit(tx)

    async def try_to_claim() -> list[Job]:
        async with database.begin() as tx:
            return await claim(tx, job)

    claims = await asyncio.gather(*(try_to_claim() for _ in range(20)))
    assert sorted(map(len, claims)) == [0] * 19 + [1]


async def test_claiming_the_same_ids_in_two_orders_never_deadlocks(database: Database) -> None:
    async with database.begin() as tx:
        jobs = await submit(tx, *(make_job() for _ in range(200)))

    async def take(some: list[Job]) -> list[Job]:
        async with database.begin() as tx:
            return await claim(tx, *some)

    claimed = await asyncio.gather(take(jobs), take(jobs[::-1]), take(jobs[100:] + jobs[:100]))
    assert sorted(job.id for some in claimed for job in some) == sorted(job.id for job in jobs)


async def test_a_claimed_job_is_out_of_the_outbox_and_counts_its_attempt(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await submit(tx)
        [running] = await claim(tx, job)
        assert (running.state, running.attempt, running.worker) == (State.RUNNING, 1, "worker-1")
        assert await outbox_of(tx, job) is None
        assert await event_types(tx, job) == ["queued", "started"]


async def test_an_expired_job_is_not_claimed_but_ended(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await submit(tx, make_job(expires_in=timedelta(microseconds=1)))
    async with database.begin() as tx:
        assert await claim(tx, job) == []
        [expired] = await expire_jobs(tx, limit=10)
        assert expired.state is State.EXPIRED
        assert await outbox_of(tx, job) is None
        assert await event_types(tx, job) == ["queued", "expired"]


async def test_a_settled_job_has_its_result_and_its_attempt(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await claim(tx, *await submit(tx))
        [settled] = await settle_jobs(tx, [ended(job)])
        assert (settled.state, settled.result, settled.lease) == (State.SUCCEEDED, b'{"text":"because"}', None)
        assert settled.finished_at is not None
        [attempt] = await list_attempts(tx, [job.id])
        assert (attempt.attempt, attempt.outcome, attempt.worker) == (1, "succeeded", "worker-1")
        assert await event_types(tx, job) == ["queued", "started", "succeeded"]


async def test_a_lost_lease_cannot_settle(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await claim(tx, *await submit(tx))
        assert await settle_jobs(tx, [ended(job, lease="lease_of_somebody_else")]) == []
        assert (await stored(tx, job)).state is State.RUNNING


async def test_a_settlement_written_twice_counts_once(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await claim(tx, *await submit(tx))
        assert len(await settle_jobs(tx, [ended(job)])) == 1
        assert await settle_jobs(tx, [ended(job)]) == []
        assert len(await list_attempts(tx, [job.id])) == 1


async def test_a_retry_waits_on_the_databases_clock_and_goes_through_the_outbox(database: Database) -> None:
    retry = Verdict(state=State.SCHEDULED, error=FAILURE, delay=timedelta(seconds=90))
    async with database.begin() as tx:
        [job] = await claim(tx, *await submit(tx))
        [waiting] = await settle_jobs(tx, [ended(job, retry)])
        now = (await tx.execute(text("SELECT now()"))).scalar_one()
        assert (waiting.state, waiting.run_at, waiting.finished_at) == (
            State.SCHEDULED,
            now + timedelta(seconds=90),
            None,
        )
        assert await outbox_of(tx, job) == "waiting"
        assert await event_types(tx, job) == ["queued", "started", "retrying"]
        [attempt] = await list_attempts(tx, [job.id])
        assert (attempt.code, attempt.detail) == ("timeout", "It was too slow.")


async def test_a_job_given_back_keeps_its_attempts(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await claim(tx, *await submit(tx))
        [back] = await settle_jobs(tx, [ended(job, Verdict(state=State.QUEUED, counts_as_attempt=False))])
        assert (back.state, back.attempt) == (State.QUEUED, 0)
        assert await outbox_of(tx, job) == "due"


async def test_a_cancel_asked_for_while_running_wins_over_trying_again(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await claim(tx, *await submit(tx))
        asked = await cancel_job(tx, TENANT, job.id)
        assert asked is not None
        assert asked.state is State.RUNNING
        [settled] = await settle_jobs(tx, [ended(job, Verdict(state=State.SCHEDULED, error=FAILURE))])
        assert settled.state is State.CANCELLED
        assert await outbox_of(tx, job) is None


async def test_a_cancel_asked_for_while_running_loses_to_an_end_that_came_first(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await claim(tx, *await submit(tx))
        await cancel_job(tx, TENANT, job.id)
        [settled] = await settle_jobs(tx, [ended(job)])
        assert settled.state is State.SUCCEEDED


async def test_a_waiting_job_is_cancelled_at_once_and_stays_so(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await submit(tx)
        cancelled = await cancel_job(tx, TENANT, job.id)
        assert cancelled is not None
        assert cancelled.state is State.CANCELLED
        assert await outbox_of(tx, job) is None
        assert await claim(tx, job) == []
        assert await cancel_job(tx, TENANT, job.id) is None


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
async def test_a_job_tried_again_by_hand_starts_afresh(database: Database, state: State) -> None:
    async with database.begin() as tx:
        [job] = await claim(tx, *await submit(tx))
        await settle_jobs(tx, [ended(job, Verdict(state=state, error=FAILURE))])
        revived = await retry_job(tx, TENANT, job.id)
        assert revived is not None
        assert (revived.state, revived.attempt, revived.error, revived.finished_at) == (State.QUEUED, 0, None, None)
        [again] = await claim(tx, revived)
        assert again.lease != job.lease


async def test_a_succeeded_job_cannot_be_tried_again(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await claim(tx, *await submit(tx))
        await settle_jobs(tx, [ended(job)])
        assert await retry_job(tx, TENANT, job.id) is None


async def test_leases_that_hold_are_extended_and_lost_ones_are_missing(database: Database) -> None:
    async with database.begin() as tx:
        held, lost = await claim(tx, *await submit(tx, make_job(), make_job()), lease_seconds=5)
        answer = await extend_leases(tx, [(held.id, held.lease or ""), (lost.id, "lease_old")], lease_seconds=600)
        assert [(one.job_id, one.cancel_requested) for one in answer] == [(held.id, False)]
        left = await tx.execute(text("SELECT lease_until - now() FROM jobs WHERE id = :id"), {"id": held.id})
        assert left.scalar_one() > timedelta(seconds=500)
        await cancel_job(tx, TENANT, held.id)
        assert (await extend_leases(tx, [(held.id, held.lease or "")], lease_seconds=600))[0].cancel_requested


async def test_a_heartbeat_does_not_wait_for_a_settlement_in_flight(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await claim(tx, *await submit(tx))
    async with database.begin() as settling:
        await settle_jobs(settling, [ended(job)])
        async with asyncio.timeout(2), database.begin() as beating:
            assert len(await extend_leases(beating, [(job.id, job.lease or "")], lease_seconds=30)) == 1


async def test_only_lapsed_leases_are_taken_for_rescue(database: Database) -> None:
    async with database.begin() as tx:
        [alive] = await claim(tx, *await submit(tx))
        [dead] = await claim(tx, *await submit(tx), lease_seconds=0)
    async with database.begin() as tx:
        assert [job.id for job in await take_lapsed(tx, limit=10)] == [dead.id]
        assert alive.id != dead.id


async def test_two_rescues_never_take_the_same_job(database: Database) -> None:
    async with database.begin() as tx:
        jobs = await claim(tx, *await submit(tx, *(make_job() for _ in range(6))), lease_seconds=0)
    async with database.begin() as one, database.begin() as other:
        first = {job.id for job in await take_lapsed(one, limit=3)}
        second = {job.id for job in await take_lapsed(other, limit=6)}
        assert len(first) == 3
        assert first | second == {job.id for job in jobs}
        assert not first & second


async def test_progress_and_logs_need_the_lease(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await claim(tx, *await submit(tx))
        assert await note_progress(tx, job.id, job.lease or "", 0.5)
        assert not await note_progress(tx, job.id, "lease_old", 0.9)
        assert await append_event(tx, job.id, job.lease or "", EventType.LOG, b'{"text":"half way"}')
        assert not await append_event(tx, job.id, "lease_old", EventType.LOG, b"{}")
        assert (await stored(tx, job)).progress == 0.5
        assert await event_types(tx, job) == ["queued", "started", "progress", "log"]


async def test_the_database_itself_refuses_a_job_that_is_running_without_a_lease(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await submit(tx)
    with pytest.raises(Exception, match="ck_jobs_leased_when_running"):
        async with database.begin() as tx:
            await tx.execute(text("UPDATE jobs SET state = 'running' WHERE id = :id"), {"id": job.id})


async def test_every_state_can_be_stored_and_every_move_has_its_place(database: Database) -> None:
    assert set(MOVES) == set(State)
    async with database.begin() as tx:
        [job] = await submit(tx, make_job(run_at=datetime(2999, 1, 1, tzinfo=UTC)))
        assert job.run_at == datetime(2999, 1, 1, tzinfo=UTC)


async def test_events_tell_when_they_were_written_whichever_transaction_began_first(database: Database) -> None:
    async with database.begin() as early:
        await early.execute(text("SELECT now()"))  # its time, from now on
        async with database.begin() as late:
            [job] = await submit(late)
        await cancel_jobs(early, TENANT, [job.id])
    async with database.read() as tx:
        at = [event.at for event in await events_after(tx, job.id, 0)]
    assert len(at) == 2
    assert at == sorted(at)
