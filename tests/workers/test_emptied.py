"""An emptied broker: what it held is sent again at once, and only then."""

import pytest
import redis
from sqlalchemy import text

from runtime.broker import BrokerDown, Sender
from storage.outbox import look_at
from tests.support.bench import open_bench, sender_to
from tests.support.jobs import submit
from workers.emptied import Watch
from workers.relay import Relay

QUEUES = ("tests",)


async def test_what_an_emptied_broker_held_is_sent_again_at_once(
    database_url: str, redis_url: str, sender: Sender
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        relay, watch = Relay(bench.use, sender, queues=QUEUES), Watch(bench.use, sender)
        async with bench.use.database.begin() as tx:
            await submit(tx)
        await watch.look()
        await relay.release()
        assert await watch.look() == 0  # nothing is lost
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
            assert await watch.look() == 1
            await relay.release()
            assert client.llen("hr:tests") == 1
            assert await watch.look() == 0  # and once is enough
            assert all(key.startswith(b"hr:") for key in client.scan_iter())


async def test_what_a_relay_was_just_sending_is_found_by_the_next_look(
    database_url: str, redis_url: str, sender: Sender
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        relay, watch = Relay(bench.use, sender, queues=QUEUES), Watch(bench.use, sender)
        async with bench.use.database.begin() as tx:
            [job] = await submit(tx)
        await relay.release()
        async with bench.use.database.begin() as tx:
            await tx.execute(text("SELECT FROM outbox WHERE job_id = :id FOR UPDATE"), {"id": job.id})
            assert await watch.look() == 0
        assert await watch.look() == 1


async def test_a_broker_that_is_away_is_not_called_empty(database_url: str, redis_url: str, sender: Sender) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            await submit(tx)
        await Relay(bench.use, sender, queues=QUEUES).release()
        nobody = sender_to("redis://127.0.0.1:1")
        with pytest.raises(BrokerDown):
            await Watch(bench.use, nobody).look()
        with pytest.raises(BrokerDown):
            await nobody.mark()
        nobody.close()
        async with bench.use.database.read() as tx:
            assert (await look_at(tx, "tests", most=2)).sent.total() == 1
