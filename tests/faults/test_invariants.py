"""Every invariant of a campaign holds where nothing went wrong, and catches a violation planted in a real database."""

# ruff: noqa: S608 - what is put into these statements stands a few lines above them

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import psycopg
import pytest
from msgspec.structs import replace
from sqlalchemy import text

from domain.emails.send_email import SEND_EMAIL
from domain.ids import OrderId
from domain.jobs.job import Job
from domain.jobs.kind import Kind
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from domain.orders.cancel_order import CANCEL_ORDER, CancelOrder
from domain.orders.order import CartLine
from domain.orders.place_order import PLACE_ORDER, OrderPlaced, PlaceOrder
from domain.webhooks.deliver_webhook import DELIVER_WEBHOOK
from runtime.unique_ids import new_id
from storage.database import Database
from storage.jobs import Settlement, claim_jobs, settle_jobs
from tests.faults.hearing import Heard
from tests.faults.invariants import INVARIANTS, Evidence, violations
from tests.faults.outside_log import Answer, Request, Told
from tests.support.batches import make_batch
from tests.support.jobs import make_job, mark_sent, submit
from tests.support.shop import ADA, PEN, TENT, give_credit
from tests.support.shop_worker import open_shop_worker

_NUMBERED = """
UPDATE jobs SET metadata = CAST(metadata AS jsonb) || jsonb_build_object('request', CAST(numbered.number AS text))
FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM jobs WHERE parent_id IS NULL) AS numbered
WHERE jobs.id = numbered.id
"""
_EMAIL = "(SELECT id FROM jobs WHERE kind = 'emails.send' ORDER BY id LIMIT 1)"
_PLACED = "(SELECT id FROM jobs WHERE kind = 'orders.place' ORDER BY id LIMIT 1)"


@pytest.fixture
def evidence(database_url: str, redis_url: str) -> Evidence:
    """Two orders placed and cancelled, e-mails sent, a batch, a webhook: what a campaign leaves when all goes well."""
    asyncio.run(_live_a_little(database_url, redis_url))
    told = Told({}, {})
    with psycopg.connect(database_url) as connection:
        connection.execute(_NUMBERED.encode())
        for job_id, kind, number in connection.execute(
            "SELECT id, kind, metadata ->> 'request' FROM jobs WHERE parent_id IS NULL"
        ):
            told.requests[int(number)] = Request(
                number=int(number), errand=int(number), about=kind, path="/v1/jobs", body={"kind": kind}
            )
            told.answers[int(number)] = Answer(number=int(number), status=202, job_id=job_id)
        sent = connection.execute("SELECT result ->> 'message_id' FROM jobs WHERE kind = 'emails.send'").fetchall()
        notices = connection.execute("SELECT id FROM webhook_notices").fetchall()
    return Evidence(
        database_url=database_url,
        told=told,
        inbox=tuple(f"<{row[0]}@headrace>" for row in sent),
        heard=tuple(Heard(webhook_id=row[0], is_signed=True) for row in notices),
    )


async def _live_a_little(database_url: str, redis_url: str) -> None:
    async with open_shop_worker(database_url, redis_url) as worker:
        await give_credit(worker.database, ADA, 1_000_000)
        for product in (PEN, TENT):
            cart = PlaceOrder(lines=(CartLine(product_id=product, quantity=2),))
            placed = await worker.run(PLACE_ORDER, cart, ADA)
            await worker.run(CANCEL_ORDER, CancelOrder(order_id=_order_of(placed)), ADA)
        async with worker.database.begin() as tx:
            await make_batch(tx, 2, kind=SEND_EMAIL)
            await submit(tx, make_job(SEND_EMAIL, webhook_url="https://example.com/hook"))
        await _send_emails(worker.database)
        await _send_emails(worker.database)  # now that of the job that followed the batch
        await _do_all(worker.database, DELIVER_WEBHOOK, lambda: '{"status_code": 200, "duration_ms": 1}')


def _order_of(placed: Job) -> OrderId:
    assert placed.result is not None
    return msgspec.json.decode(placed.result, type=OrderPlaced).order_id


async def _send_emails(database: Database) -> None:
    await _do_all(database, SEND_EMAIL, lambda: f'{{"message_id":"{new_id("msg")}"}}')


async def _do_all(database: Database, kind: Kind[Any, Any], result: Callable[[], str]) -> None:
    async with database.begin() as tx:
        ids = list((await tx.execute(text("SELECT id FROM jobs WHERE kind = :kind"), {"kind": kind.name})).scalars())
        await mark_sent(tx, ids)
        for job in await claim_jobs(
            tx, ids, worker="worker-1", lease=new_id("lease"), lease_seconds=30, kinds=[kind.name]
        ):
            verdict = Verdict(state=State.SUCCEEDED, result=result().encode())
            await settle_jobs(tx, [Settlement(job_id=job.id, lease=job.lease or "", verdict=verdict)])


def test_nothing_is_found_where_nothing_went_wrong(evidence: Evidence) -> None:
    assert violations(evidence) == []


# what is done to the database, and which invariant must notice
PLANTED = {
    "an accepted job is lost": (f"DELETE FROM jobs WHERE id = {_PLACED}", "I1 every accepted"),
    "an accepted job never ends": (
        f"UPDATE jobs SET state = 'queued', finished_at = NULL WHERE id = {_PLACED}",
        "I1 every accepted",
    ),
    "a promise names the job of another": (
        f'UPDATE jobs SET metadata = \'{{"request": "99"}}\' WHERE id = {_PLACED}',
        "I1 every accepted",
    ),
    "an e-mail failed for no good reason": (
        f"UPDATE jobs SET state = 'failed', error = '{{\"code\": \"handler_error\"}}' WHERE id = {_EMAIL}",
        "I1 every job ended",
    ),
    "a job comes from nowhere": (f"UPDATE jobs SET parent_id = NULL WHERE id = {_EMAIL}", "I2"),
    "a request has two jobs": ('UPDATE jobs SET metadata = \'{"request": "1"}\' WHERE parent_id IS NULL', "I2"),
    "a job follows from nothing": (f"UPDATE jobs SET parent_id = 'job_0' WHERE id = {_EMAIL}", "I2"),
    "a job of a schedule was never fired": (
        f"UPDATE jobs SET parent_id = NULL, schedule_id = 'sched_0' WHERE id = {_EMAIL}",
        "I2",
    ),
    "a job placed two orders": (
        f"ALTER TABLE orders DROP CONSTRAINT uq_orders_job_id; UPDATE orders SET job_id = {_PLACED}",
        "I4",
    ),
    "an order outlives its failed job": (
        f"UPDATE jobs SET state = 'failed', error = '{{\"code\": \"crashed\"}}', crashes = 3 WHERE id = {_PLACED}",
        "I4",
    ),
    "a piece was sold twice": (
        "UPDATE stock_movements SET change = change * 2 WHERE reason = 'sold'",
        "I4",
    ),
    "an order was charged twice": ("UPDATE ledger_entries SET amount = amount * 2 WHERE reason = 'charge'", "I4"),
    "an order was paid back for nothing": (
        "UPDATE orders SET status = 'paid', cancelled_at = NULL",
        "I4",
    ),
    "an e-mail is missing": (f"DELETE FROM jobs WHERE id = {_EMAIL}", "I4"),
    "an attempt began before the last had ended": (
        """INSERT INTO attempts (job_id, attempt, worker, lease, started_at, finished_at, outcome)
        SELECT job_id, 2, 'worker-2', 'lease_0', finished_at - interval '1 ms', now(), 'succeeded'
        FROM attempts LIMIT 1""",
        "I5",
    ),
    "a job had more attempts than it may": (f"UPDATE jobs SET attempt = max_attempts + 1 WHERE id = {_EMAIL}", "I6"),
    "a job went on after its last crash": (f"UPDATE jobs SET crashes = 3 WHERE id = {_EMAIL}", "I6"),
    "a job was given up after one crash": (
        f"UPDATE jobs SET state = 'failed', error = '{{\"code\": \"crashed\"}}', crashes = 1 WHERE id = {_EMAIL}",
        "I6",
    ),
    "a job succeeded twice": (
        f"""INSERT INTO events SELECT job_id, seq + 1, tenant_id, type, at, data FROM events
        WHERE job_id = {_EMAIL} AND type = 'succeeded'; UPDATE jobs SET seq = seq + 1 WHERE id = {_EMAIL}""",
        "I7",
    ),
    "a job says it is what its events do not say": (
        f"UPDATE jobs SET state = 'cancelled' WHERE id = {_EMAIL}",
        "I7",
    ),
    "an event is missing": (f"DELETE FROM events WHERE job_id = {_EMAIL} AND type = 'started'", "I8"),
    "an event was written that its job did not count": (
        f"UPDATE jobs SET seq = seq - 1 WHERE id = {_EMAIL}",
        "I8",
    ),
    "an event is older than the one before it": (
        f"UPDATE events SET at = at - interval '1 hour' WHERE job_id = {_EMAIL} AND type = 'succeeded'",
        "I8",
    ),
    "an event is of no job": (
        f"INSERT INTO events SELECT 'job_0', seq, tenant_id, type, at, data FROM events WHERE job_id = {_EMAIL}",
        "I8",
    ),
    "stock vanished": ("UPDATE products SET stock = stock - 1", "I10"),
    "money appeared": ("UPDATE balances SET amount = amount + 1", "I10"),
    "more was sold than there was": (
        "UPDATE stock_movements SET change = -1000000 WHERE id = (SELECT min(id) FROM stock_movements)",
        "I10",
    ),
    "the end of a job was told to nobody": ("DELETE FROM webhook_deliveries", "I13"),
    "the end of a job was told twice": (
        """INSERT INTO webhook_deliveries (id, tenant_id, notice_id, url, job_id)
        SELECT 'dlv_0', tenant_id, notice_id, url, job_id FROM webhook_deliveries""",
        "I13",
    ),
    "a delivery was given up for no good reason": (
        "UPDATE jobs SET state = 'failed', error = '{\"code\": \"rejected\"}' WHERE kind = 'webhooks.deliver'",
        "I13",
    ),
    "an e-mail said to be sent never arrived": (
        f'UPDATE jobs SET result = \'{{"message_id": "msg_0"}}\' WHERE id = {_EMAIL}',
        "I14",
    ),
    "two jobs sent the same e-mail": (
        f"UPDATE jobs SET result = (SELECT result FROM jobs WHERE id = {_EMAIL}) WHERE kind = 'emails.send'",
        "I14",
    ),
    "a row stayed in the outbox": (
        f"""INSERT INTO outbox (job_id, tenant_id, kind, queue, priority, stage, due_at)
        SELECT id, tenant_id, kind, queue, priority, 'due', now() FROM jobs WHERE id = {_EMAIL}""",
        "I16",
    ),
    "a lease stayed behind": (
        f"""UPDATE jobs SET state = 'running', finished_at = NULL, lease = 'lease_0',
        lease_until = now() - interval '1 h' WHERE id = {_EMAIL}""",
        "I16",
    ),
    "a batch was miscounted": ("UPDATE batches SET succeeded = 1, failed = 1", "I26"),
    "a batch lost a job": ("DELETE FROM jobs WHERE batch_index = 0", "I26"),
    "a batch was not followed": ("UPDATE batches SET on_finished_job_id = NULL", "I26"),
    "a batch was followed twice": (
        """UPDATE jobs SET metadata = (SELECT metadata FROM jobs WHERE metadata ->> 'batch_id' IS NOT NULL)
        WHERE batch_index = 0""",
        "I26",
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_violation_planted_in_the_database_is_caught(evidence: Evidence, planted: str) -> None:
    statements, invariant = PLANTED[planted]
    with psycopg.connect(evidence.database_url) as connection:
        connection.execute(statements.encode())
    assert any(one.invariant.startswith(invariant) for one in violations(evidence)), violations(evidence)


def test_an_email_that_came_more_often_than_it_was_tried_is_caught(evidence: Evidence) -> None:
    assert _named(replace(evidence, inbox=(*evidence.inbox, evidence.inbox[0]))) == {"I14"}


def test_a_delivery_that_was_taken_and_never_heard_is_caught(evidence: Evidence) -> None:
    assert _named(replace(evidence, heard=())) == {"I13"}


def test_a_delivery_that_was_heard_more_often_than_it_was_tried_is_caught(evidence: Evidence) -> None:
    assert _named(replace(evidence, heard=evidence.heard * 2)) == {"I13"}


def test_a_delivery_that_nobody_signed_is_caught(evidence: Evidence) -> None:
    assert _named(replace(evidence, heard=tuple(replace(one, is_signed=False) for one in evidence.heard))) == {"I13"}


def test_an_email_that_nobody_sent_is_caught(evidence: Evidence) -> None:
    assert _named(replace(evidence, inbox=(*evidence.inbox, "<msg_0@headrace>"))) == {"I14"}


def test_a_job_whose_cancellation_was_confirmed_and_that_ran_is_caught(evidence: Evidence) -> None:
    evidence.told.requests[90] = Request(number=90, errand=90, about="cancelled", path="/v1/jobs/x/cancel")
    job_id = evidence.told.answers[1].job_id
    evidence.told.answers[90] = Answer(number=90, status=200, job_id=job_id, state="cancelled")
    assert _named(evidence) == {"I1"}


def test_an_errand_that_was_promised_two_jobs_is_caught(evidence: Evidence) -> None:
    evidence.told.requests[90] = replace(evidence.told.requests[1], number=90)
    evidence.told.answers[90] = replace(evidence.told.answers[2], number=90)
    assert "I3" in _named(evidence)


@pytest.mark.parametrize(
    "answer", [Answer(number=90, status=500, error="oops"), Answer(number=90, status=503)], ids=["500", "bare 503"]
)
def test_an_answer_that_is_not_declared_is_caught(evidence: Evidence, answer: Answer) -> None:
    evidence.told.requests[90] = Request(
        number=90, errand=90, about="text", path="/v1/jobs", body={"kind": "text.moderate"}
    )
    evidence.told.answers[90] = answer
    assert _named(evidence) == {"I18"}


def test_a_transaction_left_open_is_caught(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.invariants.IDLE_SECONDS", 0)
    with psycopg.connect(evidence.database_url) as connection:
        connection.execute("SELECT 1")
        assert _named(evidence) == {"I16"}


def test_every_invariant_has_a_violation_planted() -> None:
    planted = {invariant for _, invariant in PLANTED.values()} | {"I3", "I18"}
    assert [name for name in INVARIANTS if not name.startswith(tuple(planted))] == []


def _named(evidence: Evidence) -> set[str]:
    return {one.invariant.split()[0] for one in violations(evidence)}
