"""The outbox: what is due is sent in the right order, and sent again when it got lost."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import TextClause, text

from domain.jobs.limits import Lane, Portion
from domain.jobs.state import State
from storage import outbox
from storage.database import Database
from storage.jobs import find_job
from storage.outbox import (
    Outlook,
    look_at,
    look_out,
    promote_due,
    put_back,
    put_back_lost,
    take_due,
)
from tests.support.jobs import TENANT, claim, make_job, open_store, portions, submit


async def test_what_is_due_is_taken_by_priority_and_then_by_age(database: Database) -> None:
    async with database.begin() as tx:
        [low] = await submit(tx, make_job(priority=-5))
    async with database.begin() as tx:
        [first] = await submit(tx, make_job())
    async with database.begin() as tx:
        [second, high] = await submit(tx, make_job(), make_job(priority=50))
        taken = [due.job_id for due in await take_due(tx, "tests", portions(TENANT, most=10))]
    assert taken == [high.id, first.id, second.id, low.id]


async def test_jobs_that_a_busy_key_holds_back_hide_nobody(database: Database) -> None:
    async with database.begin() as tx:
        await submit(tx, make_job(concurrency_key="busy"))
        await tx.execute(text("UPDATE outbox SET stage = 'sent', sent_at = now(), sends = 1"))
        [one] = await submit(tx, make_job(concurrency_key="busy", priority=1))
        copies = text("""
            INSERT INTO outbox (job_id, tenant_id, kind, queue, priority, stage, due_at, concurrency_key)
            SELECT 'job_' || lpad(n::text, 32, '0'), tenant_id, kind, queue, priority, 'due', due_at, concurrency_key
            FROM outbox, generate_series(1, 2000) AS n WHERE job_id = :id
        """)
        await tx.execute(copies, {"id": one.id})
        [free] = await submit(tx, make_job())
    async with database.begin() as tx:
        assert [due.job_id for due in await take_due(tx, "tests", portions(TENANT, most=10))] == [free.id]


async def test_two_relays_take_different_jobs(database: Database) -> None:
    async with database.begin() as tx:
        await submit(tx, *(make_job() for _ in range(10)))
    async with database.begin() as one, database.begin() as other:
        first = {due.job_id for due in await take_due(one, "tests", portions(TENANT, most=4))}
        second = {due.job_id for due in await take_due(other, "tests", portions(TENANT, most=10))}
    assert (len(first), len(second)) == (4, 6)
    assert not first & second


async def test_a_relay_that_dies_before_its_commit_has_taken_nothing(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await submit(tx)
    async with database.begin() as tx:
        await take_due(tx, "tests", portions(TENANT, most=10))
        await tx.rollback()
    async with database.begin() as tx:
        assert [due.job_id for due in await take_due(tx, "tests", portions(TENANT, most=10))] == [job.id]


async def test_a_scheduled_job_is_queued_when_its_time_has_come(database: Database) -> None:
    async with database.begin() as tx:
        [soon, later] = await submit(tx, make_job(delay=timedelta(milliseconds=1)), make_job(delay=timedelta(hours=1)))
    async with database.begin() as tx:
        assert await promote_due(tx, limit=10) == [soon.id]
        promoted = await find_job(tx, TENANT, soon.id)
        waiting = await find_job(tx, TENANT, later.id)
        assert promoted is not None
        assert waiting is not None
        assert (promoted.state, waiting.state) == (State.QUEUED, State.SCHEDULED)
        left = (await look_out(tx)).next_seconds
        assert left is not None
        assert 3000 < left <= 3600


async def test_the_queues_with_something_due_are_named_once(database: Database) -> None:
    async with database.begin() as tx:
        assert await look_out(tx) == Outlook(queues=frozenset(), next_seconds=None)
        await submit(tx, *(make_job() for _ in range(5)), make_job(delay=timedelta(hours=1)))
        await tx.execute(text("UPDATE outbox SET queue = 'alpha' WHERE job_id = (SELECT min(job_id) FROM outbox)"))
        assert (await look_out(tx)).queues == {"alpha", "tests"}


async def test_what_was_sent_and_not_claimed_is_sent_again_and_each_time_later(database: Database) -> None:
    async with database.begin() as tx:
        [lost, fresh] = await submit(tx, make_job(), make_job())
        await take_due(tx, "tests", portions(TENANT, most=10))
        await tx.execute(
            text("UPDATE outbox SET sent_at = now() - interval '20 s' WHERE job_id = :id"), {"id": lost.id}
        )
        assert await put_back_lost(tx, resend_seconds=15, limit=10) == [lost.id]
        assert [due.job_id for due in await take_due(tx, "tests", portions(TENANT, most=10))] == [lost.id]
        await tx.execute(
            text("UPDATE outbox SET sent_at = now() - interval '20 s' WHERE job_id = :id"), {"id": lost.id}
        )
        assert await put_back_lost(tx, resend_seconds=15, limit=10) == []
        assert fresh.id != lost.id


@pytest.mark.parametrize(
    ("statement", "given"),
    [
        (outbox._LOOK_AT, {"queue": "'tests'", "most": "1000"}),  # noqa: SLF001 - its plan is what is looked at
        (
            outbox._TAKE,  # noqa: SLF001 - as above
            {
                "queue": "'tests'",
                "tenants": f"ARRAY['{TENANT}']",
                "kinds": f"ARRAY['{make_job().kind}']",
                "mosts": "ARRAY[10]",
                "shares": "ARRAY[10]",
                "per_key": "1",
                "with_keys": "true",
                "keyed": "1000",
            },
        ),
    ],
    ids=["looking", "taking"],
)
async def test_the_relay_reads_no_more_of_a_backlog_than_it_takes_though_the_table_passes_for_empty(
    new_database_url: str, statement: TextClause, given: dict[str, str]
) -> None:
    names = list(given)
    numbered = re.sub(r"(?<!:):(\w+)", lambda found: f"${names.index(found[1]) + 1}", statement.text)
    async with open_store(new_database_url) as database, database.begin() as tx:
        # as the relay has it: planned once, whatever the values
        await tx.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        await tx.execute(text("ANALYZE outbox"))  # as after a drain: the planner takes it for empty from now on
        await tx.exec_driver_sql(f"PREPARE asking AS {numbered}")
        await submit(tx, *(make_job() for _ in range(300)))
        explained = f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asking ({', '.join(given.values())})"
        plan = (await tx.exec_driver_sql(explained)).scalar_one()
    assert b"$1" in bytes(plan)
    reads = [step for step in steps_of(json.loads(bytes(plan))[0]["Plan"]) if step.get("Relation Name") == "outbox"]
    assert reads
    assert not [step for step in reads if step["Node Type"] == "Seq Scan"]
    assert max(step["Actual Loops"] * step["Actual Rows"] for step in reads) <= 10


def steps_of(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps of a plan."""
    yield node
    for below in node.get("Plans", ()):
        yield from steps_of(below)


async def test_a_claimed_job_is_never_sent_again(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await submit(tx)
        await take_due(tx, "tests", portions(TENANT, most=10))
        assert (await look_at(tx, "tests", most=10)).sent == {TENANT: 1}
        await claim(tx, job)
        assert (await look_at(tx, "tests", most=10)).sent == {}
        assert await put_back_lost(tx, resend_seconds=0.000001, limit=10) == []


async def test_a_worker_without_room_gives_ids_back_to_the_relay(database: Database) -> None:
    async with database.begin() as tx:
        [job] = await submit(tx)
        await take_due(tx, "tests", portions(TENANT, most=10))
        await put_back(tx, [job.id])
        assert [due.job_id for due in await take_due(tx, "tests", portions(TENANT, most=10))] == [job.id]


async def test_lanes_with_something_due_are_told_once_with_their_tenants_weight(database: Database) -> None:
    async with database.begin() as tx:
        assert (await look_at(tx, "tests", most=10)).lanes == []
        await submit(tx, *(make_job() for _ in range(5)), make_job(delay=timedelta(hours=1)))
        await submit(tx, *(replace(make_job(), kind="a.other") for _ in range(2)))
        await tx.execute(text("UPDATE tenants SET weight = 3"))
        lanes = (await look_at(tx, "tests", most=10)).lanes
    assert lanes == [Lane(tenant_id=TENANT, kind=kind, weight=3) for kind in ("a.other", "tests.ask")]


async def test_the_lanes_of_a_tenant_share_its_portion_by_priority_and_then_by_age(database: Database) -> None:
    async with database.begin() as tx:
        await submit(tx, make_job(priority=-1), *(replace(make_job(priority=9), kind="a.closed") for _ in range(9)))
        first, last = await submit(tx, replace(make_job(priority=5), kind="a.other"), make_job(priority=1))
        open_lanes = [Portion(tenant_id=TENANT, kind=kind, most=2, share=2) for kind in ("a.other", "tests.ask")]
        taken = [due.job_id for due in await take_due(tx, "tests", open_lanes)]
    assert taken == [first.id, last.id]
