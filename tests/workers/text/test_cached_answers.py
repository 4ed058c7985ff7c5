"""The answer cache and single flight, at the workers: real stores, a provider that answers when it is let to."""

import asyncio
import dataclasses
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from sqlalchemy import text as sql

from domain.jobs.job import Job, NewJob
from domain.jobs.state import State
from domain.text.moderate import MODERATE
from domain.text.safety import DETECTORS
from domain.text.summarize import SUMMARIZE, Summarize, Summary
from providers.text.provider import ProviderDown, TextProvider
from runtime.cache import MOST_BYTES, AnswerCache, CacheRules
from runtime.flights import HOLD_SECONDS, Answers
from runtime.secret_box import SecretBox
from storage.accounts import add_tenant
from storage.jobs import submit_jobs
from tests.support.bench import execute, open_bench, stored
from tests.support.jobs import make_job
from tests.support.scripted_text import ScriptedText
from tests.support.slow_text import SlowText
from workers.execute import Bench
from workers.handlers import bind
from workers.slots import Slots
from workers.text.moderate import moderate
from workers.text.summarize import summarize

OTHER_TENANT = "tenant_" + "2" * 32
# as patient as a busy machine needs: what is tried is not how soon Redis answers
RULES = CacheRules(seconds={"text.summarize": 60}, engine="scripted", patience_seconds=10.0)
AWAY = replace(RULES, patience_seconds=0.1)
BINDINGS = (bind(SUMMARIZE, summarize), bind(MODERATE, moderate))


@asynccontextmanager
async def bench_of(  # noqa: PLR0913 - what the tests are about
    database_url: str,
    redis_url: str,
    provider: TextProvider,
    *,
    cache: CacheRules = RULES,
    cache_url: str | None = None,
    hold_seconds: float = HOLD_SECONDS,
) -> AsyncIterator[Bench]:
    async with open_bench(
        database_url,
        redis_url,
        *BINDINGS,
        text=provider,
        slots=256,
        cache=cache,
        cache_url=cache_url,
        hold_seconds=hold_seconds,
    ) as bench:
        yield bench


@asynccontextmanager
async def another_process(redis_url: str) -> AsyncIterator[Answers]:
    """What another worker knows of answers: nothing but what Redis says."""
    cache = AnswerCache(redis_url, SecretBox("a secret key of the tests"), RULES)
    yield Answers(cache)
    await cache.close()


async def submitted(bench: Bench, *new: NewJob) -> list[Job]:
    async with bench.use.database.begin() as tx:
        return await submit_jobs(tx, new)


async def run(bench: Bench, *new: NewJob) -> list[Job]:
    jobs = await submitted(bench, *new)
    await execute([job.id for job in jobs], bench)
    return [await stored(bench.use.database, job) for job in jobs]


def summary_of(job: Job) -> Summary:
    assert job.state is State.SUCCEEDED
    assert job.result is not None
    return msgspec.json.decode(job.result, type=Summary)


async def test_the_same_input_again_is_answered_from_the_cache_and_costs_nothing(
    database_url: str, redis_url: str
) -> None:
    provider = ScriptedText()
    async with bench_of(database_url, redis_url, provider) as bench:
        [first] = await run(bench, make_job(SUMMARIZE))
        [again] = await run(bench, make_job(SUMMARIZE))
    assert (summary_of(first).cached, summary_of(again).cached) == (False, True)
    assert summary_of(again).summary == summary_of(first).summary
    assert first.usage is not None
    assert again.usage is None
    assert len(provider.asked) == 1


async def test_what_reads_the_same_is_the_same_input_and_what_does_not_is_another(
    database_url: str, redis_url: str
) -> None:
    provider = ScriptedText()
    async with bench_of(database_url, redis_url, provider) as bench:
        for given in (
            Summarize(text="Caf\u00e9\nat noon."),
            Summarize(text=" Cafe\u0301\r\nat noon. "),
            Summarize(text="Caf\u00e9\nat noon.", max_chars=100),
        ):
            await run(bench, make_job(SUMMARIZE, given))
        assert len(provider.asked) == 1
        for given in (Summarize(text="Caf\u00e9\nat noon.", max_chars=101), Summarize(text="Caf\u00e9 at noon.")):
            await run(bench, make_job(SUMMARIZE, given))
    assert len(provider.asked) == 3


async def test_no_cache_asks_anew_and_its_answer_takes_the_place(database_url: str, redis_url: str) -> None:
    provider = ScriptedText("Before.")
    async with bench_of(database_url, redis_url, provider) as bench:
        await run(bench, make_job(SUMMARIZE))
        provider.said = "After."
        [anew] = await run(bench, make_job(SUMMARIZE, no_cache=True))
        [again] = await run(bench, make_job(SUMMARIZE))
    assert summary_of(anew) == Summary(summary="After.", engine="scripted")
    assert summary_of(again) == Summary(summary="After.", engine="scripted", cached=True)


@pytest.mark.parametrize("shared", [False, True])
async def test_tenants_share_answers_only_where_the_settings_say_so(
    database_url: str, redis_url: str, *, shared: bool
) -> None:
    provider = ScriptedText()
    async with bench_of(database_url, redis_url, provider, cache=replace(RULES, shared=shared)) as bench:
        async with bench.use.database.begin() as tx:
            await add_tenant(tx, OTHER_TENANT, "others")
        await run(bench, make_job(SUMMARIZE))
        async with bench.use.database.begin() as tx:
            [theirs] = await submit_jobs(tx, [replace(make_job(SUMMARIZE), tenant_id=OTHER_TENANT)])
        await execute([theirs.id], bench)
    assert len(provider.asked) == (1 if shared else 2)


async def test_a_kind_whose_answers_are_not_kept_is_asked_each_time(database_url: str, redis_url: str) -> None:
    provider = ScriptedText()
    async with bench_of(database_url, redis_url, provider) as bench:
        await run(bench, make_job(MODERATE), make_job(MODERATE))
    assert len(provider.asked) == 2


async def test_an_answer_of_another_engine_is_not_kept_as_the_first_ones(database_url: str, redis_url: str) -> None:
    provider = SlowText(engine="fallback")
    provider.let_go.set()
    async with bench_of(database_url, redis_url, provider) as bench:
        [first] = await run(bench, make_job(SUMMARIZE))
        [again] = await run(bench, make_job(SUMMARIZE))
    assert not summary_of(first).cached
    assert not summary_of(again).cached
    assert len(provider.asked) == 2


async def test_an_answer_too_large_is_given_and_not_kept(database_url: str, redis_url: str) -> None:
    provider = ScriptedText("x" * (MOST_BYTES + 1))
    async with bench_of(database_url, redis_url, provider) as bench:
        await run(bench, make_job(SUMMARIZE))
        [again] = await run(bench, make_job(SUMMARIZE))
    assert not summary_of(again).cached
    assert len(provider.asked) == 2


@pytest.mark.parametrize("forgery", [b"", b'{"summary":"Send money.","engine":"scripted"}', b"\x01" * 40, "another's"])
async def test_what_somebody_else_put_there_is_no_answer_and_goes(
    database_url: str, redis_url: str, forgery: bytes | str
) -> None:
    provider = ScriptedText()
    redis = Redis.from_url(redis_url)
    async with bench_of(database_url, redis_url, provider) as bench:
        await run(bench, make_job(SUMMARIZE))
        [name] = await redis.keys("hr:answer:*")
        if isinstance(forgery, str):  # a sealed answer, moved from another place
            await run(bench, make_job(SUMMARIZE, Summarize(text="Something else.")))
            [other] = set(await redis.keys("hr:answer:*")) - {name}
            moved = await redis.get(other)
            assert isinstance(moved, bytes)
            forgery = moved
        await redis.set(name, forgery)
        asked = len(provider.asked)
        [again] = await run(bench, make_job(SUMMARIZE))
        assert not summary_of(again).cached
        assert len(provider.asked) == asked + 1
        assert await redis.get(name) != forgery
    await redis.aclose()


async def test_200_jobs_alike_at_once_over_two_workers_make_one_call(database_url: str, redis_url: str) -> None:
    provider = SlowText()
    async with bench_of(database_url, redis_url, provider) as bench, another_process(redis_url) as answers:
        other = dataclasses.replace(bench, use=dataclasses.replace(bench.use, answers=answers), slots=Slots(256))
        jobs = await submitted(bench, *(make_job(SUMMARIZE) for _ in range(200)))
        ids = [job.id for job in jobs]
        running = asyncio.gather(execute(ids[:100], bench), execute(ids[100:], other))
        await provider.asks.wait()
        async with asyncio.timeout(10):
            while await running_jobs(bench) < 200:
                await asyncio.sleep(0.01)  # all of them are at it before there is an answer
        provider.let_go.set()
        await running
        summaries = [summary_of(await stored(bench.use.database, job)) for job in jobs]
    assert len(provider.asked) == 1
    assert sum(summary.cached for summary in summaries) == 199


async def test_who_waited_takes_its_turn_when_the_call_failed(database_url: str, redis_url: str) -> None:
    provider = SlowText()
    provider.failing = ProviderDown("It is down.")
    async with bench_of(database_url, redis_url, provider) as bench:
        jobs = await submitted(bench, make_job(SUMMARIZE, max_attempts=1), make_job(SUMMARIZE, max_attempts=1))
        running = asyncio.create_task(execute([job.id for job in jobs], bench))
        await provider.asks.wait()
        provider.let_go.set()
        await running
        states = [(await stored(bench.use.database, job)).state for job in jobs]
    assert states == [State.FAILED, State.FAILED]
    assert len(provider.asked) == 2


async def test_who_waits_too_long_asks_for_itself(database_url: str, redis_url: str) -> None:
    provider = SlowText()
    redis = Redis.from_url(redis_url)
    provider.let_go.set()
    async with bench_of(database_url, redis_url, provider) as bench:
        spot = bench.use.answers.cache.spot(
            SUMMARIZE, SUMMARIZE.example, make_job(SUMMARIZE).tenant_id, screened=DETECTORS
        )
        assert spot is not None
        await redis.set(f"hr:flight:{{{spot.name}}}", "somebody who never ends")
        [job] = await run(bench, make_job(SUMMARIZE, timeout=timedelta(seconds=2.4)))
    await redis.aclose()
    assert not summary_of(job).cached
    assert len(provider.asked) == 1


async def test_a_worker_killed_while_it_is_at_an_answer_frees_who_waits(database_url: str, redis_url: str) -> None:
    provider = SlowText()
    provider.let_go.set()
    async with bench_of(database_url, redis_url, provider, hold_seconds=1.0) as bench:
        spot = bench.use.answers.cache.spot(
            SUMMARIZE, SUMMARIZE.example, make_job(SUMMARIZE).tenant_id, screened=DETECTORS
        )
        assert spot is not None
        doomed = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.flying", redis_url, spot.name, "1", stdout=asyncio.subprocess.PIPE
        )
        assert doomed.stdout is not None
        assert await doomed.stdout.readline() == b"at it\n"
        [job] = await submitted(bench, make_job(SUMMARIZE))
        waiting = asyncio.create_task(execute([job.id], bench))
        async with asyncio.timeout(10):
            while await running_jobs(bench) < 1:
                await asyncio.sleep(0.01)  # the row tells that it has begun
        assert not provider.asked
        os.kill(doomed.pid, signal.SIGKILL)
        await doomed.wait()
        await asyncio.wait_for(waiting, 10)
        assert not summary_of(await stored(bench.use.database, job)).cached
    assert len(provider.asked) == 1


async def test_answers_go_on_while_redis_is_frozen_or_away(database_url: str, redis_url: str) -> None:
    provider = ScriptedText()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    gone = asyncio.Event()
    async with await asyncio.start_server(silent, "127.0.0.1", 0) as frozen:
        port = frozen.sockets[0].getsockname()[1]
        for url in (f"redis://127.0.0.1:{port}/0", "redis://127.0.0.1:1/0"):
            async with bench_of(database_url, redis_url, provider, cache=AWAY, cache_url=url) as bench:
                loop = asyncio.get_running_loop()
                began = loop.time()
                spot = bench.use.answers.cache.spot(SUMMARIZE, SUMMARIZE.example, "tenant", screened=DETECTORS)
                assert spot is not None
                assert await bench.use.answers.cache.find(spot) is None
                assert loop.time() - began < 1
                ended = await run(bench, make_job(SUMMARIZE), make_job(SUMMARIZE))
                assert {summary_of(job).summary for job in ended} == {provider.said}
        gone.set()


async def running_jobs(bench: Bench) -> int:
    async with bench.use.database.read() as tx:
        return int((await tx.execute(sql("SELECT count(*) FROM jobs WHERE state = 'running'"))).scalar_one())
