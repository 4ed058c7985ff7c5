"""Texts too long for the model, over the real client, chain, worker and stores: what is asked, paid and told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import pytest
from sqlalchemy import text as sql

from domain.jobs.job import Job, JobError
from domain.jobs.kind import Input, Kind
from domain.jobs.state import State
from domain.text.budget import Budget
from domain.text.classify import CLASSIFY, Classification, Classify
from domain.text.cost import Price
from domain.text.generate import GENERATE, Generate
from domain.text.moderate import MODERATE, Moderate, Moderation
from domain.text.summarize import SUMMARIZE, Summarize, Summary
from runtime.cache import CacheRules
from runtime.resources import open_text
from runtime.settings import Settings
from storage.jobs import cancel_job, submit_jobs
from storage.outbox import promote_due
from storage.usage import set_budgets
from tests.support.bench import execute, open_bench, stored
from tests.support.gemini_answers import quoted
from tests.support.gemini_meeting import KEY, one_authority
from tests.support.gemini_script import Answers, Hangs, Refuses, Step
from tests.support.gemini_server import GeminiServer, gemini_server
from tests.support.jobs import TENANT, make_job
from workers.execute import Bench
from workers.handlers import bind
from workers.text.classify import classify
from workers.text.generate import generate
from workers.text.moderate import moderate
from workers.text.summarize import summarize

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class Aiohttp:DeprecationWarning")

BINDINGS: Final = (
    bind(SUMMARIZE, summarize),
    bind(MODERATE, moderate),
    bind(CLASSIFY, classify),
    bind(GENERATE, generate),
)
MODEL: Final = "gemini-test"
MAIL: Final = "ada.byron@example.org"
KEPT: Final = CacheRules(
    seconds=dict.fromkeys(("text.summarize", "text.moderate"), 60), engine="gemini", patience_seconds=10.0
)
RIVER: Final = "".join(
    f"In village {number} the river rose in the night. By noon it stood in the gardens and nobody slept.\n\n"
    for number in range(250)
)
LETTER: Final = f"Write to {MAIL} about it.\n\n{RIVER}Again: {MAIL} knows."


@asynccontextmanager
async def meeting(
    database_url: str, redis_url: str, *script: Step, window: int = 4_000, fallback: str = "on"
) -> AsyncIterator[tuple[Bench, GeminiServer]]:
    """A worker whose model takes few tokens."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", one_authority())
        async with gemini_server(*script) as server:
            chain = open_text(
                Settings(
                    gemini_api_key=KEY,
                    gemini_base_url=server.url,
                    gemini_model=MODEL,
                    gemini_windows=f'{{"{MODEL}": {window}}}',
                    text_fallback=fallback,
                )
            )
            prices = {MODEL: Price(input=1_000_000, output=1_000_000)}
            async with open_bench(database_url, redis_url, *BINDINGS, text=chain, prices=prices, cache=KEPT) as bench:
                yield bench, server


async def submitted(bench: Bench, kind: Kind[Any, Any], given: Input) -> Job:
    async with bench.use.database.begin() as tx:
        [job] = await submit_jobs(tx, [make_job(kind, given)])
    return job


async def attempted(bench: Bench, job: Job) -> Job:
    await execute([job.id], bench)
    return await stored(bench.use.database, job)


async def ended(bench: Bench, kind: Kind[Any, Any], given: Input) -> Job:
    return await attempted(bench, await submitted(bench, kind, given))


async def numbers(bench: Bench, statement: str) -> list[int]:
    async with bench.use.database.read() as tx:
        return [int(value or 0) for value in (await tx.execute(sql(statement))).one()]


BOOKED: Final = "SELECT sum(calls), sum(prompt_tokens + output_tokens) FROM usage"
RESERVED: Final = "SELECT count(*) FROM reservations"


def code_of(job: Job) -> str | None:
    return None if job.error is None else msgspec.json.decode(job.error, type=JobError).code


async def test_a_long_text_is_summarized_part_by_part_and_then_as_a_whole(database_url: str, redis_url: str) -> None:
    async with meeting(database_url, redis_url) as (bench, server):
        job = await ended(bench, SUMMARIZE, Summarize(text=LETTER, max_chars=120))
        calls, tokens = await numbers(bench, BOOKED)
        told = await numbers(bench, "SELECT count(*) FROM events WHERE type = 'progress'")
        reserved = await numbers(bench, RESERVED)
    *parts, merged = server.requests
    assert job.result is not None
    assert job.usage is not None
    summary = msgspec.json.decode(job.result, type=Summary)
    usage = msgspec.json.decode(job.usage)
    assert (summary.engine, job.progress) == ("gemini", 1)
    assert len(summary.summary) <= 120
    # each word of the text is shown once, and in order of the parts
    assert len(parts) >= 4
    shown = sorted((quoted(part.user) for part in parts), key=lambda part: -part.startswith("Write to"))
    assert sum(part.count("In village") for part in shown) == 250
    assert "summaries of the parts" in merged.system
    assert not any("summaries of the parts" in part.system for part in parts)
    # the value is shown nowhere, and has one placeholder in all parts and in the summary of summaries
    assert not any(MAIL in asked.user for asked in server.requests)
    assert sum("[EMAIL_1]" in part for part in shown) == 2
    assert "[EMAIL_1]" in merged.user
    # all questions are booked, and nothing is set aside any more
    assert calls == len(server.requests) == len(parts) + 1
    assert usage["prompt_tokens"] + usage["output_tokens"] == tokens
    assert usage["prompt_version"] == "summarize-1-redacted+merge-1-redacted"
    assert 1 < told[0] <= len(server.requests)
    assert reserved == [0]


async def test_one_bad_part_makes_a_bad_text(database_url: str, redis_url: str) -> None:
    rude = "You stupid idiots, I hate you all, you moron trash scum. " * 40
    async with meeting(database_url, redis_url) as (bench, server):
        bad = await ended(bench, MODERATE, Moderate(text=RIVER + rude + RIVER))
        good = await ended(bench, MODERATE, Moderate(text=RIVER))
    assert len(server.requests) > 8
    assert bad.result is not None
    assert good.result is not None
    assert msgspec.json.decode(bad.result, type=Moderation).flagged
    assert not msgspec.json.decode(good.result, type=Moderation).flagged


async def test_a_long_text_is_classified_by_what_most_of_it_is(database_url: str, redis_url: str) -> None:
    async with meeting(database_url, redis_url) as (bench, server):
        given = Classify(text=RIVER + "The sun shone on the roofs. " * 50, labels=("river", "sun"))
        job = await ended(bench, CLASSIFY, given)
    assert len(server.requests) > 3
    assert job.result is not None
    found = msgspec.json.decode(job.result, type=Classification)
    assert (found.category, found.language, found.engine) == ("river", "en", "gemini")
    assert sum(found.scores.values()) == pytest.approx(1)


async def test_an_attempt_that_breaks_off_is_gone_on_with_and_no_part_is_paid_twice(
    database_url: str, redis_url: str
) -> None:
    async with meeting(database_url, redis_url, Answers(), Answers(), Refuses(code=503)) as (bench, server):
        job = await submitted(bench, SUMMARIZE, Summarize(text=RIVER))
        first = await attempted(bench, job)
        asked_first = len(server.requests)
        async with bench.use.database.begin() as tx:
            await tx.execute(sql("UPDATE outbox SET due_at = now()"))
            await promote_due(tx, limit=10)
        second = await attempted(bench, job)
        calls, _ = await numbers(bench, BOOKED)
    # the local engine could have answered, and what was paid for would have been lost
    assert (first.state, code_of(first)) == (State.SCHEDULED, "ai_unavailable")
    assert asked_first <= 6, "no part is begun after one failed"
    assert second.state is State.SUCCEEDED
    shown = [asked.user for asked in server.requests]
    assert len(shown) == len(set(shown)) + 1, "only the part that was refused is asked about again"
    assert calls == len(set(shown))


async def test_an_attempt_whose_answers_are_not_kept_leaves_the_text_to_the_next_engine(
    database_url: str, redis_url: str
) -> None:
    assert CLASSIFY.name not in KEPT.seconds
    async with meeting(database_url, redis_url, Answers(), Answers(), Refuses(code=503)) as (bench, _):
        job = await ended(bench, CLASSIFY, Classify(text=RIVER))
    assert (job.state, job.attempt) == (State.SUCCEEDED, 1)
    assert job.result is not None
    assert msgspec.json.decode(job.result, type=Classification).engine == "local"


async def test_a_provider_that_throttles_in_the_middle_is_waited_for(database_url: str, redis_url: str) -> None:
    throttled = Refuses(code=429, retry_delay="0.2s")
    async with meeting(database_url, redis_url, Answers(), Answers(), throttled) as (bench, server):
        job = await ended(bench, MODERATE, Moderate(text=RIVER))
    assert (job.state, job.attempt) == (State.SUCCEEDED, 1)
    assert job.result is not None
    assert msgspec.json.decode(job.result, type=Moderation).engine == "gemini"
    assert len(server.requests) == len({asked.user for asked in server.requests}) + 1


async def test_nothing_is_asked_where_the_budget_is_not_enough_for_all_parts(database_url: str, redis_url: str) -> None:
    async with meeting(database_url, redis_url, fallback="off") as (bench, server):
        async with bench.use.database.begin() as tx:
            await set_budgets(tx, TENANT, [Budget(tokens=5_000)])
        refused = await ended(bench, MODERATE, Moderate(text=RIVER))
        async with bench.use.database.begin() as tx:
            await set_budgets(tx, TENANT, [Budget(tokens=50_000)])
        assert not server.requests
        taken = await ended(bench, MODERATE, Moderate(text=RIVER))
        reserved = await numbers(bench, RESERVED)
    assert (refused.state, code_of(refused)) == (State.SCHEDULED, "budget_exhausted")
    assert taken.state is State.SUCCEEDED
    assert reserved == [0]


async def test_a_cancelled_job_asks_about_no_more_parts(database_url: str, redis_url: str) -> None:
    async with meeting(database_url, redis_url, Answers(), *[Hangs()] * 9) as (bench, server):
        job = await submitted(bench, MODERATE, Moderate(text=RIVER * 4))
        attempt = asyncio.create_task(attempted(bench, job))
        await server.asked.wait()
        async with bench.use.database.begin() as tx:
            await cancel_job(tx, TENANT, job.id)
        cancelled = await attempt
    assert cancelled.state is State.CANCELLED
    assert len(server.requests) <= 5


async def test_a_brief_too_long_for_the_model_is_refused_for_good(database_url: str, redis_url: str) -> None:
    async with meeting(database_url, redis_url) as (bench, server):
        job = await ended(bench, GENERATE, Generate(format="blog", brief=RIVER[:12_000]))
    assert (job.state, code_of(job)) == (State.FAILED, "input_too_long")
    assert not server.requests
