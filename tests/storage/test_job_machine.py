"""A job against a model of itself: whatever happens to it in whatever order, Postgres says what the model says.

CI walks some dozens of ways; `./headrace test tests/storage/test_job_machine.py --hypothesis-profile=long` walks
thousands. Time passes by moving what is stored into the past, so nobody waits.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from domain.jobs.job import Job, JobError
from domain.jobs.retry import RetryPolicy
from domain.jobs.state import LIVE, State
from domain.jobs.verdict import Crashed, Failed, GivenBack, Outcome, Stopped, Succeeded, judge
from runtime.unique_ids import new_id
from storage.accounts import add_tenant
from storage.database import Tx, open_database
from storage.jobs import (
    Settlement,
    cancel_jobs,
    claim_jobs,
    expire_jobs,
    extend_leases,
    find_jobs,
    note_progress,
    retry_jobs,
    settle_jobs,
    submit_jobs,
    take_lapsed,
)
from storage.outbox import may_decide_keys, promote_due, put_back, put_back_lost, take_due
from tests.faults.invariants import (
    Evidence,
    attempts_and_crashes_keep_to_their_limits,
    events_have_no_gaps_and_no_disorder,
    jobs_move_only_as_they_may,
    no_two_attempts_at_a_job_overlap,
)
from tests.faults.outside_log import Told
from tests.support.jobs import ASK, TENANT, make_job, portions

T = TypeVar("T")

# Time moves in tens of seconds and these end in fives or halves: no two are ever equal, but for the real milliseconds.
LEASE: Final = 35
EXPIRES: Final = 25
DELAYS: Final = (0, 15, 45)
RESEND: Final = 15.5
POLICY: Final = RetryPolicy(base=timedelta(seconds=15))
MOST: Final = 1000

SHIFT: Final = (
    "UPDATE jobs SET run_at = run_at - :by, expires_at = expires_at - :by, lease_until = lease_until - :by",
    "UPDATE outbox SET due_at = due_at - :by, sent_at = sent_at - :by",
)
STANDS: Final = """
SELECT jobs.id, state, attempt, crashes, lease, seq, cancel_requested_at IS NOT NULL AS wants_cancel, outbox.stage,
    (SELECT count(*) FROM events WHERE job_id = jobs.id) AS events
FROM jobs LEFT JOIN outbox ON outbox.job_id = jobs.id ORDER BY jobs.id
"""
LEFT: Final = "SELECT count(*) FROM outbox WHERE job_id NOT IN (SELECT id FROM jobs)"


def failed(*, retryable: bool) -> Failed:
    return Failed(error=JobError(code="broken", title="Broken", detail="It broke.", retryable=retryable))


OUTCOMES: Final[tuple[Outcome, ...]] = (
    Succeeded(b"{}"),
    failed(retryable=True),
    failed(retryable=False),
    GivenBack(),
    Stopped(),
)


@dataclass(kw_only=True)
class Model:
    """What is known of a job. Times are seconds since the machine began."""

    id: str
    state: State
    stage: str | None
    due_at: float
    expires_at: float | None
    key: str | None
    priority: int
    seq: int
    attempt: int = 0
    crashes: int = 0
    lease: str | None = None
    lease_until: float = 0
    wants_cancel: bool = False
    sent_at: float = 0
    sends: int = 0

    def end(self, state: State) -> None:
        self.state, self.stage, self.lease = state, None, None
        self.seq += 1


class JobMachine(RuleBasedStateMachine):
    """Every move of `storage/jobs.py` and `storage/outbox.py`, in any order, doubled, late, and by who has no right."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.now = 0.0
        self.known: dict[str, Model] = {}
        self.spent: list[tuple[str, str]] = []  # leases that were lost or given up, with their jobs
        self.runner = asyncio.Runner()
        self.database = open_database(url, name="machine", size=2)
        self.do(self._clear())

    def teardown(self) -> None:
        evidence = Evidence(database_url=self.url, told=Told({}, {}), inbox=())
        try:
            for holds in (
                jobs_move_only_as_they_may,
                events_have_no_gaps_and_no_disorder,
                no_two_attempts_at_a_job_overlap,
                attempts_and_crashes_keep_to_their_limits,
            ):
                assert list(holds(evidence)) == []
        finally:
            self.do(self.database.close())
            self.runner.close()

    @rule(
        delay=st.sampled_from(DELAYS),
        expires=st.booleans(),
        key=st.sampled_from((None, None, "key")),
        priority=st.sampled_from((0, 0, 5)),
        attempts=st.integers(1, 3),
    )
    def submit(self, delay: int, *, expires: bool, key: str | None, priority: int, attempts: int) -> None:
        new = make_job(
            delay=timedelta(seconds=delay),
            expires_in=timedelta(seconds=EXPIRES) if expires else None,
            concurrency_key=key,
            priority=priority,
            max_attempts=attempts,
        )
        self.tx(lambda tx: submit_jobs(tx, [new]))
        self.known[new.id] = Model(
            id=new.id,
            state=State.SCHEDULED if delay else State.QUEUED,
            stage="waiting" if delay else "due",
            due_at=self.now + delay,
            expires_at=self.now + EXPIRES if expires else None,
            key=key,
            priority=priority,
            seq=0 if delay else 1,
        )

    @rule(tens=st.integers(1, 7))
    def let_time_pass(self, tens: int) -> None:
        async def shift(tx: Tx) -> None:
            for statement in SHIFT:
                await tx.execute(text(statement), {"by": timedelta(seconds=tens * 10)})

        self.tx(shift)
        self.now += tens * 10

    @initialize(jobs=st.integers(1, 3))
    def begin(self, jobs: int) -> None:
        for _ in range(jobs):
            self.submit(0, expires=False, key=None, priority=0, attempts=3)

    @rule()
    def work(self) -> None:
        """What happens where nothing goes wrong: all that is due is sent, and claimed."""
        self.promote()
        self.send(4)
        self.arrive([one for one in self.known.values() if one.stage == "sent"])

    @rule()
    def promote(self) -> None:
        due = {one.id for one in self.known.values() if one.stage == "waiting" and one.due_at <= self.now}
        assert set(self.tx(lambda tx: promote_due(tx, limit=MOST))) == due
        for one in map(self.known.__getitem__, due):
            one.state, one.stage = State.QUEUED, "due"
            one.seq += 1

    @rule(room=st.integers(1, 4))
    def send(self, room: int) -> None:
        async def take(tx: Tx) -> list[str]:
            assert await may_decide_keys(tx)
            return [due.job_id for due in await take_due(tx, ASK.queue, portions(TENANT, most=room))]

        due = [one for one in self.known.values() if one.stage == "due"]
        sent = [self.known[job_id] for job_id in self.tx(take)]
        assert len(sent) <= room
        assert all(one in due for one in sent)
        for one in sent:
            one.stage, one.sent_at, one.sends = "sent", self.now, one.sends + 1
        left = [one for one in due if one not in sent]
        holders = [one for one in self.known.values() if one.key and (one.stage == "sent" or one.lease)]
        assert len(holders) <= 1
        free = [one for one in left if one.key is None or not holders]
        if len(sent) < room:
            # a lane is looked at only so far down: keyed jobs at its top may use up the room for nothing
            assert not [one for one in free if one.key is None] or [one for one in due if one.key]
        if sent and free:
            assert min(one.priority for one in sent) >= max((one.priority for one in free if not one.key), default=-100)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        """A message arrives: for the first time, again, late, or one that nobody sent."""
        self.arrive(self.some(data))

    def arrive(self, named: Sequence[Model]) -> None:
        lease = new_id("lease")
        ours = {
            one.id
            for one in named
            if one.state is State.QUEUED
            and one.stage == "sent"
            and (one.expires_at is None or one.expires_at > self.now)
        }
        claimed = self.tx(
            lambda tx: claim_jobs(
                tx, [one.id for one in named], worker="worker-1", lease=lease, lease_seconds=LEASE, kinds=[ASK.name]
            )
        )
        assert {job.id for job in claimed} == ours
        for one in map(self.known.__getitem__, ours):
            one.state, one.stage, one.lease, one.lease_until = State.RUNNING, None, lease, self.now + LEASE
            one.attempt += 1
            one.seq += 1

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def extend(self, data: st.DataObject) -> None:
        named = self.some(data)
        leases = [(one.id, one.lease) for one in named if one.lease] + self.spent
        held = self.tx(lambda tx: extend_leases(tx, leases, lease_seconds=LEASE))
        assert {(one.job_id, one.cancel_requested) for one in held} == {
            (one.id, one.wants_cancel) for one in named if one.lease
        }
        for one in named:
            if one.lease:
                one.lease_until = self.now + LEASE

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        """A worker stops, and another is at its job at once."""
        self.settle_one(data, GivenBack())
        self.work()

    @precondition(lambda self: self.running)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    def settle(self, data: st.DataObject, outcome: Outcome) -> None:
        self.settle_one(data, outcome)

    def settle_one(self, data: st.DataObject, outcome: Outcome) -> None:
        one = data.draw(st.sampled_from(self.running))
        job = self.stored([one.id])[0]
        [settled] = self.settle_as(job, outcome)
        self.note_settled(one, settled, outcome)

    @precondition(lambda self: self.spent)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    def settle_late(self, data: st.DataObject, outcome: Outcome) -> None:
        """Who lost the lease writes nothing, neither an end nor progress."""
        # the latest first: its job is likely to run again, under another lease
        job_id, lease = data.draw(st.sampled_from(self.spent[::-1]))
        [job] = self.stored([job_id])
        verdict = judge(job, outcome, retry=POLICY, spread=0.5)
        late = Settlement(job_id=job_id, lease=lease, verdict=verdict)
        assert self.tx(lambda tx: settle_jobs(tx, [late])) == []
        assert not self.tx(lambda tx: note_progress(tx, job_id, lease, 0.5))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def tell_progress(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.running))
        assert self.tx(lambda tx: note_progress(tx, one.id, one.lease or "", 0.5))
        one.seq += 1

    @rule()
    def rescue(self) -> None:
        lapsed = self.tx(lambda tx: take_lapsed(tx, limit=MOST))
        assert {job.id for job in lapsed} == {one.id for one in self.running if one.lease_until < self.now}
        for job in lapsed:
            [settled] = self.settle_as(job, Crashed("worker-1"))
            self.note_settled(self.known[job.id], settled, Crashed("worker-1"))

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        named = self.some(data)
        live = {one.id for one in named if one.state in LIVE}
        assert {job.id for job in self.tx(lambda tx: cancel_jobs(tx, TENANT, [one.id for one in named]))} == live
        for one in map(self.known.__getitem__, live):
            one.wants_cancel = True
            if one.state is not State.RUNNING:
                one.end(State.CANCELLED)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        named = self.some(data)
        again = {one.id for one in named if one.state in {State.FAILED, State.CANCELLED, State.EXPIRED}}
        assert {job.id for job in self.tx(lambda tx: retry_jobs(tx, TENANT, [one.id for one in named]))} == again
        for one in map(self.known.__getitem__, again):
            one.state, one.stage, one.attempt, one.crashes = State.QUEUED, "due", 0, 0
            one.wants_cancel, one.expires_at, one.due_at, one.sends = False, None, self.now, 0
            one.seq += 1

    @rule()
    def expire(self) -> None:
        late = {
            one.id
            for one in self.known.values()
            if one.state in {State.SCHEDULED, State.QUEUED} and one.expires_at is not None and one.expires_at <= self.now
        }
        assert {job.id for job in self.tx(lambda tx: expire_jobs(tx, limit=MOST))} == late
        for one in map(self.known.__getitem__, late):
            one.end(State.EXPIRED)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def give_back_unclaimed(self, data: st.DataObject) -> None:
        named = self.some(data)
        self.tx(lambda tx: put_back(tx, [one.id for one in named]))
        for one in named:
            if one.stage == "sent":
                one.stage = "due"

    @rule()
    def send_again(self) -> None:
        lost = {
            one.id
            for one in self.known.values()
            if one.stage == "sent" and one.sent_at + RESEND * 2 ** (min(one.sends, 6) - 1) < self.now
        }
        assert set(self.tx(lambda tx: put_back_lost(tx, resend_seconds=RESEND, limit=MOST))) == lost
        for one in map(self.known.__getitem__, lost):
            one.stage = "due"

    @invariant()
    def postgres_says_what_the_model_says(self) -> None:
        rows, left = self.tx(self._read)
        assert left == 0
        assert {row.id for row in rows} == self.known.keys()
        for row in rows:
            one = self.known[row.id]
            stands = (row.state, row.stage, row.attempt, row.crashes, row.lease, row.wants_cancel, row.seq)
            expected = (one.state, one.stage, one.attempt, one.crashes, one.lease, one.wants_cancel, one.seq)
            assert stands == expected, row.id
            assert row.events == one.seq

    @property
    def running(self) -> list[Model]:
        return [one for one in self.known.values() if one.state is State.RUNNING]

    def some(self, data: st.DataObject) -> list[Model]:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.known)), min_size=1, max_size=4, unique=True))
        return [self.known[job_id] for job_id in ids]

    def stored(self, ids: Sequence[str]) -> list[Job]:
        return self.tx(lambda tx: find_jobs(tx, ids))

    def settle_as(self, job: Job, outcome: Outcome) -> list[Job]:
        verdict = judge(job, outcome, retry=POLICY, spread=0.5)
        settlement = Settlement(job_id=job.id, lease=job.lease or "", verdict=verdict)
        self.spent.append((job.id, job.lease or ""))
        return self.tx(lambda tx: settle_jobs(tx, [settlement]))

    def note_settled(self, one: Model, settled: Job, outcome: Outcome) -> None:
        match outcome:
            case Succeeded():
                state = State.SUCCEEDED
            case Stopped():
                state = State.CANCELLED
            case GivenBack():
                state = State.QUEUED
                one.attempt -= 1
            case Crashed():
                one.crashes += 1
                state = State.FAILED if one.crashes == 3 else State.QUEUED  # noqa: PLR2004 - three crashes are the end
                one.attempt -= state is State.QUEUED
            case Failed(error=error):
                again = error.retryable and settled.attempt < settled.max_attempts
                state = State.SCHEDULED if again else State.FAILED
        if one.wants_cancel and state in {State.SCHEDULED, State.QUEUED}:
            state = State.CANCELLED
        assert settled.state is state
        one.end(state)
        one.sends = 0
        if state is State.QUEUED:
            one.stage, one.due_at = "due", self.now
        if state is State.SCHEDULED:
            one.stage, one.due_at = "waiting", self.now + 15 * 2 ** (one.attempt - 1)

    def tx(self, work: "Any") -> Any:  # noqa: ANN401 - whatever the work gives back
        async def run() -> Any:  # noqa: ANN401 - as above
            async with self.database.begin() as tx:
                return await work(tx)

        return self.do(run())

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _clear(self) -> None:
        async with self.database.begin() as tx:
            await tx.execute(text("TRUNCATE jobs, outbox, events, attempts, tenants CASCADE"))
            await add_tenant(tx, TENANT, "tests")

    @staticmethod
    async def _read(tx: Tx) -> tuple[list[Any], int]:
        rows = (await tx.execute(text(STANDS))).all()
        return list(rows), int((await tx.execute(text(LEFT))).scalar_one())


@pytest.mark.timeout(3600)
def test_whatever_happens_to_jobs_postgres_says_what_the_model_says(database_url: str) -> None:
    run_state_machine_as_test(
        lambda: JobMachine(database_url),
        settings=settings(deadline=None, suppress_health_check=list(HealthCheck), stateful_step_count=40),
    )
