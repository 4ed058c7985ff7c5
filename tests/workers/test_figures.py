"""What workers and relays count: every message, claim, attempt and move once, under labels that are few for ever."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from celery import Celery
from prometheus_client import generate_latest
from sqlalchemy import text

from domain.jobs.verdict import Reject, Retry
from runtime.broker import RUN, BrokerDown, Sender
from runtime.event_streams import EventStreams
from tests.support.bench import execute, open_bench, sender_to
from tests.support.figures import figure
from tests.support.jobs import Ask, Reply, claim, make_job, submit
from workers.abandoned import Abandoned
from workers.bulk import bulk_forever
from workers.context import Context
from workers.emptied import watch_broker
from workers.execute import Bench
from workers.figures import HEARING, HEARTBEAT, LOOK, RelayFigures, WorkerFigures
from workers.prune import prune_forever
from workers.publish import publish_forever
from workers.relay import Relay
from workers.rescue import rescue_forever
from workers.slots import Slots
from workers.tasks import bind_run

JOB = "job_" + "0" * 32


def attempts(bench: Bench, outcome: str) -> float | None:
    name = "headrace_attempt_duration_seconds_count"
    return figure(bench.figures.registry, name, kind="tests.ask", outcome=outcome)


def named(bench: Bench, outcome: str) -> float | None:
    return figure(bench.figures.registry, "headrace_claim_jobs_total", outcome=outcome)


async def obey(ask: Ask, ctx: Context) -> Reply:
    match ask.question:
        case "reject":
            raise Reject("no", "Never.")
        case "retry":
            raise Retry("Not now.")
        case "break":
            raise ValueError
        case "effects":
            async with ctx.settling():
                return Reply(text="done")
        case "lose":
            async with ctx.use.database.begin() as tx:
                await tx.execute(text("UPDATE jobs SET lease = 'lease_of_another' WHERE id = :id"), {"id": ctx.job.id})
        case _:
            pass
    return Reply(text="done")


@pytest.mark.parametrize(
    ("question", "outcome"),
    [
        ("why?", "succeeded"),
        ("effects", "succeeded"),
        ("reject", "failed"),
        ("retry", "retrying"),
        ("break", "retrying"),
        ("lose", "lost"),
    ],
)
async def test_an_attempt_is_counted_and_timed_by_what_became_of_its_job(
    database_url: str, redis_url: str, question: str, outcome: str
) -> None:
    # a heartbeat would find the lost lease before the settlement does
    async with open_bench(database_url, redis_url, ask=obey, heartbeat_seconds=30) as bench:
        async with bench.use.database.begin() as tx:
            [job] = await submit(tx, make_job(given=Ask(question=question)))
        await execute([job.id], bench)
        assert attempts(bench, outcome) == 1
        assert figure(bench.figures.registry, "headrace_settle_duration_seconds_count") == 1
        told = generate_latest(bench.figures.registry).decode()
        assert job.id not in told
        assert job.tenant_id not in told


async def test_an_attempt_whose_end_cannot_be_written_is_told(database_url: str, redis_url: str) -> None:
    points = "result.before_write=raise"
    async with open_bench(database_url, redis_url, ask=obey, kill_points=points) as bench:
        async with bench.use.database.begin() as tx:
            [job] = await submit(tx)
        await execute([job.id], bench)
        assert attempts(bench, "not_settled") == 1


async def test_a_claim_tells_what_it_got_of_the_jobs_named(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url, ask=obey) as bench:
        async with bench.use.database.begin() as tx:
            jobs = await submit(tx, *(make_job() for _ in range(3)))
        ids = [job.id for job in jobs]
        await execute(ids, bench)
        await execute(ids[:2], bench)
        assert (named(bench, "claimed"), named(bench, "not_ours")) == (3, 2)
        assert figure(bench.figures.registry, "headrace_claim_duration_seconds_count") == 2
        bench.is_draining = True
        async with bench.use.database.begin() as tx:
            [last] = await submit(tx)
        await execute([last.id], bench)
        assert named(bench, "put_back") == 1


async def test_slots_and_abandoned_handlers_are_told_as_they_are_when_asked() -> None:
    figures, slots, abandoned = WorkerFigures(), Slots(8), Abandoned()
    figures.watch(slots, abandoned)
    await slots.take(3)
    abandoned.add(endless := asyncio.create_task(asyncio.Event().wait()))
    assert figure(figures.registry, "headrace_worker_slots") == 8
    assert figure(figures.registry, "headrace_worker_slots_used") == 3
    assert figure(figures.registry, "headrace_worker_abandoned_handlers") == 1
    endless.cancel()


async def test_a_heartbeat_is_a_round_and_dated(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with asyncio.timeout(10):
            while not figure(bench.figures.registry, "headrace_round_timestamp_seconds", round=HEARTBEAT):
                await asyncio.sleep(0.01)


def test_messages_are_counted_by_what_they_were() -> None:
    app, figures = Celery("tests", set_as_current=False), WorkerFigures()

    def ring(ids: list[str], *, in_front: bool) -> list[str]:
        if len(ids) > 1:
            raise RuntimeError
        return []

    bind_run(app, ring, figures.heard)
    app.tasks[RUN]([JOB], None)
    app.tasks[RUN]([JOB, JOB], None)
    app.tasks[RUN]("forged", None)
    told = {
        outcome: figure(figures.registry, "headrace_worker_messages_total", outcome=outcome)
        for outcome in ("taken", "broke", "refused")
    }
    assert told == {"taken": 2, "broke": 1, "refused": 1}
    assert figure(figures.registry, "headrace_round_timestamp_seconds", round=HEARING)


async def test_a_relay_tells_what_it_sent_and_that_it_looked(database_url: str, redis_url: str, sender: Sender) -> None:
    figures = RelayFigures()
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            await submit(tx, *(make_job() for _ in range(3)))
        relay = asyncio.create_task(Relay(bench.use, sender, queues=["tests"], figures=figures).run())
        await until(figures, "headrace_round_timestamp_seconds", round=LOOK)
        assert figure(figures.registry, "headrace_relay_sent_jobs_total", queue="tests") == 3
        assert figure(figures.registry, "headrace_relay_messages_total", queue="tests", line="front") == 3
        await stopped(relay)


async def test_a_relay_whose_broker_is_away_says_so_and_has_not_looked(database_url: str, redis_url: str) -> None:
    figures, nowhere = RelayFigures(), sender_to("redis://127.0.0.1:1/0")
    async with open_bench(database_url, redis_url, heartbeat_seconds=30) as bench:
        async with bench.use.database.begin() as tx:
            await submit(tx)
        relay = asyncio.create_task(Relay(bench.use, nowhere, queues=["tests"], figures=figures).run())
        await until(figures, "headrace_round_duration_seconds_count", round=LOOK, outcome=BrokerDown.code)
        assert figure(figures.registry, "headrace_round_timestamp_seconds", round=LOOK) == 0
        await stopped(relay)
    nowhere.close()


@pytest.mark.parametrize("duty", ["rescue", "broker", "bulk", "prune", "publish"])
async def test_each_duty_of_a_relay_is_a_round_and_dated(
    database_url: str, redis_url: str, sender: Sender, duty: str
) -> None:
    figures = RelayFigures()
    async with open_bench(database_url, redis_url, heartbeat_seconds=30) as bench:
        streams = EventStreams(bench.use.wakeups.redis, kept=10)
        duties: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "rescue": lambda: rescue_forever(bench.use, figures, resend_seconds=15, every_seconds=5, grace_seconds=0),
            "broker": lambda: watch_broker(bench.use, sender, figures),
            "bulk": lambda: bulk_forever(bench.use, figures),
            "prune": lambda: prune_forever(bench.use, figures, retention_days=30),
            "publish": lambda: publish_forever(bench.use, streams, figures),
        }
        at_it = asyncio.create_task(duties[duty]())
        await until(figures, "headrace_round_timestamp_seconds", round=duty)
        await stopped(at_it)


async def test_what_a_relay_rescues_is_counted(database_url: str, redis_url: str) -> None:
    figures = RelayFigures()
    async with open_bench(database_url, redis_url, heartbeat_seconds=30) as bench:
        async with bench.use.database.begin() as tx:
            await claim(tx, *await submit(tx), lease_seconds=0)
        rescue = asyncio.create_task(
            rescue_forever(bench.use, figures, resend_seconds=15, every_seconds=5, grace_seconds=0)
        )
        await until(figures, "headrace_round_timestamp_seconds", round="rescue")
        await stopped(rescue)
    assert figure(figures.registry, "headrace_relay_moved_jobs_total", move="rescued") == 1
    assert figure(figures.registry, "headrace_relay_moved_jobs_total", move="pruned") == 0


async def stopped(at_it: "asyncio.Task[None]") -> None:
    """Stop what rests between two rounds."""
    at_it.cancel()
    await asyncio.gather(at_it, return_exceptions=True)


async def until(figures: RelayFigures, name: str, **labels: str) -> None:
    async with asyncio.timeout(10):
        while not figure(figures.registry, name, **labels):
            await asyncio.sleep(0.01)
