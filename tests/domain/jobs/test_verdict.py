"""judge(): each outcome of an attempt has one verdict, and no verdict makes a move that is not legal."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Limited, NotFound, Unavailable
from domain.jobs.job import JobError
from domain.jobs.retry import RetryPolicy, backoff
from domain.jobs.state import State, may_move
from domain.jobs.verdict import (
    MOST_CRASHES,
    MOST_RESULT_BYTES,
    Crashed,
    Failed,
    GivenBack,
    Outcome,
    Reject,
    Retry,
    Stopped,
    Succeeded,
    judge,
    outcome_of,
    timed_out,
)
from tests.support.running_job import running_job

POLICY = RetryPolicy(base=timedelta(seconds=2), ceiling=timedelta(minutes=1))


def failed(*, retryable: bool, after: timedelta | None = None) -> Failed:
    return Failed(error=JobError(code="x", title="X", detail="It broke.", retryable=retryable), after=after)


OUTCOMES = st.one_of(
    st.builds(Succeeded, st.binary(max_size=8)),
    st.builds(failed, retryable=st.booleans(), after=st.none() | st.timedeltas(timedelta(0), timedelta(days=1))),
    st.just(GivenBack()),
    st.just(Stopped()),
    st.builds(Crashed, st.just("worker-1")),
)


@given(OUTCOMES, st.integers(1, 60), st.integers(1, 50), st.integers(0, 5), st.floats(0, 0.999))
def test_every_verdict_is_a_legal_move(
    outcome: Outcome, attempt: int, max_attempts: int, crashes: int, spread: float
) -> None:
    job = running_job(attempt=attempt, max_attempts=max_attempts, crashes=crashes)
    verdict = judge(job, outcome, retry=POLICY, spread=spread)
    assert may_move(State.RUNNING, verdict.state)
    assert (verdict.state is State.FAILED) <= (verdict.error is not None)
    assert (verdict.delay > timedelta(0)) <= (verdict.state is State.SCHEDULED)


def test_a_result_is_kept_up_to_its_limit_and_not_a_byte_more() -> None:
    at_limit = judge(running_job(), Succeeded(b"x" * MOST_RESULT_BYTES), retry=POLICY, spread=0)
    assert at_limit.state is State.SUCCEEDED
    over = judge(running_job(), Succeeded(b"x" * (MOST_RESULT_BYTES + 1)), retry=POLICY, spread=0)
    assert (over.state, over.error and over.error.code) == (State.FAILED, "result_too_large")


def test_the_last_attempt_fails_for_good_and_says_why() -> None:
    verdict = judge(running_job(attempt=3, max_attempts=3), failed(retryable=True), retry=POLICY, spread=0)
    assert verdict.error is not None
    assert (verdict.state, verdict.error.code) == (State.FAILED, "attempts_exhausted")
    assert "It broke." in verdict.error.detail


def test_what_cannot_succeed_is_not_tried_again() -> None:
    assert judge(running_job(), failed(retryable=False), retry=POLICY, spread=0).state is State.FAILED


@pytest.mark.parametrize(("crashes", "state"), [(0, State.QUEUED), (MOST_CRASHES - 1, State.FAILED)])
def test_a_crash_is_counted_apart_from_the_attempts(crashes: int, state: State) -> None:
    verdict = judge(running_job(attempt=3, max_attempts=3, crashes=crashes), Crashed("w"), retry=POLICY, spread=0)
    assert (verdict.state, verdict.counts_as_crash) == (state, True)


def test_a_job_given_back_uses_no_attempt() -> None:
    verdict = judge(running_job(), GivenBack(), retry=POLICY, spread=0)
    assert (verdict.state, verdict.counts_as_attempt, verdict.counts_as_crash) == (State.QUEUED, False, False)


@given(st.integers(1, 10_000), st.floats(0, 0.999))
def test_waits_double_up_to_the_ceiling_and_are_spread(attempt: int, spread: float) -> None:
    wait = backoff(POLICY, attempt, spread)
    middle = min(POLICY.base * 2 ** min(attempt - 1, 30), POLICY.ceiling)
    assert middle * 0.5 <= wait < middle * 1.5


def test_what_a_handler_raises_decides_whether_and_when_it_is_tried_again() -> None:
    assert outcome_of(Retry("later", after=timedelta(seconds=9))).after == timedelta(seconds=9)
    assert outcome_of(Unavailable("down", retry_after_seconds=4)).at_least == timedelta(seconds=4)
    assert outcome_of(Unavailable("down")).error.retryable
    assert outcome_of(Limited("slow", retry_after_seconds=2.5)).at_least == timedelta(seconds=2.5)
    assert not outcome_of(NotFound("gone")).error.retryable
    rejected = outcome_of(Reject("no_such_thing", "It is not there.")).error
    assert (rejected.code, rejected.retryable) == ("no_such_thing", False)


@given(st.integers(1, 4), st.floats(0, 0.999), st.integers(0, 100_000))
def test_who_says_when_to_come_again_says_the_earliest(attempt: int, spread: float, seconds: int) -> None:
    job = running_job(attempt=attempt, max_attempts=5)
    busy = outcome_of(Limited("slow", retry_after_seconds=seconds))
    verdict = judge(job, busy, retry=POLICY, spread=spread)
    assert verdict.delay == max(timedelta(seconds=seconds), backoff(POLICY, attempt, spread))


def test_an_unexpected_error_is_named_but_its_words_stay_in_the_log() -> None:
    error = outcome_of(ValueError("password=hunter2")).error
    assert error.retryable
    assert "ValueError" in error.detail
    assert "hunter2" not in error.detail


def test_a_timeout_says_how_long_it_was_given() -> None:
    assert "5 s" in timed_out(running_job()).error.detail
