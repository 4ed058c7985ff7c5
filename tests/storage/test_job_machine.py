"""A job against a model of itself: whatever happens to it in whatever order, Postgres says what the model says.

CI walks some dozens of ways, the same in each run; `./headrace test tests/storage/test_job_machine.py
--hypothesis-profile=long` walks thousands, others each time. Time passes by moving what is stored into the past, so
nobody waits. Some rules are stories of several steps: what breaks only there would be found too seldom by single ones.
Long because the rules are read against each other.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, event, settings
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

from domain.jobs.retry import RetryPolicy
from domain.jobs.state import LIVE, State
from domain.jobs.verdict import Crashed, GivenBack, Outcome, Stopped, Succeeded, judge
from runtime.unique_ids import new_id
from storage.accounts import add_tenant
from storage.database import Database, Tx, open_database
from storage.jobs import (
    Settlement,
    cancel_jobs,
    claim_jobs,
    expire_jobs,
    extend_leases,
    note_progress,
    retry_jobs,
    settle_jobs,
    submit_jobs,
    take_lapsed,
)
from storage.outbox import look_at, promote_due, put_back, put_back_lost, take_due
from tests.faults.invariants import (
    Evidence,
    attempts_and_crashes_keep_to_their_limits,
    events_have_no_gaps_and_no_disorder,
    jobs_move_only_as_they_may,
    no_two_attempts_at_a_job_overlap,
)
from tests.faults.outside_log import Told
from tests.storage.machine_model import AGAIN, BASE, DELAYS, EXPIRES, LEASE, NEVER, RESEND, Attempt, ModelJob
from tests.support.jobs import ASK, TENANT, make_job, portions

T = TypeVar("T")

STRANGER: Final = "tenant_" + "2" * 32
POLICY: Final = RetryPolicy(base=timedelta(seconds=BASE))
MOST: Final = 1000
MOST_JOBS: Final = 6
SLACK: Final = 8

OUTCOMES: Final[tuple[Outcome, ...]] = (AGAIN, AGAIN, GivenBack(), NEVER, Stopped(), Succeeded(b"{}"))
CRASHED: Final = Crashed("worker-1")

SHIFT: Final = (
    "UPDATE jobs SET run_at = run_at - :by, expires_at = expires_at - :by, lease_until = lease_until - :by",
    "UPDATE outbox SET due_at = due_at - :by, sent_at = sent_at - :by",
)
STANDS: Final = """
SELECT jobs.id, state, outbox.stage, attempt, crashes, lease, cancel_requested_at IS NOT NULL AS wants_cancel,
    error ->> 'code' AS code, result IS NOT NULL AS has_result, progress, finished_at IS NOT NULL AS has_ended, seq,
    extract(epoch FROM run_at - now())::float8 AS runs_in, extract(epoch FROM expires_at - now())::float8 AS expires_in,
    extract(epoch FROM lease_until - now())::float8 AS lapses_in,
    array(SELECT type FROM events WHERE job_id = jobs.id ORDER BY seq) AS events,
    array(SELECT outcome FROM attempts WHERE job_id = jobs.id ORDER BY id) AS ends
FROM jobs LEFT JOIN outbox ON outbox.job_id = jobs.id
"""
# In what share of the walks each of these has to happen, lest the machine walk where nothing can break.
COMMON: Final = {
    "a claim": 0.9,
    "a cancel of what was running": 0.3,
    "an end after a wish to cancel": 0.2,
    "a rescue": 0.2,
    "a late end of what runs again": 0.2,
    "a claim of what was not sent": 0.2,
    "a retry of what was failed": 0.1,
    "a retry of what was cancelled": 0.1,
    "a message lost": 0.05,
    "an expiry": 0.05,
    "a third crash": 0.05,
}

LEFT: Final = "SELECT count(*) FROM outbox WHERE job_id NOT IN (SELECT id FROM jobs)"


class JobMachine(RuleBasedStateMachine):
    """Every move of `storage/jobs.py` and `storage/outbox.py`, in any order, doubled, late, and by who has no right."""

    def __init__(self, runner: asyncio.Runner, database: Database, url: str, seen: Counter[str]) -> None:
        super().__init__()
        self.runner = runner
        self.database = database
        self.url = url
        self.seen = seen
        self.now = 0.0
        self.steps = 0
        self.jobs: dict[str, ModelJob] = {}
        self.happened: Counter[str] = Counter()
        self.tx(self._clear)

    def teardown(self) -> None:
        evidence = Evidence(database_url=self.url, told=Told({}, {}), inbox=())
        for holds in (
            jobs_move_only_as_they_may,
            events_have_no_gaps_and_no_disorder,
            no_two_attempts_at_a_job_overlap,
            attempts_and_crashes_keep_to_their_limits,
        ):
            assert list(holds(evidence)) == []
        self.seen.update(["a walk", *self.happened])
        self.seen["steps"] += self.steps
        for what in self.happened:
            event(what)

    @initialize(jobs=st.integers(1, 3), past=st.sampled_from(("new", "tried", "crashed", "unwanted", "revived")))
    def begin(self, jobs: int, past: str) -> None:
        """A walk starts with jobs that run and have a past: most of what may go wrong comes after that."""
        for _ in range(jobs):
            self.add(delay=0, expires=False, key=None, priority=0, attempts=3)
        self.work()
        match past:
            case "tried":
                self.try_all_again(AGAIN)
            case "crashed":
                self.crash(times=2)
            case "unwanted":
                self.stop(self.running)
                self.end(self.running[0], AGAIN)
            case "revived":
                self.crash(times=3)
                self.retry_all_and_work()
            case _:
                pass

    @precondition(lambda self: len(self.jobs) < MOST_JOBS)
    @rule(
        delay=st.sampled_from(DELAYS),
        expires=st.booleans(),
        key=st.sampled_from((None, "key")),
        priority=st.sampled_from((0, 0, 5)),
        attempts=st.integers(1, 3),
    )
    def submit(self, delay: int, *, expires: bool, key: str | None, priority: int, attempts: int) -> None:
        self.add(delay=delay, expires=expires, key=key, priority=priority, attempts=attempts)

    def add(self, *, delay: int, expires: bool, key: str | None, priority: int, attempts: int) -> None:
        new = make_job(
            delay=timedelta(seconds=delay),
            expires_in=timedelta(seconds=EXPIRES) if expires else None,
            concurrency_key=key,
            priority=priority,
            max_attempts=attempts,
        )
        self.tx(lambda tx: submit_jobs(tx, [new]))
        one = ModelJob(
            id=new.id,
            number=len(self.jobs) + 1,
            key=key,
            priority=priority,
            max_attempts=attempts,
            expires_at=self.now + EXPIRES if expires else None,
            due_at=self.now + delay,
        )
        one.submitted(self.now)
        self.jobs[new.id] = one

    @rule(tens=st.integers(1, 6))
    def let_time_pass(self, tens: int) -> None:
        async def shift(tx: Tx) -> None:
            for statement in SHIFT:
                await tx.execute(text(statement), {"by": timedelta(seconds=tens * 10)})

        self.tx(shift)
        self.now += tens * 10

    @rule()
    def promote(self) -> None:
        due = self.those(lambda one: one.is_due(self.now))
        self.agree(self.tx(lambda tx: promote_due(tx, limit=MOST)), due)
        for one in due:
            one.promoted()

    @rule(room=st.integers(1, 4))
    def send(self, room: int) -> None:
        """The most urgent go first, as many as there is room for; of those that share a key one, until it has ended."""

        async def take(tx: Tx) -> list[str]:
            look = await look_at(tx, ASK.queue, most=MOST)
            assert look.may_decide_keys == any(one.key for one in due)
            taken = await take_due(tx, ASK.queue, portions(TENANT, most=room), with_keys=look.may_decide_keys)
            return [one.job_id for one in taken]

        due = self.those(lambda one: one.stage == "due")
        key_is_free = not self.those(self.has_key)
        sent = [self.jobs[job_id] for job_id in self.tx(take)]
        assert len(sent) <= room
        assert all(one in due for one in sent)
        for one in sent:
            one.sent(self.now)
        assert len(self.those(self.has_key)) <= 1
        left = [one for one in due if one not in sent and one.key is None]
        # a lane is looked at only so far down: several jobs that wait for one free key may use up the room for nothing
        assert len(sent) == room or not left or (key_is_free and any(one.key for one in due))
        if sent and left:
            assert min(one.priority for one in sent) >= max(one.priority for one in left)

    @staticmethod
    def has_key(one: ModelJob) -> bool:
        return one.key is not None and (one.stage == "sent" or one.held is not None)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        """A message arrives: for the first time, again, late, or one that nobody sent."""
        self.arrive(self.some(data))

    @rule()
    def claim_too_early(self) -> None:
        """Messages from before their jobs were put back, or tried again."""
        due = self.those(lambda one: one.stage == "due")
        self.arrive(due)
        self.happened["a claim of what was not sent"] += bool(due)

    def arrive(self, named: Sequence[ModelJob]) -> None:
        lease = new_id("lease")
        ours = [one for one in named if one.may_be_claimed(self.now)]
        claimed = self.tx(
            lambda tx: claim_jobs(
                tx, [one.id for one in named], worker="worker-1", lease=lease, lease_seconds=LEASE, kinds=[ASK.name]
            )
        )
        self.agree([job.id for job in claimed], ours)
        for job in claimed:
            self.jobs[job.id].claimed(Attempt(job, lease), self.now)
            self.happened["a claim"] += 1

    @rule()
    def work(self) -> None:
        """What happens where nothing goes wrong: all that is due is sent, and claimed."""
        self.promote()
        self.send(room=4)
        self.arrive(self.those(lambda one: one.stage == "sent"))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def extend(self, data: st.DataObject) -> None:
        """Who still holds a lease keeps it, and hears of a wish to cancel; who lost one hears nothing."""
        self.keep([one for one in self.some(data) if one.held])

    @precondition(lambda self: self.running)
    @rule(tens=st.integers(1, 3))
    def live_long(self, tens: int) -> None:
        """Who says in time that it lives keeps its jobs, however long they take."""
        for _ in range(2):
            self.keep(self.running)
            self.let_time_pass(tens=tens)
            self.rescue()

    def keep(self, named: Sequence[ModelJob]) -> None:
        held = [(one.id, one.held.lease) for one in named if one.held]
        lost = [(one.id, attempt.lease) for one in self.jobs.values() for attempt in one.lost]
        answer = self.tx(lambda tx: extend_leases(tx, held + lost, lease_seconds=LEASE))
        assert {(one.job_id, one.cancel_requested) for one in answer} == {(one.id, one.wants_cancel) for one in named}
        for one in named:
            one.lease_until = self.now + LEASE

    @precondition(lambda self: self.running)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    def settle(self, data: st.DataObject, outcome: Outcome) -> None:
        self.end(self.pick(data, self.running), outcome)

    @precondition(lambda self: self.running)
    @rule(outcome=st.sampled_from((AGAIN, GivenBack())))
    def try_all_again(self, outcome: Outcome) -> None:
        """All running attempts end, and time passes until the jobs run again."""
        for one in self.running:
            self.end(one, outcome)
        self.let_time_pass(tens=4)
        self.work()
        self.come_back(GivenBack())

    def end(self, one: ModelJob, outcome: Outcome) -> None:
        assert one.held
        [settled] = self.tx(self._settling(one.held, outcome))
        if one.wants_cancel:
            self.happened["an end after a wish to cancel"] += 1
        one.settled(outcome, self.now)
        assert settled.state is one.state
        self.arrive([one])  # its message, once more

    @precondition(lambda self: self.those(lambda one: bool(one.lost)))
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    def settle_late(self, data: st.DataObject, outcome: Outcome) -> None:
        """Who lost the lease writes nothing, neither an end nor progress, even if the job runs again."""
        one = self.pick(data, self.those(lambda one: bool(one.lost)))
        ago = data.draw(st.integers(1, len(one.lost)))
        self.fence(one, one.lost[-ago], outcome)

    def come_back(self, outcome: Outcome) -> None:
        """Who had the jobs that run before knows nothing of that, and ends its attempt."""
        for one in self.running:
            for late in one.lost[-1:]:
                self.fence(one, late, outcome)

    def fence(self, one: ModelJob, late: Attempt, outcome: Outcome) -> None:
        assert self.tx(self._settling(late, outcome)) == []
        assert not self.tx(lambda tx: note_progress(tx, one.id, late.lease, 0.5))
        assert self.tx(lambda tx: extend_leases(tx, [(one.id, late.lease)], lease_seconds=2 * LEASE)) == []
        self.happened["a late end" + (" of what runs again" if one.held else "")] += 1

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def tell_progress(self, data: st.DataObject) -> None:
        one = self.pick(data, self.running)
        lease = one.held.lease if one.held else ""
        assert self.tx(lambda tx: note_progress(tx, one.id, lease, 0.5))
        one.told_progress(0.5)

    @rule()
    def rescue(self) -> None:
        async def judge_lapsed(tx: Tx) -> dict[str, tuple[State, int]]:
            lapsed = await take_lapsed(tx, limit=MOST)
            verdicts = [judge(job, CRASHED, retry=POLICY, spread=0.5) for job in lapsed]
            settled = await settle_jobs(
                tx,
                [
                    Settlement(job_id=job.id, lease=job.lease or "", verdict=verdict)
                    for job, verdict in zip(lapsed, verdicts, strict=True)
                ],
            )
            return {job.id: (job.state, job.crashes) for job in settled}

        lapsed = self.those(lambda one: one.is_lapsed(self.now))
        rescued = self.tx(judge_lapsed)
        self.agree(rescued, lapsed)
        for one in lapsed:
            one.settled(CRASHED, self.now)
            assert rescued[one.id] == (one.state, one.crashes)
            self.happened["a rescue"] += 1
            if one.state is State.FAILED:
                self.happened["a third crash"] += 1

    @precondition(lambda self: self.running)
    @rule(times=st.integers(1, 3))
    def crash(self, times: int) -> None:
        """All workers fall silent, rescue comes, others take over, and the same again."""
        for _ in range(times):
            self.let_time_pass(tens=4)
            self.rescue()
            self.work()
            self.come_back(AGAIN)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.stop(self.some(data))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def cancel_running(self, data: st.DataObject) -> None:
        self.stop([self.pick(data, self.running)])

    @precondition(lambda self: self.running)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    def cancel_and_settle(self, data: st.DataObject, outcome: Outcome) -> None:
        """A caller wants a running job stopped, and the attempt ends, however it does."""
        one = self.pick(data, self.running)
        self.stop([one])
        self.end(one, outcome)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel_waiting(self, data: st.DataObject) -> None:
        one = self.pick(data, self.waiting)
        self.stop([one])
        self.arrive([one])

    def stop(self, named: Sequence[ModelJob]) -> None:
        live = [one for one in named if one.state in LIVE]
        cancelled = self.tx(lambda tx: cancel_jobs(tx, TENANT, [one.id for one in named]))
        self.agree([job.id for job in cancelled], live)
        for one in live:
            self.happened[f"a cancel of what was {one.state}"] += 1
            one.cancelled()

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        self.revive(self.some(data))

    @precondition(lambda self: self.those(lambda one: one.state not in LIVE))
    @rule()
    def retry_all_and_work(self) -> None:
        """Everything that has ended is queued again by hand, and runs; what had succeeded stays."""
        self.revive(self.those(lambda one: one.state not in LIVE))
        self.work()

    def revive(self, named: Sequence[ModelJob]) -> None:
        again = [one for one in named if one.state in {State.FAILED, State.CANCELLED, State.EXPIRED}]
        retried = self.tx(lambda tx: retry_jobs(tx, TENANT, [one.id for one in named]))
        self.agree([job.id for job in retried], again)
        for one in again:
            self.happened[f"a retry of what was {one.state}"] += 1
            one.retried(self.now)
        self.claim_too_early()

    @precondition(lambda self: self.jobs)
    @rule()
    def meddle(self) -> None:
        """Another tenant can move nothing."""
        assert self.tx(lambda tx: cancel_jobs(tx, STRANGER, self.jobs)) == []
        assert self.tx(lambda tx: retry_jobs(tx, STRANGER, self.jobs)) == []

    @rule()
    def expire(self) -> None:
        late = [one for one in self.waiting if one.is_too_late(self.now)]
        self.agree([job.id for job in self.tx(lambda tx: expire_jobs(tx, limit=MOST))], late)
        for one in late:
            one.expired()
            self.happened["an expiry"] += 1

    @precondition(lambda self: len(self.jobs) < MOST_JOBS)
    @rule(delay=st.sampled_from((0, 46)), data=st.data())
    def come_too_late(self, delay: int, data: st.DataObject) -> None:
        """A job waits longer than it may; the message comes before rescue does, or after."""
        self.add(delay=delay, expires=True, key=None, priority=5, attempts=2)
        if data.draw(st.booleans()):
            self.send(room=1)
        self.let_time_pass(tens=3)
        messages = list(self.jobs.values())[-1:]
        self.arrive(messages)
        self.expire()
        self.arrive(messages)

    @precondition(lambda self: self.those(lambda one: one.stage == "sent"))
    @rule(data=st.data())
    def give_back_unclaimed(self, data: st.DataObject) -> None:
        """A worker has no room for what it received; what it did not receive stays as it is."""
        named = self.some(data)
        self.tx(lambda tx: put_back(tx, [one.id for one in named]))
        for one in named:
            one.put_back()
        self.claim_too_early()

    @precondition(lambda self: len(self.jobs) < MOST_JOBS)
    @rule(tens=st.integers(1, 6), times=st.integers(1, 3))
    def lose_messages(self, tens: int, times: int) -> None:
        """What was sent and not heard of is sent again, every time after a wait that is twice as long."""
        self.add(delay=0, expires=False, key=None, priority=0, attempts=1)
        for _ in range(times):
            self.send(room=4)
            self.let_time_pass(tens=tens)
            self.send_again()

    @rule()
    def send_again(self) -> None:
        unheard = self.those(lambda one: one.is_unheard(self.now))
        self.agree(self.tx(lambda tx: put_back_lost(tx, resend_seconds=RESEND, limit=MOST)), unheard)
        for one in unheard:
            one.put_back()
            self.happened["a message lost"] += 1

    @invariant()
    def postgres_says_what_the_model_says(self) -> None:
        self.steps += 1
        rows, left = self.tx(self._read)
        assert left == 0
        for job_id, one in self.jobs.items():
            stands = rows.pop(job_id)
            for name, until in one.times.items():
                said = stands.pop(name)
                if said is None or until is None:
                    assert said is until, (one, name)
                else:  # the database's clock runs on while the walk is walked
                    assert -SLACK < said - (until - self.now) <= 0, (one, name)
            assert stands == one.stands, one
        assert not rows

    @property
    def running(self) -> list[ModelJob]:
        return self.those(lambda one: one.state is State.RUNNING)

    @property
    def waiting(self) -> list[ModelJob]:
        return self.those(lambda one: one.state in {State.SCHEDULED, State.QUEUED})

    def those(self, wanted: Callable[[ModelJob], bool]) -> list[ModelJob]:
        return [one for one in self.jobs.values() if wanted(one)]

    def some(self, data: st.DataObject) -> list[ModelJob]:
        numbered = {one.number: one for one in self.jobs.values()}
        numbers = st.lists(st.sampled_from(list(numbered)), min_size=1, max_size=4, unique=True)
        return [numbered[number] for number in data.draw(numbers)]

    @staticmethod
    def pick(data: st.DataObject, jobs: Sequence[ModelJob]) -> ModelJob:
        numbered = {one.number: one for one in jobs}
        return numbered[data.draw(st.sampled_from(list(numbered)))]

    @staticmethod
    def agree(said: Iterable[str], expected: Iterable[ModelJob]) -> None:
        assert sorted(said) == sorted(one.id for one in expected)

    @staticmethod
    def _settling(attempt: Attempt, outcome: Outcome) -> Callable[[Tx], Awaitable[Any]]:
        """As a worker judges: by the job as it was when claimed."""
        verdict = judge(attempt.job, outcome, retry=POLICY, spread=0.5)
        settlement = Settlement(job_id=attempt.job.id, lease=attempt.lease, verdict=verdict)
        return lambda tx: settle_jobs(tx, [settlement])

    def tx(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        async def run() -> T:
            async with self.database.begin() as tx:
                return await work(tx)

        return self.runner.run(run())

    @staticmethod
    async def _clear(tx: Tx) -> None:
        for table in ("attempts", "events", "outbox", "jobs"):
            await tx.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - constants

    @staticmethod
    async def _read(tx: Tx) -> tuple[dict[str, dict[str, Any]], int]:
        rows = [dict(row) for row in (await tx.execute(text(STANDS))).mappings()]
        return {row.pop("id"): row for row in rows}, int((await tx.execute(text(LEFT))).scalar_one())


WALKS: Final = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], stateful_step_count=40
)


@pytest.mark.timeout(3600)
def test_whatever_happens_to_jobs_postgres_says_what_the_model_says(database_url: str) -> None:
    is_long = settings.get_current_profile_name() == "long"
    seen: Counter[str] = Counter()
    with asyncio.Runner() as runner:
        database = open_database(database_url, name="machine", size=1)

        class Walk(JobMachine):
            def __init__(self) -> None:
                super().__init__(runner, database, database_url, seen)

        try:
            runner.run(_add_tenant(database))
            run_state_machine_as_test(
                Walk,
                settings=WALKS if is_long else settings(WALKS, max_examples=60, derandomize=True),
            )
        finally:
            runner.run(database.close())
    shallow = [what for what in COMMON if seen[what] < seen["a walk"] * COMMON[what]]
    assert shallow == [], seen


async def _add_tenant(database: Database) -> None:
    async with database.begin() as tx:
        await add_tenant(tx, TENANT, "tests")
