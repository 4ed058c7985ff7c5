"""The relay over a real broker: what is due goes out once, in order, and no more than workers can soon take."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from sqlalchemy import text

from domain.jobs.state import State
from runtime.broker import BrokerDown, Sender, celery_url, make_celery
from runtime.settings import Settings
from storage.outbox import Due
from tests.support.bench import open_bench, stored
from tests.support.jobs import make_job, submit
from workers.relay import WINDOW, pack, relay_once

QUEUES = ("tests",)


def sender_to(url: str) -> Sender:
    return Sender(make_celery(Settings(), broker_url=celery_url(url), queues=QUEUES, client="tests"))


@pytest.fixture
def sender(redis_url: str) -> Iterator[Sender]:
    sender = sender_to(redis_url)
    yield sender
    sender.close()


def sent_ids(redis_url: str) -> list[list[str]]:
    """The ids in the broker's messages, in the order they will be received."""
    with redis.Redis.from_url(redis_url) as client:
        raw = client.lrange("hr:tests", 0, -1)
    assert isinstance(raw, list)
    return [json.loads(_body(json.loads(one)))[0][0] for one in reversed(raw)]


def _body(message: dict[str, object]) -> bytes:
    return base64.b64decode(str(message["body"]))


async def test_due_jobs_are_sent_by_priority_with_nothing_but_their_ids(
    database_url: str, redis_url: str, sender: Sender
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            low, high = await submit(tx, make_job(priority=-1), make_job(priority=1))
        await relay_once(bench.use, sender)
        assert sent_ids(redis_url) == [[high.id], [low.id]]
        with redis.Redis.from_url(redis_url) as client:
            assert "why?" not in str(client.lrange("hr:tests", 0, -1))
        await relay_once(bench.use, sender)
        assert len(sent_ids(redis_url)) == 2


async def test_under_load_one_message_carries_many_ids(database_url: str, redis_url: str, sender: Sender) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            jobs = await submit(tx, *(make_job() for _ in range(400)))
        await relay_once(bench.use, sender)
        messages = sent_ids(redis_url)
        assert len(messages) == 8
        assert sorted(one for ids in messages for one in ids) == sorted(job.id for job in jobs)


async def test_the_broker_is_kept_shallow(database_url: str, redis_url: str, sender: Sender) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            await submit(tx, *(make_job() for _ in range(WINDOW + 500)))
        while await relay_once(bench.use, sender) == 0:
            pass
        assert sum(map(len, sent_ids(redis_url))) == WINDOW


async def test_what_the_broker_does_not_take_stays_due(database_url: str, redis_url: str) -> None:
    nowhere = sender_to("redis://127.0.0.1:1/0")
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            [job] = await submit(tx)
        with pytest.raises(BrokerDown):
            await relay_once(bench.use, nowhere)
        assert (await stored(bench.use.database, job)).state is State.QUEUED
        async with bench.use.database.read() as tx:
            assert (await tx.execute(text("SELECT stage FROM outbox"))).scalar_one() == "due"
    nowhere.close()


async def test_a_sender_finds_the_broker_again_when_it_is_back(
    database_url: str, redis_url: str, sender: Sender
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            await submit(tx)
        await relay_once(bench.use, sender)
        with redis.Redis.from_url(redis_url) as client:
            client.client_kill_filter(skipme=True, _type="normal")
        async with bench.use.database.begin() as tx:
            [job] = await submit(tx)
        for _ in range(3):
            try:
                await relay_once(bench.use, sender)
            except BrokerDown:
                continue
            break
        assert [job.id] in sent_ids(redis_url)


async def test_a_delayed_job_is_sent_when_it_is_due_and_the_relay_knows_how_long_that_is(
    database_url: str, redis_url: str, sender: Sender
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            [job] = await submit(tx, make_job(delay=timedelta(milliseconds=120)))
        pause = await relay_once(bench.use, sender)
        assert 0 < pause <= 0.12
        assert sent_ids(redis_url) == []
        async with bench.use.database.begin() as tx:
            await tx.execute(text("UPDATE outbox SET due_at = now()"))
        await relay_once(bench.use, sender)
        assert sent_ids(redis_url) == [[job.id]]


def test_few_jobs_go_alone_and_many_go_together_a_kind_a_bell() -> None:
    few = [Due(job_id=f"job_{n}", kind="a.b", traceparent=None) for n in range(5)]
    assert [bell.ids for bell in pack(few, has_backlog=False)] == [(due.job_id,) for due in few]
    many = [Due(job_id=f"job_{n}", kind=f"a.{n % 2}", traceparent=None) for n in range(1000)]
    bells = pack(many, has_backlog=True)
    assert max(len(bell.ids) for bell in bells) == 100
    assert sorted(one for bell in bells for one in bell.ids) == sorted(due.job_id for due in many)
    assert all(int(one.removeprefix("job_")) % 2 == int(bell.kind[-1]) for bell in bells for one in bell.ids)
