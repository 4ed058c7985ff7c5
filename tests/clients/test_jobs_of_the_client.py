"""Jobs through the client, against the real API; hands of the test do the worker's work."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from domain.jobs.job import JobError
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from headrace import (
    AsyncHeadrace,
    Conflict,
    Event,
    Forbidden,
    Headrace,
    Invalid,
    Job,
    JobCancelled,
    JobFailed,
    NotFound,
    NotHeadrace,
    RateLimited,
    Unauthenticated,
    WaitTimedOut,
)
from headrace.models import Summarize, Summary
from tests.api.conftest import House

DONE = Verdict(state=State.SUCCEEDED, result=b'{"summary":"short","engine":"local","cached":false,"since":"later"}')
FAILED = Verdict(state=State.FAILED, error=JobError(code="rejected", title="No", detail="Not this one."))


async def test_a_typed_job_gives_a_typed_result_once_it_is_done(house: House, client: AsyncHeadrace) -> None:
    job = await client.text.summarize("A long story.", max_chars=60, priority=3, tags=["news"], metadata={"a": "b"})
    assert (job.kind, job.state, job.info.priority, job.info.tags) == ("text.summarize", "queued", 3, ("news",))
    assert job.info.input == {"text": "A long story.", "max_chars": 60, "language": None}
    waiting = asyncio.create_task(job.result(timeout=20))
    await house.run(job.id, DONE)
    assert await waiting == Summary(summary="short", engine="local", cached=False)
    assert job.is_terminal


async def test_a_job_of_any_kind_is_submitted_by_its_name(house: House, client: AsyncHeadrace) -> None:
    job = await client.jobs.submit("text.summarize", {"text": "A long story."}, delay=timedelta(hours=1))
    assert job.state == "scheduled"
    assert job.info.run_at > datetime.now(UTC) + timedelta(minutes=59)
    again = await client.jobs.get(job.id, Summarize)
    assert (again.id, again.state) == (job.id, "scheduled")
    assert house.tenant_id


async def test_a_job_that_failed_says_why_and_what_each_try_came_to(house: House, client: AsyncHeadrace) -> None:
    job = await client.text.summarize("A long story.")
    await house.run(job.id, FAILED)
    with pytest.raises(JobFailed, match=r"text.summarize\) failed: Not this one \(rejected\)") as told:
        await job.result(timeout=20)
    assert (told.value.code, told.value.detail, told.value.retryable) == ("rejected", "Not this one.", False)
    assert [one.code for one in told.value.attempts] == ["rejected"]
    assert [one.outcome for one in await job.attempts()] == ["failed"]
    await job.retry()
    assert (job.state, job.error) == ("queued", None)


async def test_a_job_that_is_not_done_in_time_goes_on(house: House, client: AsyncHeadrace) -> None:
    job = await client.text.summarize("A long story.")
    with pytest.raises(WaitTimedOut, match="goes on"):
        await job.wait(timeout=0.2)
    with pytest.raises(TimeoutError):
        await job.result(timeout=0)
    await house.run(job.id, DONE)
    assert (await job.wait(timeout=0)).state == "succeeded"


async def test_a_cancelled_job_has_no_result_and_a_finished_one_is_not_cancelled(
    house: House, client: AsyncHeadrace
) -> None:
    job, other = await client.text.summarize("A long story."), await client.text.summarize("Another.")
    await job.cancel()
    assert (await job.cancel()).state == "cancelled"
    with pytest.raises(JobCancelled):
        await job.result(timeout=20)
    await house.run(other.id, DONE)
    with pytest.raises(Conflict, match="succeeded"):
        await other.cancel()


async def test_a_result_of_another_shape_is_told_as_such(house: House, client: AsyncHeadrace) -> None:
    job = await client.text.summarize("A long story.")
    await house.run(job.id, Verdict(state=State.SUCCEEDED, result=b'{"summary":7}'))
    with pytest.raises(NotHeadrace, match=r"is not what text\.summarize gives"):
        await job.result(timeout=20)


async def test_a_unique_job_submitted_twice_is_one(client: AsyncHeadrace) -> None:
    first = await client.text.summarize("A long story.", unique_for="1h")
    second = await client.text.summarize("A long story.", unique_for=3600)
    assert (first.deduplicated, second.deduplicated, second.id) == (False, True, first.id)


async def test_the_same_idempotency_key_is_the_same_job_and_another_body_under_it_is_refused(
    client: AsyncHeadrace,
) -> None:
    first = await client.text.summarize("A long story.", idempotency_key="once")
    assert (await client.text.summarize("A long story.", idempotency_key="once")).id == first.id
    with pytest.raises(Invalid, match="idempotency"):
        await client.text.summarize("Another.", idempotency_key="once")


async def test_every_field_that_is_wrong_is_named(client: AsyncHeadrace) -> None:
    with pytest.raises(Invalid) as told:
        await client.text.summarize("", max_chars=1, priority=500)
    assert {error.pointer for error in told.value.errors} == {"/input/text", "/input/max_chars", "/priority"}
    assert told.value.request_id
    assert "/input/text" in str(told.value)


async def test_who_may_not_and_what_is_not_there_have_errors_of_their_own(
    house: House, address: str, client: AsyncHeadrace
) -> None:
    with pytest.raises(NotFound):
        await client.jobs.get("job_" + "0" * 32)
    async with AsyncHeadrace(address, "hr_unknown") as nobody:
        with pytest.raises(Unauthenticated, match="HEADRACE_API_KEY"):
            await nobody.me()
    async with AsyncHeadrace(address, await house.key(permissions=["jobs:read"])) as reader:
        with pytest.raises(Forbidden, match="jobs:submit"):
            await reader.text.summarize("A long story.")
    async with AsyncHeadrace(address, await house.key(permissions=["jobs:read"], per_minute=1), max_retries=0) as busy:
        await busy.me()
        with pytest.raises(RateLimited) as told:
            await busy.me()
        assert (told.value.retry_after or 0) >= 1


async def test_a_list_is_walked_over_its_pages(client: AsyncHeadrace) -> None:
    made = [(await client.text.summarize(f"Story {number}.", tags=["walk"])).id for number in range(105)]
    walked = [job.id async for job in client.jobs.list(tag="walk", state=["queued", "running"])]
    assert walked == made[::-1]
    assert [len(page) async for page in client.jobs.list(tag="walk", limit=102).pages()] == [100, 2]
    assert [job.id async for job in client.jobs.list(tag="walk", sort="created_at", limit=3)] == made[:3]
    first = await client.jobs.list(tag="walk").first()
    assert first is not None
    assert first.id == made[-1]
    assert await client.jobs.list(tag="nobody has it").all() == []


async def test_an_export_is_read_piece_by_piece(client: AsyncHeadrace) -> None:
    job = await client.text.summarize("A long story.", tags=["export"])
    csv = b"".join([piece async for piece in client.jobs.export("csv", tag="export")])
    lines = b"".join([piece async for piece in client.jobs.export(tag="export")])
    assert job.id.encode() in csv.splitlines()[1]
    assert lines.count(b"\n") == 1


async def test_a_jobs_story_is_told_from_its_snapshot_to_its_end(house: House, client: AsyncHeadrace) -> None:
    job = await client.text.summarize("A long story.")
    story = asyncio.create_task(told(job.events(timeout=20)))
    await house.run(job.id, DONE)
    events = await story
    assert [event.type for event in events][-2:] == ["started", "succeeded"]
    assert events[0].job is not None
    assert {event.job_id for event in events} == {job.id}
    assert events[-1].is_end
    assert events[-1].at is not None
    # from a place on: what is past it
    assert [event.type async for event in job.events(after=1)] == ["snapshot", "started", "succeeded"]
    with pytest.raises(NotFound):
        await told(client.jobs.events("job_" + "0" * 32))


async def test_who_has_heard_enough_of_a_story_leaves_it_and_its_connection(client: AsyncHeadrace) -> None:
    job = await client.text.summarize("A long story.")
    for _ in range(150):  # more than the connections that are kept
        async with aclosing(job.events()) as events:
            async for event in events:
                assert event.type == "snapshot"
                break


async def test_a_story_that_takes_too_long_ends_with_the_time_given(client: AsyncHeadrace) -> None:
    job = await client.text.summarize("A long story.")
    with pytest.raises(WaitTimedOut):
        await told(job.events(timeout=0.3))


async def test_the_sync_client_does_the_same(house: House, address: str, key: str) -> None:
    def submitted() -> tuple[Job[Summary], list[str]]:
        with Headrace(address, key) as client:
            job = client.text.summarize("A long story.", tags=["sync"])
            return job, [each.id for each in client.jobs.list(tag="sync")]

    def ended(job_id: str) -> tuple[Summary, list[str]]:
        with Headrace(address, key) as client:
            job = client.jobs.get(job_id, Summarize)
            events = [event.type for event in job.events(timeout=20)]
            return job.result(timeout=20), events

    job, listed = await asyncio.to_thread(submitted)
    assert listed == [job.id]
    waiting = asyncio.create_task(asyncio.to_thread(ended, job.id))
    await house.run(job.id, DONE)
    summary, events = await waiting
    assert (summary.summary, events[0], events[-1]) == ("short", "snapshot", "succeeded")


async def told(events: AsyncGenerator[Event] | AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]
