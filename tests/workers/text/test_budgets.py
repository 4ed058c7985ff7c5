"""Budgets where jobs run: what is set aside, what is booked, and that no call goes beyond the cap."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

import msgspec
import pytest
from sqlalchemy import text

from domain.jobs.job import Job, JobError
from domain.jobs.state import State
from domain.text.breaker import BreakerRule
from domain.text.budget import Budget
from domain.text.cost import Price, estimate
from domain.text.summarize import SUMMARIZE, Summarize, Summary
from providers.text.chain import Engine, TextChain
from providers.text.guard import Guard
from providers.text.local.engine import LocalTextProvider
from providers.text.provider import Answer, Costly, ProviderAnswerMalformed, ProviderDown, Usage
from runtime.provider_rates import ProviderRates
from storage.jobs import submit_jobs
from storage.usage import set_budgets
from tests.support.bench import execute, open_bench, stored
from tests.support.jobs import TENANT, make_job
from tests.support.scripted_text import ScriptedText
from workers.execute import Bench
from workers.handlers import bind
from workers.text.summarize import summarize

PRICES: Final = {"m": Price(input=1_000_000, output=1_000_000)}
GIVEN: Final = Summarize(text="It rained all night, and in the morning the river stood in the gardens.")
ONE: Final = estimate(PRICES, "m", "text.summarize", given_bytes=len(msgspec.json.encode(GIVEN))).tokens


class Paid(ScriptedText):
    """A provider that uses up exactly what was estimated, and fails as told."""

    def __init__(self, *failures: Exception | None, seconds: float = 0.0) -> None:
        super().__init__()
        self.failures = list(failures)
        self.seconds = seconds
        self.calls = 0

    async def summarize(self, asked: Summarize) -> Answer[Summary]:
        self.asked.append(asked)
        self.calls += 1
        await asyncio.sleep(self.seconds)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return Answer(Summary(summary="It rained.", engine="paid"), usage(ONE))


def usage(tokens: int) -> Usage:
    return Usage(engine="paid", model="m", prompt_tokens=tokens - 1, output_tokens=1)


@asynccontextmanager
async def paying(
    database_url: str, redis_url: str, paid: Paid, *, fallback: bool = False, rates: ProviderRates | None = None
) -> AsyncIterator[Bench]:
    guard = Guard("paid", BreakerRule(failures=1000), monotonic)
    engines = [Engine(name="paid", provider=paid, model_of=lambda _: "m", guard=guard)]
    if fallback:
        engines.append(Engine(name="local", provider=LocalTextProvider()))
    kinds = frozenset({"text.summarize"} if fallback else ())
    chain = TextChain(engines, kinds=kinds, reasons=frozenset({"down", "throttled", "budget"}))
    async with open_bench(
        database_url, redis_url, bind(SUMMARIZE, summarize), text=chain, prices=PRICES, rates=rates, slots=100
    ) as bench:
        yield bench


async def with_budgets(bench: Bench, *budgets: Budget) -> None:
    async with bench.use.database.begin() as tx:
        await set_budgets(tx, TENANT, budgets)


async def submitted(bench: Bench, jobs: int = 1) -> list[Job]:
    async with bench.use.database.begin() as tx:
        return await submit_jobs(tx, [make_job(SUMMARIZE, GIVEN) for _ in range(jobs)])


async def run(bench: Bench, jobs: Sequence[Job]) -> list[Job]:
    await execute([job.id for job in jobs], bench)
    return [await stored(bench.use.database, job) for job in jobs]


async def numbers(bench: Bench, statement: str) -> list[int]:
    async with bench.use.database.read() as tx:
        return [int(value or 0) for value in (await tx.execute(text(statement))).one()]


BOOKED: Final = "SELECT sum(calls), sum(prompt_tokens + output_tokens), sum(cost_micros) FROM usage"
RESERVED: Final = "SELECT count(*) FROM reservations"


@pytest.mark.parametrize("fallback", [True, False])
async def test_of_a_hundred_jobs_at_once_none_asks_beyond_the_cap(
    database_url: str, redis_url: str, *, fallback: bool
) -> None:
    paid = Paid(seconds=0.02)
    async with paying(database_url, redis_url, paid, fallback=fallback) as bench:
        await with_budgets(bench, Budget(tokens=7 * ONE + ONE // 2), Budget(kind="text.summarize", tokens=10**9))
        ended = await run(bench, await submitted(bench, 100))
        booked = await numbers(bench, BOOKED)
        reserved = await numbers(bench, RESERVED)
    assert paid.calls == 7
    assert booked == [7, 7 * ONE, 7 * ONE]
    assert reserved == [0]
    states = [job.state for job in ended]
    assert states.count(State.SUCCEEDED) == (100 if fallback else 7)
    assert states.count(State.SCHEDULED) == (0 if fallback else 93)


async def test_a_job_without_budget_waits_for_the_next_day_where_nothing_else_answers(
    database_url: str, redis_url: str
) -> None:
    async with paying(database_url, redis_url, paid := Paid()) as bench:
        await with_budgets(bench, Budget(cost_micros=ONE))
        [first] = await run(bench, await submitted(bench))
        [second] = await run(bench, await submitted(bench))
        [tomorrow] = await numbers(
            bench,
            "SELECT count(*) FROM jobs WHERE state = 'scheduled' AND abs(extract(epoch FROM run_at "
            "- ((now() AT TIME ZONE 'UTC')::date + 1)::timestamp AT TIME ZONE 'UTC')) < 5",
        )
    assert (first.state, second.state, paid.calls) == (State.SUCCEEDED, State.SCHEDULED, 1)
    assert msgspec.json.decode(second.error or b"", type=JobError).code == "budget_exhausted"
    assert tomorrow == 1


async def test_what_a_failed_attempt_used_up_is_booked_with_the_next_ones(database_url: str, redis_url: str) -> None:
    costly, free = ProviderAnswerMalformed("Nonsense."), ProviderDown("Nobody there.")
    assert isinstance(costly, Costly)
    costly.spent = usage(40)
    async with paying(database_url, redis_url, Paid(costly, free)) as bench:
        await with_budgets(bench, Budget(tokens=10 * ONE))
        [job] = await submitted(bench)
        reserved: list[int] = []
        for _ in range(3):
            await run(bench, [job])
            reserved = await numbers(bench, RESERVED)
            async with bench.use.database.begin() as tx:
                await tx.execute(text("UPDATE jobs SET state = 'queued' WHERE state = 'scheduled'"))
                await tx.execute(text("UPDATE outbox SET stage = 'due'"))
        ended = await stored(bench.use.database, job)
        booked = await numbers(bench, BOOKED)
    assert ended.state is State.SUCCEEDED
    assert booked == [2, 40 + ONE, 40 + ONE]
    assert reserved == [0]
    told = msgspec.json.decode(ended.usage or b"")
    assert (told["engine"], told["model"], told["cost_micros"], told["currency"]) == ("paid", "m", ONE, "USD")


async def test_what_a_dead_attempt_had_set_aside_counts_no_more(database_url: str, redis_url: str) -> None:
    async with paying(database_url, redis_url, paid := Paid()) as bench:
        await with_budgets(bench, Budget(tokens=ONE))
        [dead] = await submitted(bench)
        async with bench.use.database.begin() as tx:
            await tx.execute(
                text("INSERT INTO reservations VALUES (:id, :tenant, 'text.summarize', 'lease_gone', 10000, 0)"),
                {"id": dead.id, "tenant": TENANT},
            )
        [ended] = await run(bench, await submitted(bench))
        reserved = await numbers(bench, RESERVED)
    assert (ended.state, paid.calls, reserved) == (State.SUCCEEDED, 1, [0])


async def test_all_workers_together_ask_as_much_as_they_may_in_a_minute(database_url: str, redis_url: str) -> None:
    for limits in (
        {"requests_per_minute": 3, "tokens_per_minute": None},
        {"requests_per_minute": None, "tokens_per_minute": 3 * ONE + 1},
    ):
        paid = Paid()
        async with (
            paying(database_url, redis_url, paid, rates=ProviderRates(redis_url, f"test-{limits}", **limits)) as one,
            paying(database_url, redis_url, paid, rates=ProviderRates(redis_url, f"test-{limits}", **limits)) as other,
        ):
            ended = [*await run(one, await submitted(one, 5)), *await run(other, await submitted(other, 5))]
        assert paid.calls == 3
        waiting = [job for job in ended if job.state is State.SCHEDULED]
        assert len(waiting) == 7
        assert {msgspec.json.decode(job.error or b"", type=JobError).code for job in waiting} == {"ai_throttled"}
