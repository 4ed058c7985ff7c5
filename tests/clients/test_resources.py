"""What else the API has, through the client, against the real API."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from headrace import AsyncHeadrace, Conflict, Input, Invalid, NewJob, NotFound
from headrace.models import KeyLimit, Limit, Moderate, Money, QueueLimits, Rate, Summarize
from storage.sample_catalogue import seed_catalog
from tests.api.conftest import House

DONE = Verdict(state=State.SUCCEEDED, result=b'{"summary":"short","engine":"local"}')


async def test_a_batch_is_submitted_waited_for_and_its_results_read_in_order(
    house: House, client: AsyncHeadrace
) -> None:
    texts = [f"Story {number}." for number in range(5)]
    batch = await client.batches.submit(Summarize(text=each) for each in texts)
    assert (batch.total, batch.counts.queued, batch.is_finished) == (5, 5, False)
    ids = [job.id async for job in batch.results()]
    for job_id in ids:
        await house.run(job_id, DONE)
    await batch.wait(timeout=20)
    assert (batch.counts.succeeded, batch.is_finished) == (5, True)
    assert [job.info.input["text"] async for job in batch.results()] == texts
    assert [each.id async for each in client.batches.list()] == [batch.id]
    assert (await client.batches.get(batch.id)).is_finished


async def test_a_batch_takes_jobs_of_every_spelling_and_one_to_follow(client: AsyncHeadrace) -> None:
    jobs: list[NewJob | Input[Any] | Mapping[str, Any]] = [
        NewJob(Moderate(text="a"), priority=5),
        NewJob("text.moderate", {"text": "b"}),
        Moderate(text="c"),
        {"kind": "text.moderate", "input": {"text": "d"}},
    ]
    plain = await client.batches.submit(jobs, economy=True)
    assert plain.info.mode == "economy"
    batch = await client.batches.submit(jobs, on_finished=Summarize(text="A long story."), idempotency_key="once")
    again = await client.batches.submit(jobs, on_finished=Summarize(text="A long story."), idempotency_key="once")
    assert (batch.total, again.id) == (4, batch.id)
    assert [job.info.priority async for job in batch.results()] == [5, 0, 0, 0]
    await batch.cancel()
    assert (await batch.wait(timeout=20)).counts.cancelled == 4


async def test_the_bad_jobs_of_a_batch_are_named_and_none_is_made(client: AsyncHeadrace) -> None:
    with pytest.raises(Invalid) as told:
        await client.batches.submit([Moderate(text="a"), Moderate(text=""), NewJob("text.unknown")])
    assert any("/1/input/text" in error.pointer for error in told.value.errors), told.value.errors
    assert await client.batches.list().all() == []


async def test_jobs_are_acted_on_in_bulk(client: AsyncHeadrace) -> None:
    await client.text.moderate("a", tags=["bulk"])
    action = await client.bulk_actions.start("cancel", tag="bulk", state="queued", dry_run=True, rate_per_second=9)
    assert (action.dry_run, action.filter.tag, action.filter.state) == (True, "bulk", ("queued",))
    assert (await client.bulk_actions.get(action.id)).id == action.id
    assert [each.id async for each in client.bulk_actions.list()] == [action.id]
    assert (await client.bulk_actions.abort(action.id)).state == "aborted"


async def test_a_schedule_lives_from_its_making_to_its_end(client: AsyncHeadrace) -> None:
    schedule = await client.schedules.create(
        "nightly", NewJob(Summarize(text="A long story."), tags=["night"]), cron="0 3 * * *", timezone="Europe/Berlin"
    )
    assert (len(schedule.next_runs), schedule.job.tags, schedule.paused) == (5, ("night",), False)
    changed = await client.schedules.update(
        schedule.id, every=timedelta(hours=1), jitter=None, ends_at=datetime(2100, 1, 1, tzinfo=UTC), overlap="allow"
    )
    assert (changed.cron, changed.every, changed.overlap) == (None, "1h", "allow")
    assert changed.ends_at == datetime(2100, 1, 1, tzinfo=UTC)
    assert (await client.schedules.pause(schedule.id)).paused
    assert not (await client.schedules.resume(schedule.id)).paused
    job = await client.schedules.trigger(schedule.id)
    assert (job.kind, job.info.schedule_id) == ("text.summarize", schedule.id)
    assert [run.job_id async for run in client.schedules.runs(schedule.id)] == [job.id]
    assert [each.name async for each in client.schedules.list()] == ["nightly"]
    yesterday = datetime.now(UTC) - timedelta(days=1)
    done = await client.schedules.backfill(schedule.id, yesterday, dry_run=True)
    assert (done.starts_at, done.dry_run, done.submitted) == (yesterday, True, done.firings)
    done = await client.schedules.backfill(schedule.id, yesterday, yesterday + timedelta(hours=12))
    assert (done.dry_run, done.ends_at) == (False, yesterday + timedelta(hours=12))
    await client.schedules.delete(schedule.id)
    with pytest.raises(NotFound):
        await client.schedules.get(schedule.id)


async def test_queues_are_listed_paused_and_limited(client: AsyncHeadrace) -> None:
    assert "text" in {queue.name for queue in await client.queues.list()}
    assert (await client.queues.pause("text")).paused
    assert not (await client.queues.resume("text")).paused
    by_kind = {"text.generate": Limit(rate=Rate(count=5, per="1m"))}
    limits = QueueLimits(max_running=10, per_kind=by_kind, per_key=KeyLimit(max_running=1))
    assert (await client.queues.limit("text", limits)).limits == limits
    assert await client.workers.list() == ()


async def test_a_conversation_is_begun_and_carried_on(house: House, client: AsyncHeadrace) -> None:
    conversation = await client.conversations.create()
    job = await client.conversations.say(conversation.id, "Hello!")
    assert job.kind == "chat.reply"
    await house.run(job.id, Verdict(state=State.SUCCEEDED, result=b'{"message_id":"msg_1","text":"Hi","engine":"x"}'))
    assert (await job.result(timeout=20)).text == "Hi"
    assert [each.text async for each in client.conversations.messages(conversation.id)] == ["Hello!"]
    assert (await client.conversations.rename(conversation.id, "Greetings")).title == "Greetings"
    assert [each.title async for each in client.conversations.list()] == ["Greetings"]
    await client.conversations.delete(conversation.id)
    with pytest.raises(NotFound):
        await client.conversations.get(conversation.id)


async def test_store_credit_is_given_once_and_the_shop_is_looked_through(client: AsyncHeadrace) -> None:
    for _ in range(2):
        await client.customers.deposit(Money(amount=1000, currency="USD"), idempotency_key="once")
    assert (await client.customers.balance(currency="USD")).balance.amount == 1000
    assert await client.products.list("lamp", in_stock=True).all() == []
    assert await client.products.categories() == ()
    assert await client.orders.list(status="paid").all() == []
    with pytest.raises(NotFound):
        await client.orders.get("order_" + "0" * 32)
    with pytest.raises(NotFound):
        await client.products.get("product_" + "0" * 32)


async def test_a_product_is_reviewed_once(house: House, client: AsyncHeadrace) -> None:
    async with house.database.begin() as tx:
        await seed_catalog(tx, house.tenant_id)
    lamp = (await client.products.list("reading lamp").all())[0]
    review, again = [await client.products.review(lamp.id, 4, title="Warm", idempotency_key="once") for _ in range(2)]
    assert again == review
    assert (review.rating, review.title, review.verified_purchase) == (4, "Warm", False)
    with pytest.raises(Conflict):
        await client.products.review(lamp.id, 1)
    assert (await client.products.update_review(lamp.id, review.id, rating=5)).title == "Warm"
    assert [each.rating async for each in client.products.reviews(lamp.id, rating=5)] == [5]
    assert (await client.products.get_review(lamp.id, review.id)).text == ""
    assert (await client.products.get(lamp.id)).reviews == 1
    await client.products.delete_review(lamp.id, review.id)
    assert (await client.products.get(lamp.id)).rating is None


async def test_the_catalogue_is_changed(client: AsyncHeadrace) -> None:
    assert (await client.products.create_category("garden", "Garden")).products == 0
    price = Money(amount=1850, currency="USD")
    trowel, again = [
        await client.products.create(
            "GRD-TRW-01", "Trowel", price, stock=9, categories=["garden"], idempotency_key="once"
        )
        for _ in range(2)
    ]
    assert again == trowel
    assert (trowel.price, trowel.stock, trowel.categories) == (price, 9, ("garden",))
    assert (await client.products.rename_category("garden", "In the garden")).name == "In the garden"
    assert (await client.products.update(trowel.id, name="Spade", categories=[])).categories == ()
    made = await client.products.move_stock(trowel.id, 3, reason="received")
    assert (made.stock, made.reason) == (12, "received")
    assert [each.change async for each in client.products.movements(trowel.id)] == [3, 9]
    with pytest.raises(Conflict):
        await client.products.move_stock(trowel.id, -13)
    await client.products.delete_category("garden")
    assert await client.products.categories() == ()


async def test_figures_kinds_and_the_caller_are_told(house: House, client: AsyncHeadrace) -> None:
    assert (await client.me()).tenant_id == house.tenant_id
    assert {"text.summarize", "chat.reply"} <= {kind.name for kind in await client.kinds()}
    await client.text.moderate("a")
    assert (await client.stats("1h")).total == 1


async def test_what_has_no_method_is_asked_for_by_its_path(client: AsyncHeadrace) -> None:
    made = await client.request(
        "POST", "/v1/jobs", {"kind": "text.moderate", "input": {"text": "a"}}, idempotency_key="once"
    )
    assert made.status == 202
    job_id = made.into(dict[str, object])["id"]
    walked = [bytes(raw) async for raw in client.walk("/v1/jobs", query={"kind": "text.moderate"})]
    assert len(walked) == 1
    assert str(job_id).encode() in walked[0]
    async with client.stream("/v1/jobs/export", query={"format": "csv"}) as pieces:
        assert str(job_id).encode() in b"".join([piece async for piece in pieces])
