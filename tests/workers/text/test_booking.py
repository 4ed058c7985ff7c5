"""What was spent is booked, whatever becomes of the attempt."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from sqlalchemy import text
from structlog.testing import capture_logs

from domain.jobs.job import Job
from domain.jobs.state import State
from domain.text.budget import Budget, BudgetExhausted
from domain.text.cost import estimate
from providers.text.provider import Usage
from runtime.provider_rates import ProviderRates
from storage.database import DatabaseBusy, DatabaseDown, Tx
from storage.jobs import cancel_job
from storage.usage import Booking, book_usage, set_budgets
from tests.support.bench import execute, open_bench, reaches
from tests.support.jobs import TENANT, Ask, Reply, submit
from workers.booked import booked
from workers.context import Context
from workers.execute import Bench
from workers.spending import JobMeter

USAGE = Usage(engine="e", model="m", prompt_tokens=40, output_tokens=2)
BOOKING = Booking(engine="e", model="m", prompt_tokens=40, output_tokens=2, cost_micros=1)
Write = Callable[[Tx], Awaitable[None]]


class Booker:
    """Handles a job by booking, with a write that does first as the test says."""

    def __init__(self, first: Write) -> None:
        self.first = first
        self.is_writing = asyncio.Event()
        self.may_go_on = asyncio.Event()

    async def handle(self, asked: Ask, ctx: Context) -> Reply:
        async def write(tx: Tx) -> None:
            await self.first(tx)
            await book_usage(tx, ctx.tenant_id, "text.summarize", BOOKING)

        await booked(ctx, write, usage=USAGE)
        return Reply(text=asked.question)


async def queued(bench: Bench) -> Job:
    async with bench.use.database.begin() as tx:
        [job] = await submit(tx)
    return job


async def tokens(bench: Bench) -> int:
    async with bench.use.database.read() as tx:
        return int((await tx.execute(text("SELECT coalesce(sum(prompt_tokens), 0) FROM usage"))).scalar_one())


async def test_who_is_stopped_while_booking_is_stopped_once_it_is_booked(database_url: str, redis_url: str) -> None:
    async def slowly(_: Tx) -> None:
        booker.is_writing.set()
        await booker.may_go_on.wait()

    booker = Booker(slowly)
    async with open_bench(database_url, redis_url, ask=booker.handle) as bench:
        job = await queued(bench)
        running = asyncio.create_task(execute([job.id], bench))
        await booker.is_writing.wait()
        async with bench.use.database.begin() as tx:
            await cancel_job(tx, TENANT, job.id)
        bench.use.wakeups.tell_cancelled([job.id])
        [watch] = bench.leases._watched.values()  # noqa: SLF001 - nothing outside tells that the stop has arrived
        await watch.stopped
        booker.may_go_on.set()
        await running
        await reaches(bench.use.database, job, State.CANCELLED)
        assert await tokens(bench) == 40


async def test_a_pool_that_is_in_use_is_waited_for_and_nothing_is_booked_twice(
    database_url: str, redis_url: str
) -> None:
    tries: list[int] = []

    async def busy_at_first(_: Tx) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise DatabaseBusy("Every connection to Postgres is in use.")

    async with open_bench(database_url, redis_url, ask=Booker(busy_at_first).handle) as bench:
        job = await queued(bench)
        await execute([job.id], bench)
        await reaches(bench.use.database, job, State.SUCCEEDED)
        assert (len(tries), await tokens(bench)) == (3, 40)


async def test_what_could_not_be_booked_is_told_also_where_a_stop_hides_the_failure(
    database_url: str, redis_url: str
) -> None:
    async def down(_: Tx) -> None:
        booker.is_writing.set()
        await booker.may_go_on.wait()
        raise DatabaseDown("It is away.")

    booker = Booker(down)
    async with open_bench(database_url, redis_url, ask=booker.handle) as bench:
        job = await queued(bench)
        with capture_logs() as logs:
            running = asyncio.create_task(execute([job.id], bench))
            await booker.is_writing.wait()
            async with bench.use.database.begin() as tx:
                await cancel_job(tx, TENANT, job.id)
            bench.use.wakeups.tell_cancelled([job.id])
            [watch] = bench.leases._watched.values()  # noqa: SLF001 - as above
            await watch.stopped
            booker.may_go_on.set()
            await running
        await reaches(bench.use.database, job, State.CANCELLED)
    [told] = [entry for entry in logs if entry["event"] == "usage.not_booked"]
    assert (told["prompt_tokens"], told["output_tokens"], told["error"]) == (40, 2, "DatabaseDown")


async def test_an_attempt_that_is_over_books_all_the_same(database_url: str, redis_url: str) -> None:
    over: list[Context] = []

    async def nothing(_: Tx) -> None:
        """Go on."""

    async def handle(asked: Ask, ctx: Context) -> Reply:
        over.append(ctx)
        return Reply(text=asked.question)

    async with open_bench(database_url, redis_url, ask=handle) as bench:
        job = await queued(bench)
        await execute([job.id], bench)
        await reaches(bench.use.database, job, State.SUCCEEDED)
        await Booker(nothing).handle(Ask(question="late"), over[0])
        assert await tokens(bench) == 40


async def test_what_is_booked_for_another_kind_is_set_aside_for_it_as_much_as_the_kind_asked_takes(
    database_url: str, redis_url: str
) -> None:
    reserved: list[tuple[str, int]] = []

    async def handle(asked: Ask, ctx: Context) -> Reply:
        meter = JobMeter(ctx, books_for="chat.condense")
        await meter.reserve("text.summarize", "m", 300)
        reserved.append(await set_aside(ctx))
        async with meter.together("text.summarize", "m", [300, 300]):
            reserved.append(await set_aside(ctx))
        return Reply(text=asked.question)

    async def set_aside(ctx: Context) -> tuple[str, int]:
        async with ctx.reading() as connection:
            kind, tokens = (await connection.execute(text("SELECT kind, tokens FROM reservations"))).one()
        return kind, tokens

    async with open_bench(database_url, redis_url, ask=handle) as opened:
        bench = replace(opened, use=replace(opened.use, most_output_tokens={"text.summarize": 5_000}))
        async with bench.use.database.begin() as tx:
            await set_budgets(tx, TENANT, [Budget(tokens=1_000_000)])
        job = await queued(bench)
        await execute([job.id], bench)
        await reaches(bench.use.database, job, State.SUCCEEDED)
    one = estimate({}, "m", "text.summarize", given_bytes=300, most_output_tokens=5_000).tokens
    assert reserved == [("chat.condense", one), ("chat.condense", 2 * one)]


async def test_who_was_seen_to_have_no_budget_is_not_asked_for_one_at_the_first_question_and_is_at_the_second(
    database_url: str, redis_url: str
) -> None:
    refused: list[str] = []

    async def handle(asked: Ask, ctx: Context) -> Reply:
        meter = JobMeter(ctx, is_unbounded=True)
        async with ctx.noting() as tx:  # after it was seen
            await set_budgets(tx, TENANT, [Budget(tokens=1)])
        await meter.reserve("chat.reply", "m", 300)
        try:
            await meter.reserve("chat.reply", "m", 300)
        except BudgetExhausted as error:
            refused.append(error.code)
        return Reply(text=asked.question)

    async with open_bench(database_url, redis_url, ask=handle) as bench:
        job = await queued(bench)
        await execute([job.id], bench)
        await reaches(bench.use.database, job, State.SUCCEEDED)
    assert refused == ["budget_exhausted"]


async def test_turns_are_taken_by_what_questions_likely_take_and_not_by_the_most_they_may(
    database_url: str, redis_url: str
) -> None:
    async def handle(asked: Ask, ctx: Context) -> Reply:
        for _ in range(4):
            await JobMeter(ctx).reserve("text.summarize", "m", 300)
        return Reply(text=asked.question)

    rates = ProviderRates(redis_url, "test", requests_per_minute=None, tokens_per_minute=10_000)
    async with open_bench(database_url, redis_url, ask=handle, rates=rates) as opened:
        bench = replace(opened, use=replace(opened.use, most_output_tokens={"text.summarize": 5_000}))
        job = await queued(bench)
        await execute([job.id], bench)
        await reaches(bench.use.database, job, State.SUCCEEDED)
